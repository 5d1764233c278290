"""Fails if a package is missing that the tests need."""

import jmespath  # noqa: F401
import tree_sitter  # noqa: F401
import tree_sitter_bicep  # noqa: F401
import tree_sitter_hcl  # noqa: F401
import tree_sitter_powershell  # noqa: F401
