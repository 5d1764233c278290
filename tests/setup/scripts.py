"""setup.sh and teardown.sh, case by case: what they leave behind, and what a second run changes."""

import copy
import json
import os
import socketserver
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import az

ROOT = Path(__file__).resolve().parent.parent.parent
UPSTREAM = "https://api.example.net/upstream/{hub}/{category}/{event}"
NAMES = ["--name", "contoso", "--group", "contoso-rg"]
SETUP = ["deploy/azure/setup.sh", *NAMES, "--upstream", UPSTREAM]
NEW = [*SETUP, "--location", "westeurope"]
TEARDOWN = ["deploy/azure/teardown.sh", *NAMES, "--yes"]
# What a run may leave behind and does not belong to the end state.
NOTES = ("writes", "fails_at", "lag", "unseen", "made")
MOST_WRITES = 20


# What `az` is here: it hands its arguments over and prints the answer. A shell starts faster than an interpreter.
CLIENT = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/{port}
printf '%s\\0' "$@" $'\\x04' >&3
IFS= read -r code <&3
IFS= read -r -d '' text <&3
if [ "$code" = 0 ]; then printf '%s' "$text"; else printf '%s' "$text" >&2; fi
exit "$code"
"""


class Call(socketserver.StreamRequestHandler):
    """One run of `az`."""

    def handle(self):
        sent = b""
        while not sent.endswith(b"\x04\0"):
            if not (received := self.request.recv(65536)):
                return
            sent += received
        arguments = [argument.decode() for argument in sent.split(b"\0")[:-2]]
        try:
            code, text = az.answer(self.server.state, arguments)
        except Exception as fault:
            code, text = 3, f"az.py failed at {arguments}: {fault!r}\n"
        self.wfile.write(f"{code}\n{text}\0".encode())


class Cloud:
    """A subscription and a directory, and the `az` that changes them."""

    def __init__(self, **state):
        self.folder = tempfile.TemporaryDirectory(prefix="signalr-upstream-auth-az-")
        self.server = socketserver.TCPServer(("127.0.0.1", 0), Call)
        self.server.state = self.state = az.new_state() | state
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        program = Path(self.folder.name) / "az"
        program.write_text(CLIENT.replace("{port}", str(self.server.server_address[1])), encoding="utf-8")
        program.chmod(0o755)

    def end_state(self):
        return copy.deepcopy({key: value for key, value in self.state.items() if key not in NOTES})

    def run(self, command):
        self.state["writes"] = []
        environment = {"HOME": self.folder.name, "PATH": f"{self.folder.name}:{os.environ['PATH']}", "RETRY_SECS": "0"}
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120
        )

    def succeed(self, command):
        done = self.run(command)
        assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def fail(self, command, reason):
        """Runs what must fail; the state before it."""
        before = self.end_state()
        done = self.run(command)
        assert done.returncode == 1 and reason in done.stderr, f"{done.returncode}: {done.stderr}"
        return before

    def writes(self):
        return self.state["writes"]


def resource(mode="Serverless", templates=None, identity=None, tags=None):
    return {
        "name": "contoso", "group": "contoso-rg", "location": "westeurope", "type": az.TYPE, "tags": tags,
        "sku": {"name": "Standard_S1", "capacity": 1}, "identity": identity,
        "properties": {
            "features": [{"flag": "ServiceMode", "value": mode, "properties": {}}], "upstream": templates and {"templates": templates},
        },
    }


def existing(**options):
    """A cloud with a group and a resource that setup.sh did not create."""
    groups = {"contoso-rg": {"name": "contoso-rg", "location": "westeurope", "tags": None}}
    return Cloud(groups=groups, resources={"contoso": resource(**options)})


USER_ASSIGNED = {
    "type": "UserAssigned", "principalId": None, "tenantId": None,
    "userAssignedIdentities": {"/subscriptions/x/identities/calls": {"clientId": "c", "principalId": "88888888-0000-4000-8000-000000000000"}},
}


def creates_everything_and_prints_the_settings():
    cloud = Cloud()
    settings = cloud.succeed(NEW)
    state = cloud.end_state()
    (client_id, app), = state["apps"].items()
    made = state["resources"]["contoso"]
    assert app["api"] == {"requestedAccessTokenVersion": 2} and app["identifierUris"] == [f"api://{client_id}"], app
    assert app["signInAudience"] == "AzureADMyOrg" and app["displayName"] == "signalr-upstream-contoso", app
    assert list(state["principals"]) == [client_id]
    assert made["sku"]["name"] == "Free_F1" and made["properties"]["features"][0]["value"] == "Serverless", made
    assert made["properties"]["upstream"]["templates"] == [
        {"urlTemplate": UPSTREAM, "auth": {"type": "ManagedIdentity", "managedIdentity": {"resource": client_id}}}
    ], made
    assert settings == (
        f"SIGNALR_UPSTREAM_TENANT_IDS={az.TENANT}\nSIGNALR_UPSTREAM_AUDIENCES={client_id}\n"
        f"SIGNALR_UPSTREAM_CALLER_OBJECT_IDS={made['identity']['principalId']}\n"
    ), settings


def second_run_writes_nothing_and_prints_the_same():
    for options in ([], ["--require-assignment"]):
        cloud = Cloud()
        first = cloud.succeed([*NEW, *options])
        state = cloud.end_state()
        assert cloud.succeed([*NEW, *options]) == first
        assert cloud.writes() == [] and cloud.end_state() == state, cloud.writes()


def run_after_an_interruption_ends_like_one_without():
    """After each write in turn the answer is lost, and the script is run again."""
    command = [*NEW, "--require-assignment"]
    whole = Cloud()
    whole.succeed(command)
    count = len(whole.writes())
    assert 5 < count < MOST_WRITES, whole.writes()
    for number in range(1, count + 1):
        cloud = Cloud(fails_at=number)
        cloud.run(command)
        cloud.state["fails_at"] = None
        cloud.succeed(command)
        assert cloud.end_state() == whole.end_state(), f"after write {number} of {count}"


def waits_until_the_directory_shows_new_objects():
    cloud = Cloud(lag=3)
    cloud.succeed(NEW)
    state = cloud.end_state()
    assert list(state["principals"]) == list(state["apps"]), state


def assignment_is_there_before_it_is_required():
    cloud = Cloud()
    cloud.succeed([*NEW, "--require-assignment"])
    writes = [write.split(" ")[0:3] for write in cloud.writes()]
    posts = [index for index, write in enumerate(cloud.writes()) if "appRoleAssignedTo" in write]
    required = writes.index(["ad", "sp", "update"])
    assert len(posts) == 1 and posts[0] < required < writes.index(["resource", "update", "contoso"]), writes
    state = cloud.end_state()
    assert state["assignments"][0]["principalId"] == state["resources"]["contoso"]["identity"]["principalId"], state


def without_the_option_no_assignment_is_required():
    cloud = Cloud()
    cloud.succeed(NEW)
    assert not any(principal["appRoleAssignmentRequired"] for principal in cloud.end_state()["principals"].values())


def teardown_leaves_nothing_and_can_be_repeated():
    for options in ([], ["--require-assignment"]):
        cloud = Cloud()
        before = cloud.end_state()
        cloud.succeed([*NEW, *options])
        cloud.succeed(TEARDOWN)
        assert cloud.end_state() == before, cloud.end_state()
        cloud.succeed(TEARDOWN)
        assert cloud.writes() == [], cloud.writes()


def teardown_asks_first():
    cloud = Cloud()
    cloud.succeed(NEW)
    before = cloud.fail([word for word in TEARDOWN if word != "--yes"], "nothing was deleted")
    assert cloud.end_state() == before


def teardown_keeps_what_setup_did_not_create():
    other = {"urlTemplate": "https://other.example.net/api", "auth": None}
    cloud = existing(identity=USER_ASSIGNED)
    before = cloud.end_state()
    cloud.succeed(SETUP)
    assert cloud.end_state()["resources"]["contoso"]["identity"] == USER_ASSIGNED
    cloud.state["resources"]["contoso"]["properties"]["upstream"]["templates"].append(other)
    cloud.succeed(TEARDOWN)
    after = cloud.end_state()
    assert after["resources"]["contoso"]["properties"]["upstream"]["templates"] == [other], after
    after["resources"]["contoso"]["properties"]["upstream"] = None
    assert after == before, after


def teardown_keeps_a_group_with_other_resources():
    cloud = Cloud()
    cloud.succeed(NEW)
    cloud.state["resources"]["storage"] = resource() | {"name": "storage", "type": "Microsoft.Storage/storageAccounts"}
    cloud.succeed(TEARDOWN)
    assert list(cloud.end_state()["groups"]) == ["contoso-rg"] and list(cloud.end_state()["resources"]) == ["storage"]


def uses_the_object_id_of_a_user_assigned_identity():
    settings = existing(identity=USER_ASSIGNED).succeed(SETUP)
    assert "SIGNALR_UPSTREAM_CALLER_OBJECT_IDS=88888888-0000-4000-8000-000000000000\n" in settings, settings


def changes_the_mode_only_when_told_so():
    cloud = existing(mode="Default")
    before = cloud.fail(SETUP, "--change-mode does it")
    assert cloud.end_state() == before
    cloud.succeed([*SETUP, "--change-mode"])
    assert cloud.end_state()["resources"]["contoso"]["properties"]["features"][0]["value"] == "Serverless"


def replaces_settings_of_others_only_when_told_so():
    other = {"urlTemplate": "https://other.example.net/api", "auth": None}
    cloud = existing(templates=[other])
    cloud.fail(SETUP, "--replace-upstream replaces them all")
    assert cloud.end_state()["resources"]["contoso"]["properties"]["upstream"]["templates"] == [other]
    cloud.succeed([*SETUP, "--replace-upstream"])
    assert [found["urlTemplate"] for found in cloud.end_state()["resources"]["contoso"]["properties"]["upstream"]["templates"]] == [UPSTREAM]


def completes_a_setting_without_authentication():
    cloud = existing(templates=[{"urlTemplate": UPSTREAM, "auth": {"type": "None"}}])
    cloud.succeed(SETUP)
    template, = cloud.end_state()["resources"]["contoso"]["properties"]["upstream"]["templates"]
    assert template["auth"]["managedIdentity"]["resource"] == next(iter(cloud.end_state()["apps"])), template


def leaves_app_registrations_of_others_alone():
    foreign = {"appId": "f", "displayName": "signalr-upstream-contoso", "tags": [], "identifierUris": [], "signInAudience": "x", "api": {}}
    cloud = Cloud(apps={"f": foreign})
    cloud.fail(NEW, "that this script did not create")
    assert cloud.end_state()["apps"] == {"f": foreign}
    cloud.succeed(TEARDOWN)
    assert cloud.end_state()["apps"] == {"f": foreign}
    settings = cloud.succeed([*NEW, "--client-id", "f"])
    assert "SIGNALR_UPSTREAM_AUDIENCES=f\n" in settings and cloud.end_state()["apps"] == {"f": foreign}, settings


def names_the_cloud_in_the_settings():
    for name, setting in (("AzureUSGovernment", "us-government"), ("AzureChinaCloud", "china")):
        assert Cloud(cloud=name).succeed(NEW).endswith(f"SIGNALR_UPSTREAM_CLOUD={setting}\n")


def rejects_arguments_that_it_cannot_use():
    for wrong, reason in (
        (["deploy/azure/setup.sh", "--name", "contoso"], "are required"),
        ([*SETUP, "--flavor", "red"], "there is no option --flavor"),
        ([*SETUP[:-1], "http://api.example.net"], "not an address of https://"),
        ([*SETUP[:-1], "https://api.example.net/' || `1`"], "quotation mark"),
        (["deploy/azure/setup.sh", "--name", "con'toso", *SETUP[3:]], "quotation mark"),
        (SETUP, "--location says where"),
        (["deploy/azure/teardown.sh", "--name", "contoso"], "are required"),
    ):
        cloud = Cloud()
        before = cloud.fail(wrong, reason)
        assert cloud.end_state() == before and cloud.writes() == []


def result_is_what_check_azure_wants():
    """With the program: the resource and the printed settings fit together."""
    cloud = Cloud()
    settings = dict(line.split("=", 1) for line in cloud.succeed(NEW).splitlines())
    shown = az.as_listed_by_signalr(cloud.state["resources"]["contoso"]) | {"type": az.TYPE}
    file = Path(cloud.folder.name) / "show.json"
    file.write_text(json.dumps(shown), encoding="utf-8")
    checked = subprocess.run([program(), "check-azure", file], env=settings, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    wrong = subprocess.run(
        [program(), "check-azure", file], env=settings | {"SIGNALR_UPSTREAM_AUDIENCES": az.TENANT}, capture_output=True, text=True, timeout=60
    )
    assert wrong.returncode == 1, wrong.stdout + wrong.stderr


def program():
    """The program of the workspace, built if nobody names it."""
    if named := os.environ.get("SIGNALR_UPSTREAM_AUTH"):
        return named
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--package", "signalr-upstream-auth-cli"], cwd=ROOT, check=True)
    return os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")) + "/debug/signalr-upstream-auth"


CASES = [
    creates_everything_and_prints_the_settings, second_run_writes_nothing_and_prints_the_same,
    run_after_an_interruption_ends_like_one_without, waits_until_the_directory_shows_new_objects,
    assignment_is_there_before_it_is_required, without_the_option_no_assignment_is_required,
    teardown_leaves_nothing_and_can_be_repeated, teardown_asks_first, teardown_keeps_what_setup_did_not_create,
    teardown_keeps_a_group_with_other_resources, uses_the_object_id_of_a_user_assigned_identity, changes_the_mode_only_when_told_so,
    replaces_settings_of_others_only_when_told_so, completes_a_setting_without_authentication,
    leaves_app_registrations_of_others_alone, names_the_cloud_in_the_settings, rejects_arguments_that_it_cannot_use,
    result_is_what_check_azure_wants,
]


def main():
    failed = 0
    for case in CASES:
        try:
            case()
        except Exception as fault:
            failed += 1
            print(f"FAIL {case.__name__}: {fault!r}", flush=True)
        else:
            print(f"ok   {case.__name__}", flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
