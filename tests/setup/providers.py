"""Every block and argument of `deploy/azure/terraform` is in the schemas of its providers, and none that is required is missing.

`python3 tests/setup/providers.py`; needs npm, and fetches the bindings of CDK for Terraform: packages that are generated from these
schemas. `terraform validate` would compare the same, and needs the providers themselves. Values and types are not compared.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

TERRAFORM = Path(__file__).resolve().parent.parent.parent / "deploy/azure/terraform"
# The package of each provider, with the major version of the provider that main.tf asks for.
BINDINGS = {"azuread": ("@cdktf/provider-azuread@14.3.1", "3"), "azurerm": ("@cdktf/provider-azurerm@14.23.1", "4")}
# What Terraform itself knows in a resource.
META = {"count", "lifecycle", "depends_on", "for_each", "provider"}


def blocks(text):
    """Each resource with its content: a dictionary for a block, `None` for an argument."""
    stack = []
    for line in text.splitlines():
        line = re.sub(r"^\s*#.*", "", line).strip()
        if found := re.match(r'resource "(\w+)" "\w+" \{$', line):
            stack = [(found[1], {})]
        elif not stack:
            continue
        elif found := re.match(r"(\w+) \{$", line):
            content = {}
            stack[-1][1][found[1]] = content
            stack.append((found[1], content))
        elif found := re.match(r"(\w+)\s*=", line):
            stack[-1][1][found[1]] = None
        elif line == "}":
            name, content = stack.pop()
            if not stack:
                yield name, content


def camel(name):
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def faults_of(place, content, interface, interfaces):
    body = interfaces[interface]
    known = {name: (required, kind) for name, required, kind in re.findall(r"^    readonly (\w+)(\??): ([\w.]+)", body, re.M)}
    given = {camel(name): (name, inner) for name, inner in content.items() if name not in META}
    for name, (written, inner) in given.items():
        if name not in known:
            yield f"{place} has no {written}"
        elif inner is not None:
            if known[name][1] not in interfaces:
                yield f"{place}: {written} is no block"
            else:
                yield from faults_of(f"{place}.{written}", inner, known[name][1], interfaces)
    for name, (optional, _) in known.items():
        if not optional and name not in given:
            yield f"{place} needs {name}"


def main():
    text = (TERRAFORM / "main.tf").read_text(encoding="utf-8")
    faults, compared = [], 0
    with tempfile.TemporaryDirectory(prefix="signalr-upstream-auth-providers-") as folder:
        for provider, (package, major) in BINDINGS.items():
            packed = subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.PIPE, text=True, timeout=300)
            if f'version = "~> {major}.0"' not in text:
                faults.append(f"main.tf does not ask for version {major} of {provider}")
            with tarfile.open(Path(folder) / packed.stdout.split()[-1]) as archive:
                for resource, content in blocks(text):
                    if not resource.startswith(f"{provider}_"):
                        continue
                    name = resource.removeprefix(f"{provider}_").replace("_", "-")
                    bindings = archive.extractfile(f"package/lib/{name}/index.d.ts").read().decode()
                    if f"/providers/hashicorp/{provider}/{major}." not in bindings:
                        faults.append(f"{package} is not for version {major} of {provider}")
                    interfaces = dict(re.findall(r"^export interface (\w+)[^{]*\{\n(.*?)^\}", bindings, re.M | re.S))
                    config = re.search(r"^export interface (\w+) extends cdktf\.TerraformMetaArguments", bindings, re.M)[1]
                    faults += faults_of(resource, content, config, interfaces)
                    compared += 1
    if compared < 6:
        faults.append(f"only {compared} resources were found: this script reads main.tf wrongly")
    print("\n".join(faults) if faults else f"{compared} resources of Terraform fit the schemas of their providers")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
