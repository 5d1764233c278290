"""The files of `deploy/azure` agree with each other, and parse: both shells, Bicep, Terraform.

PowerShell, Bicep and Terraform are parsed by grammars of tree-sitter and not run: a file that parses may still fail in
Azure. `terraform validate` and the Bicep compiler need providers and types from the internet. Where the Azure CLI is installed,
its help is asked for each command and option.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import tree_sitter
import tree_sitter_bicep
import tree_sitter_hcl
import tree_sitter_powershell

ROOT = Path(__file__).resolve().parent.parent.parent
AZURE = ROOT / "deploy/azure"
SETTINGS = {"SIGNALR_UPSTREAM_TENANT_IDS", "SIGNALR_UPSTREAM_AUDIENCES", "SIGNALR_UPSTREAM_CALLER_OBJECT_IDS"}
GRAMMARS = {".ps1": tree_sitter_powershell, ".bicep": tree_sitter_bicep, ".tf": tree_sitter_hcl}
# Options that only shape an answer.
SHAPE = {"--output", "--query"}
faults, not_run = [], []


def expect(holds, fault):
    if not holds:
        faults.append(fault)


def read(name):
    return (AZURE / name).read_text(encoding="utf-8")


def broken(node):
    if node.type == "ERROR" or node.is_missing:
        yield node.start_point[0] + 1
    for child in node.children:
        yield from broken(child)


def syntax():
    files = [path for path in sorted((ROOT / "deploy").rglob("*")) if path.suffix in GRAMMARS]
    expect({path.suffix for path in files} == set(GRAMMARS), "a kind of file was not found")
    for path in files:
        # The grammar is older than the statement `extension`.
        text = re.sub(r"^extension \w+$", "", path.read_text(encoding="utf-8"), flags=re.M)
        parser = tree_sitter.Parser(tree_sitter.Language(GRAMMARS[path.suffix].language()))
        for line in broken(parser.parse(text.encode()).root_node):
            faults.append(f"{path.relative_to(ROOT)}:{line}: does not parse")


def tool(name, *command):
    if not shutil.which(command[0]):
        not_run.append(f"{name}: {command[0]} is not installed")
        return
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, cwd=AZURE)
    expect(done.returncode == 0, f"{name}: {done.stdout.strip()[-800:]}")


def commands(name):
    """The options of each command of `az` in a script."""
    return commands_in(read(name))


def commands_in(text):
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    text = re.sub(r"[\\`]\n", " ", text)
    # A command inside of another has options of its own.
    inner = re.findall(r"\$\((az [^()]*)\)", text)
    text = "\n".join([re.sub(r"\$\(az [^()]*\)", "VALUE", text), *inner])
    found = {}
    for line in re.findall(r"(?<![\w$-])az ((?:[a-z][a-z-]* )+--?.*|(?:[a-z][a-z-]* )+)", text):
        command = re.match(r"(?:[a-z][a-z-]* )+", line).group().strip()
        options = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", line)) - SHAPE
        found.setdefault(command, set()).update(options)
    return found


def both_shells():
    for name in ("setup", "teardown"):
        bash, powershell = commands(f"{name}.sh"), commands(f"{name}.ps1")
        expect(len(bash) >= 6, f"{name}.sh: only {len(bash)} commands were found: this is read wrongly")
        for command in sorted(set(bash) | set(powershell)):
            one, other = bash.get(command), powershell.get(command)
            expect(one == other, f"{name}: `az {command}` has {one and sorted(one)} in bash and {other and sorted(other)} in PowerShell")
        options = set(re.findall(r"^#   --([a-z-]+)", read(f"{name}.sh"), re.M))
        taken = set(re.findall(r"--([a-z-]+)(?= \||\) )", read(f"{name}.sh"))) - {"help"}
        expect(options == taken, f"{name}.sh: explains {sorted(options)} and takes {sorted(taken)}")
        parameters = {word.lower() for word in re.findall(r"\] \$(\w+)", read(f"{name}.ps1").split("\n)\n")[0])}
        expect({word.replace("-", "") for word in options} == parameters, f"{name}.ps1: takes {sorted(parameters)}")
    printed = set(re.findall(r'^"(SIGNALR_\w+)=', read("setup.ps1"), re.M))
    expect(printed == SETTINGS, f"setup.ps1 prints {sorted(printed)}")


def commands_of_pages():
    """The same of all that the pages show in a shell."""
    found = {}
    for page in sorted(ROOT.rglob("*.md")):
        if "target" in page.relative_to(ROOT).parts:
            continue
        blocks = re.findall(r"^ *```(?:sh|bash|console)\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.M | re.S)
        for command, options in commands_in("\n".join(blocks)).items():
            found.setdefault(command, set()).update(options)
    expect(len(found) >= 15, f"only {len(found)} commands of `az` were found on the pages: this is read wrongly")
    return found


def azure_cli():
    """The real Azure CLI knows each command and option of the scripts and of the pages. It needs no account for that."""
    all_commands = commands_of_pages()
    for name in ("setup.sh", "teardown.sh"):
        for command, options in commands(name).items():
            all_commands.setdefault(command, set()).update(options)
    if not shutil.which("az"):
        not_run.append("options of the Azure CLI: az is not installed")
        return
    for command, options in sorted(all_commands.items()):
        shown = subprocess.run(["az", *command.split(), "--help"], capture_output=True, text=True, timeout=120).stdout
        known = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", shown))
        expect(options <= known, f"`az {command}` has no {sorted(options - known)}")


def bicep():
    text, page = read("main.bicep"), read("README.md")
    code = re.sub(r"//.*", "", text)
    extensions = set(re.findall(r"^extension (\w+)$", text, re.M))
    expect(extensions == set(json.loads(read("bicepconfig.json"))["extensions"]), "bicepconfig.json has other extensions than main.bicep")
    required = set(re.findall(r"^param (\w+) \w+$", text, re.M))
    for name in re.findall(r"^param (\w+)", text, re.M):
        expect(len(re.findall(rf"\b{name}\b", code)) > 1, f"main.bicep: the parameter {name} is not used")
    given = set(re.findall(r"^param (\w+) =", read("main.bicepparam"), re.M))
    expect(given == required, f"main.bicepparam gives {sorted(given)}, required are {sorted(required)}")
    command = re.search(r"az deployment group create [^`]*?main\.bicep\b[^`]*", page).group()
    given = set(re.findall(r"(?<![\w-])(\w+)=\S", command))
    expect(given == required, f"README.md gives {sorted(given)} to main.bicep, required are {sorted(required)}")
    declared = set(re.findall(r"^resource (\w+)", text, re.M))
    used = set(re.findall(r"\b(\w+)\.(?:appId|id|identity)\b", code))
    expect(used and used <= declared, f"main.bicep: uses {sorted(used - declared)}, which it does not declare")
    expect(set(re.findall(r"'(SIGNALR_\w+)'\)\noutput", text)) == SETTINGS, "main.bicep: the outputs are not the settings")


def terraform():
    text = "".join(read(f"terraform/{name}.tf") for name in ("main", "outputs", "variables"))
    declared = set(re.findall(r'^variable "(\w+)"', text, re.M))
    used = set(re.findall(r"\bvar\.(\w+)", read("terraform/main.tf")))
    expect(used == declared, f"terraform: declared are {sorted(declared)}, used are {sorted(used)}")
    resources = {".".join(found) for found in re.findall(r'^resource "(\w+)" "(\w+)"', text, re.M)}
    referenced = {f"{kind}.{name}" for kind, name in re.findall(r"(?<!data\.)\b(azure(?:ad|rm)_\w+)\.(\w+)", text)}
    expect(referenced and referenced <= resources, f"terraform: {sorted(referenced - resources)} are not declared")
    expect(set(re.findall(r'^output "(\w+)"', text, re.M)) == SETTINGS, "terraform: the outputs are not the settings")
    required = {name for name, body in re.findall(r'^variable "(\w+)" \{(.*?)^\}', text, re.M | re.S) if "default" not in body}
    given = set(re.findall(r"-var '?(\w+)=", read("README.md")))
    expect(given == required, f"README.md gives {sorted(given)} to Terraform, required are {sorted(required)}")


def versions():
    """One API version, one list of SKUs."""
    for name, pattern in (("setup.sh", r"^API=(\S+)"), ("teardown.sh", r"^API=(\S+)"), ("setup.ps1", r"\$api = '(\S+)'"),
                          ("teardown.ps1", r"\$api = '(\S+)'"), ("main.bicep", r"signalR@(\S+)'")):
        expect(re.findall(pattern, read(name), re.M) == ["2024-03-01"], f"{name}: another API version")
    for name in ("setup.sh", "setup.ps1", "main.bicep", "terraform/variables.tf", "README.md"):
        found = set(re.findall(r"\b(?:Free|Standard|Premium)_[A-Z]\d", read(name)))
        expect(found == {"Free_F1", "Standard_S1", "Premium_P1", "Premium_P2"}, f"{name}: knows the SKUs {sorted(found)}")


def main():
    for check in (syntax, both_shells, azure_cli, bicep, terraform, versions):
        check()
    tool("bash", "bash", "-n", "setup.sh", "teardown.sh")
    tool("shellcheck", "shellcheck", "setup.sh", "teardown.sh")
    tool("terraform fmt", "terraform", "fmt", "-check", "terraform")
    not_run.append("PowerShell is parsed only; Bicep and Terraform are parsed and compared, not compiled; nothing is deployed")
    for fault in faults:
        print(f"FAIL {fault}")
    for name in not_run:
        print(f"Not run here: {name}")
    if not faults:
        print("the files of deploy/azure agree")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
