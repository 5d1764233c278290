"""Stands for the Azure CLI: keeps a subscription and a directory in memory, and answers in the shapes of the real one.

Each call that changes something is added to the list `writes` of the state. Two things go wrong if the state says so:
`fails_at` lets the write of that number succeed and its answer get lost, as if the script were interrupted; `lag` makes a
new object of the directory invisible to that many calls that name it. A command or an option that is not listed here ends
with 2. Queries are evaluated by `jmespath`, the library that the Azure CLI uses.
"""

import json
import uuid
from pathlib import Path

import jmespath

TENANT = "11111111-aaaa-4bbb-8ccc-222222222222"
SUBSCRIPTION = "/subscriptions/99999999-0000-4000-8000-aaaaaaaaaaaa"
TYPE = "Microsoft.SignalRService/signalR"
COMMON = {"--output", "--query"}
ENVIRONMENT_OF = {
    "AzureCloud": "https://graph.microsoft.com/",
    "AzureUSGovernment": "https://graph.microsoft.us/",
    "AzureChinaCloud": "https://microsoftgraph.chinacloudapi.cn/",
}


class Failure(Exception):
    """What the CLI prints after `ERROR:`."""


def new_state():
    return {
        "cloud": "AzureCloud", "groups": {}, "resources": {}, "apps": {}, "principals": {}, "assignments": [],
        "writes": [], "fails_at": None, "lag": 0, "unseen": {},
    }


def guid(state, kind):
    """Ids that a second run would make again, so that two end states can be compared."""
    state["made"] = state.get("made", 0) + 1
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{kind}-{state['made']}"))


def one(found, what):
    if not found:
        raise Failure(f"(ResourceNotFound) {what} was not found.")
    return found


def resource(state, options):
    found = state["resources"].get(options["--name"])
    if not found or found["group"] != options["--resource-group"]:
        raise Failure(f"(ResourceNotFound) The Resource '{TYPE}/{options['--name']}' was not found.")
    return found


def as_listed_by_signalr(found):
    """`az signalr show`: the properties are at the top."""
    return {key: found[key] for key in ("name", "location", "identity", "sku", "tags")} | found["properties"]


def write_identity(state, found, identity):
    if identity != "[system]":
        raise Failure("only [system] is known here")
    found["identity"] = {
        "type": "SystemAssigned", "principalId": guid(state, "caller"), "tenantId": TENANT, "userAssignedIdentities": None,
    }


def set_property(target, assignment):
    """`--set a.b=JSON`, as for the generic update of the CLI."""
    path, value = assignment.split("=", 1)
    if value.startswith("@"):
        value = Path(value[1:]).read_text(encoding="utf-8")
    *parents, last = path.split(".")
    for parent in parents:
        if target.get(parent) is None:
            target[parent] = {}
        target = target[parent]
    try:
        target[last] = json.loads(value)
    except json.JSONDecodeError:
        target[last] = value


def visible(state, key):
    """Whether the directory shows an object already."""
    if state["unseen"].get(key, 0):
        state["unseen"][key] -= 1
        raise Failure(f"Resource '{key}' does not exist or one of its queried reference-property objects are not present.")


def new_app(state, body):
    client_id = guid(state, "app")
    state["apps"][client_id] = {
        "appId": client_id, "displayName": body["displayName"], "signInAudience": body["signInAudience"],
        "identifierUris": [], "tags": body.get("tags", []), "api": body.get("api", {"requestedAccessTokenVersion": None}),
    }
    state["unseen"][client_id] = state["lag"]
    return state["apps"][client_id]


def app(state, options):
    visible(state, options["--id"])
    return one(state["apps"].get(options["--id"]), "the application")


def principal(state, options):
    visible(state, options["--id"])
    return one(state["principals"].get(options["--id"]), "the service principal")


def filtered(objects, options):
    field, value = options["--filter"].split(" eq ", 1)
    return [found for found in objects if found[field] == value.strip("'")]


def rest(state, options):
    graph = ENVIRONMENT_OF[state["cloud"]] + "v1.0"
    path = options["--url"].removeprefix(graph)
    text = options.get("--body", "null")
    body = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    match options["--method"], path.strip("/").split("/"):
        case "POST", ["applications"]:
            return new_app(state, body)
        case method, ["servicePrincipals", resource_id, "appRoleAssignedTo"]:
            mine = [found for found in state["assignments"] if found["resourceId"] == resource_id]
            if method == "GET":
                return {"value": mine}
            if any(found["principalId"] == body["principalId"] for found in mine):
                raise Failure("Bad Request: Permission being assigned already exists on the object")
            state["assignments"].append(body)
            return body
    raise Failure(f"Not Found: {options['--method']} {options['--url']}")


def create_principal(state, options):
    visible(state, options["--id"])
    one(state["apps"].get(options["--id"]), "the application")
    if options["--id"] in state["principals"]:
        raise Failure("The service principal cannot be created, updated, or restored because the name is already in use")
    state["principals"][options["--id"]] = {
        "appId": options["--id"], "id": guid(state, "principal"), "appRoleAssignmentRequired": False,
    }
    return state["principals"][options["--id"]]


def delete_app(state, options):
    app(state, options)
    del state["apps"][options["--id"]]
    gone = state["principals"].pop(options["--id"], None)
    state["assignments"] = [found for found in state["assignments"] if gone is None or found["resourceId"] != gone["id"]]


def create_resource(state, options):
    one(state["groups"].get(options["--resource-group"]), "the group")
    key, value = options["--tags"].split("=")
    state["resources"][options["--name"]] = {
        "name": options["--name"], "group": options["--resource-group"], "location": options["--location"],
        "type": TYPE, "sku": {"name": options["--sku"], "capacity": int(options["--unit-count"])}, "tags": {key: value},
        "identity": None,
        "properties": {"features": [{"flag": "ServiceMode", "value": options["--service-mode"], "properties": {}}], "upstream": None},
    }
    return as_listed_by_signalr(state["resources"][options["--name"]])


def create_group(state, options):
    key, value = options["--tags"].split("=")
    state["groups"][options["--name"]] = {"name": options["--name"], "location": options["--location"], "tags": {key: value}}
    return state["groups"][options["--name"]]


def change(found, edit):
    edit(found)
    return found


def set_mode(found, options):
    found["properties"]["features"] = [{"flag": "ServiceMode", "value": options["--service-mode"], "properties": {}}]


READS = {
    "account show": (set(), lambda state, options: {"tenantId": TENANT, "id": SUBSCRIPTION.rsplit("/", 1)[1]}),
    "cloud show": (
        set(),
        lambda state, options: {"name": state["cloud"], "endpoints": {"microsoftGraphResourceId": ENVIRONMENT_OF[state["cloud"]]}},
    ),
    "group exists": ({"--name"}, lambda state, options: options["--name"] in state["groups"]),
    "group show": ({"--name"}, lambda state, options: one(state["groups"].get(options["--name"]), "the group")),
    "resource list": (
        {"--resource-group", "--resource-type"},
        lambda state, options: [
            {key: found[key] for key in ("name", "type", "location", "tags")}
            for found in state["resources"].values()
            if found["group"] == options["--resource-group"] and options.get("--resource-type", found["type"]) == found["type"]
        ],
    ),
    "resource show": (
        {"--name", "--resource-group", "--resource-type", "--api-version"},
        lambda state, options: resource(state, options),
    ),
    "signalr show": ({"--name", "--resource-group"}, lambda state, options: as_listed_by_signalr(resource(state, options))),
    "signalr identity show": ({"--name", "--resource-group"}, lambda state, options: resource(state, options)["identity"]),
    "ad app list": ({"--filter"}, lambda state, options: filtered(state["apps"].values(), options)),
    "ad app show": ({"--id"}, app),
    "ad sp list": ({"--filter"}, lambda state, options: filtered(state["principals"].values(), options)),
    "ad sp show": ({"--id"}, principal),
}
WRITES = {
    "group create": ({"--name", "--location", "--tags"}, create_group),
    "group delete": ({"--name", "--yes"}, lambda state, options: state["groups"].pop(options["--name"]) and None),
    "signalr create": (
        {"--name", "--resource-group", "--location", "--sku", "--unit-count", "--service-mode", "--tags"},
        create_resource,
    ),
    "signalr update": (
        {"--name", "--resource-group", "--service-mode"},
        lambda state, options: change(resource(state, options), lambda found: set_mode(found, options)),
    ),
    "signalr delete": (
        {"--name", "--resource-group"},
        lambda state, options: resource(state, options) and state["resources"].pop(options["--name"]) and None,
    ),
    "signalr identity assign": (
        {"--name", "--resource-group", "--identity"},
        lambda state, options: change(resource(state, options), lambda found: write_identity(state, found, options["--identity"])),
    ),
    "resource update": (
        {"--name", "--resource-group", "--resource-type", "--api-version", "--set"},
        lambda state, options: change(resource(state, options), lambda found: set_property(found, options["--set"])),
    ),
    "ad app update": (
        {"--id", "--identifier-uris"},
        lambda state, options: change(app(state, options), lambda found: found.update(identifierUris=[options["--identifier-uris"]])) and None,
    ),
    "ad app delete": ({"--id"}, delete_app),
    "ad sp create": ({"--id"}, create_principal),
    "ad sp update": (
        {"--id", "--set"},
        lambda state, options: change(principal(state, options), lambda found: set_property(found, options["--set"])) and None,
    ),
}
# It reads or writes, as its method says.
REST = ({"--method", "--url", "--body"}, rest)


def parse(arguments):
    """The command, and its options. Every option but `--yes` has one value."""
    count = next((index for index, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    command, rest_of = " ".join(arguments[:count]), arguments[count:]
    options = {}
    while rest_of:
        name = rest_of.pop(0)
        options[name] = True if name == "--yes" else rest_of.pop(0)
    return command, options


def printed(value, output):
    """As the CLI writes a value: nothing for null, and columns for `tsv`."""
    if value is None or output == "none":
        return ""
    if output == "json":
        return json.dumps(value) + "\n"
    rows = value if isinstance(value, list) else [value]
    cells = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return "".join(f"{cell}\n" for cell in cells)


def answer(state, arguments):
    """The exit status, and what is printed: to the error output if the status is not 0."""
    command, options = parse(arguments)
    known, act = REST if command == "rest" else READS.get(command) or WRITES.get(command) or (None, None)
    if act is None:
        return 2, f"ERROR: '{command}' is misspelled or unknown to the system.\n"
    unknown = set(options) - known - COMMON
    if unknown:
        return 2, f"ERROR: unrecognized arguments: {' '.join(sorted(unknown))}\n"
    writes = command in WRITES or (command == "rest" and options["--method"] != "GET")
    try:
        value = act(state, options)
    except Failure as failure:
        return 1, f"ERROR: {failure}\n"
    if writes:
        state["writes"].append(" ".join([command, *(str(value) for value in options.values())]))
        if state["fails_at"] == len(state["writes"]):
            return 1, "ERROR: Connection aborted.\n"
    if "--query" in options:
        value = jmespath.search(options["--query"], value)
    return 0, printed(value, options.get("--output", "json"))
