"""The metrics that the code has: of the crate and of the program, each with its kind and its labels."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "src/telemetry/meter.rs"
PROGRAM = ROOT / "crates/cli/src/proxy/log.rs"
NAME = re.compile(r'const (\w+): &str = "(signalr_upstream_auth_\w+)"')
USE = re.compile(r"\b(counter|gauge|histogram)!\(\s*(?:names::)?(\w+)((?:,\s*\"\w+\"\s*=>(?:[^,()]|\([^()]*\))+)*)")


def metrics(*paths):
    """Kind and labels by name. A use of a metric with other labels, or one that is described and never used, is an error."""
    found = {}
    for path in paths or (LIBRARY, PROGRAM):
        text = path.read_text(encoding="utf-8")
        names = dict(NAME.findall(text))
        for kind, constant, labels in USE.findall(text):
            if constant in names:
                seen = (kind, frozenset(re.findall(r'"(\w+)"\s*=>', labels)))
                known = found.setdefault(names[constant], seen)
                assert known == seen, f"{names[constant]} is used as {known} and as {seen}"
        missing = set(names.values()) - set(found)
        assert not missing, f"{path.name}: no use of {', '.join(sorted(missing))} was found"
    return found


def kinds():
    """The kinds of rejection."""
    text = (ROOT / "src/error/rejection.rs").read_text(encoding="utf-8")
    return set(re.findall(r'= "(\w+)", \w+, \w+, "', text))


def alerts():
    """The rule of each alert by its name."""
    text = (ROOT / "src/docs/alerts.yml").read_text(encoding="utf-8")
    return dict(re.findall(r"- alert: (\w+)\n(.*?)(?=- alert: |\Z)", text, re.S))
