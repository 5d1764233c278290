"""The cases that each proxy is put through, and the table of their results."""

import asyncio

from harness import BrokenCheck, Check, call, end, free_port
from proxies import ANY

PREFIX = "x-upstream-auth"
# What a client may send under the names that the service believes. CGI and its successors read them alike.
FORGED = [
    "X-Upstream-Auth-Object-Id",
    "x-upstream-auth-tenant-id",
    "X-Upstream-Auth-Roles",
    "X_Upstream_Auth_Object_Id",
    "x_upstream_auth_roles",
    "X-Upstream_Auth-Client_Id",
    "X.Upstream.Auth.Audience",
]
MESSAGE = [("Content-Type", "application/json"), ("X-ASRS-Hub", "chat"), ("X-ASRS-Event", "echo"), ("X-ASRS-Category", "messages")]
BODY = b'{"type":1,"invocationId":"1","target":"echo","arguments":["hi"]}'


class Table:
    """Case, proxy, and `ok` or what was wrong."""

    def __init__(self):
        self.results, self.cases, self.proxies, self.missing = {}, [], [], {}

    def put(self, case, proxy, faults, shown="ok"):
        if case not in self.cases:
            self.cases.append(case)
        if proxy not in self.proxies:
            self.proxies.append(proxy)
        self.results[case, proxy] = (shown, faults)

    def not_run(self, proxy, reason):
        self.missing[proxy] = reason

    def print(self):
        """Prints the table; the exit code."""
        width = max((len(case) for case in self.cases), default=0)
        print(f"\n{'case':<{width}}  " + "  ".join(f"{proxy:<10}" for proxy in self.proxies))
        failed = []
        for case in self.cases:
            cells = []
            for proxy in self.proxies:
                shown, faults = self.results.get((case, proxy), ("-", []))
                cells.append("FAIL" if faults else shown)
                failed += [f"{proxy}: {case}: {fault}" for fault in faults]
            print(f"{case:<{width}}  " + "  ".join(f"{cell:<10}" for cell in cells).rstrip())
        print()
        for fault in failed:
            print(f"FAIL {fault}")
        for proxy, reason in self.missing.items():
            print(f"NOT RUN {proxy}: {reason}")
        passed = sum(1 for _, faults in self.results.values() if not faults)
        print(f"{passed} of {len(self.results)} results are as wanted.")
        return 1 if failed or not self.results else 0


def bearer(token):
    return ("Authorization", f"Bearer {token}")


class Scenario:
    """The cases for one proxy that runs at `port`."""

    def __init__(self, proxy, port, entra, service, table):
        self.proxy, self.port, self.entra, self.service, self.table = proxy, port, entra, service, table

    async def send(self, headers, **options):
        return await call(self.port, [*MESSAGE, *headers], **({"body": BODY} | options))

    def put(self, case, faults, shown="ok"):
        self.table.put(case, self.proxy.name, faults, shown)

    def identity_faults(self, answer, roles):
        """What is wrong with the request that the service got."""
        if answer.status != 200:
            return [f"status {answer.status}"]
        seen = answer.json()
        faults, wanted = [], self.entra.caller | {f"{PREFIX}-roles": roles}
        got = {}
        for name, value in seen["headers"]:
            plain = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
            if plain == "authorization" and value:
                faults.append("Authorization reaches the service")
            if plain.startswith(PREFIX):
                got.setdefault(plain, []).append(value)
                if plain != name.lower():
                    faults.append(f"{name} reaches the service")
        for name, value in wanted.items():
            # Some proxies remove a header without a value.
            if got.get(name, [""]) != [value]:
                faults.append(f"{name} is {got.get(name)}, not {value!r}")
        if len([value for value in got.get(f"{PREFIX}-audience", []) if value]) != 1:
            faults.append(f"the audience is {got.get(f'{PREFIX}-audience')}")
        if any("forged" in value for values in got.values() for value in values):
            faults.append("a forged value reaches the service")
        if ["x-asrs-hub", "chat"] not in [[name.lower(), value] for name, value in seen["headers"]]:
            faults.append("X-ASRS-Hub does not reach the service")
        if (seen["method"], seen["path"]) != ("POST", "/upstream/chat/messages/echo?a=b%20c"):
            faults.append(f"the service got {seen['method']} {seen['path']}")
        return faults

    async def settled(self):
        """Waits until the proxy has its routes: Traefik listens before."""
        for _ in range(200):
            if (await self.send([])).status == 401:
                return
            await asyncio.sleep(0.05)
        raise RuntimeError(f"{self.proxy.name} does not ask the check")

    async def good_calls(self):
        forged = [(name, "forged") for name in FORGED]
        for token in self.entra.good:
            answer = await self.send([bearer(token["token"])])
            self.put(f"good: {token['name']}", self.identity_faults(answer, token["roles"]))
            answer = await self.send([*forged, bearer(token["token"]), *forged])
            self.put(f"forged headers: {token['name']}", self.identity_faults(answer, token["roles"]))

    async def rejected(self, case, headers, statuses, challenge=True, **options):
        before = self.service.arrived
        answer = await self.send(headers, **options)
        faults = []
        if answer.status not in statuses:
            faults.append(f"status {answer.status}")
        if challenge and not answer.header("www-authenticate").startswith("Bearer "):
            faults.append(f"challenge {answer.header('www-authenticate')!r}")
        if self.service.arrived != before:
            faults.append("the call arrives")
        self.put(case, faults, f"ok {answer.status}")

    async def bad_calls(self):
        for token in self.entra.bad:
            await self.rejected(f"bad: {token['name']}", [bearer(token["token"])], [token["status"]])
        good = self.entra.good[0]["token"]
        await self.rejected("bad: no token", [], [401])
        await self.rejected("bad: no token, forged headers", [(name, "forged") for name in FORGED], [401])
        await self.rejected("bad: another scheme", [("Authorization", "Basic eDp5")], [401])
        await self.rejected("bad: scheme without token", [("Authorization", "Bearer")], [self.proxy.malformed])
        await self.rejected("bad: not a token", [("Authorization", "Bearer a,b")], [self.proxy.malformed])
        await self.rejected("bad: token in the query", [], [401], path=f"/upstream/chat/messages/echo?access_token={good}")
        # nginx answers 400 itself since 1.23.
        await self.rejected("bad: two tokens", [bearer(good), bearer(good)], [400, 401], challenge=False)

    def events_name_the_call(self, log):
        """The check logs hub and event of what it rejects, so the proxy has to hand both on."""
        lines = [line for line in log.read_text(encoding="utf-8").splitlines() if "requests are rejected" in line]
        wanted = ('unverified.hub="chat"', 'unverified.event="echo"')
        faults = [] if lines else ["no rejection is logged"]
        faults += [f"{field} is not in {line!r}" for field in wanted for line in lines[:1] if field not in line]
        self.put("rejections are logged with hub and event", faults)

    async def check_from_outside(self):
        good = self.entra.good[0]["token"]
        before = self.service.arrived
        outside = await self.send([bearer(good)], path="/verify")
        faults = [] if outside.status == 404 and self.service.arrived == before else [f"status {outside.status}"]
        self.put("the check is not reachable from outside", faults)

    async def traffic(self):
        good = bearer(self.entra.good[0]["token"])
        answer = await self.send([good], body=b"x" * (1 << 20))
        faults = self.identity_faults(answer, "")
        if not faults and answer.json()["body"] != 1 << 20:
            faults = [f"{answer.json()['body']} bytes arrive"]
        self.put("body of 1 MiB", faults)
        bad = bearer(self.entra.bad[0]["token"])
        before = self.service.arrived
        answers = await asyncio.gather(*(self.send([good if number % 2 else bad]) for number in range(200)))
        faults = [f"call {number}: {answer.status}" for number, answer in enumerate(answers) if answer.status != (401, 200)[number % 2]]
        if self.service.arrived != before + 100:
            faults.append(f"{self.service.arrived - before} calls arrive, not 100")
        self.put("200 calls at once, half of them bad", faults)
        for status in (204, 401, 403, 404, 500, 502, 503):
            answer = await self.send([good, ("X-Answer", str(status))])
            faults = [] if answer.status == status else [f"status {answer.status}"]
            if answer.header("retry-after") or answer.header("www-authenticate"):
                faults.append("the answer has headers of the check")
            self.put(f"the service's own {status}", faults)

    async def never_open(self, case, how, patience=30):
        """While the check fails, neither a good token nor none lets a call pass."""
        status, retry_after = self.proxy.unavailable[how]
        before, faults = self.service.arrived, []
        headers = [[bearer(self.entra.good[0]["token"])]]
        # A check without keys still rejects a call without a token.
        if how != "no keys":
            headers += [[], [(name, "forged") for name in FORGED]]
        answers = await asyncio.gather(*(self.send(headers, patience=patience) for headers in headers))
        for answer in answers:
            if answer.status != status:
                faults.append(f"status {answer.status}, not {status}")
            told = answer.header("retry-after")
            if told != retry_after and not (retry_after == ANY and told.isdigit()):
                faults.append(f"Retry-After {told!r}, not {retry_after!r}")
        if self.service.arrived != before:
            faults.append("a call arrives")
        self.put(case, faults, f"ok {status}" + (" R" if retry_after else ""))

    async def without_identity(self):
        """A check that accepts and names nobody: what the client sent does not take the place."""
        answer = await self.send([bearer("x"), *((name, "forged") for name in FORGED)])
        faults = ["a forged value reaches the service"] if "forged" in answer.body.decode() else []
        self.put("forged headers, and no identity from the check", faults)


def without_keys(entra):
    """Variables of a check that asks for keys where nobody answers."""
    return entra.environment | {"HTTPS_PROXY": f"http://127.0.0.1:{free_port()}"}


async def run_sidecar(proxy, program, entra, service, table):
    """The cases for `proxy`, which needs no other proxy."""
    port, command = free_port(), ("proxy", "--to", f"http://127.0.0.1:{service.port}")
    scenario = Scenario(proxy, port, entra, service, table)
    async with Check(program, port, entra.environment, command=command):
        await scenario.good_calls()
        await scenario.bad_calls()
        await scenario.traffic()
    async with Check(program, port, without_keys(entra), has_keys=False, command=command):
        await scenario.never_open("check has no keys", "no keys")


async def run_scenario(proxy, program, folder, check_program, entra, service, table):
    port, check_port = free_port(), free_port()
    proxy.write_files(folder, {8000: port, 3000: check_port, 8080: service.port})
    process = await proxy.start(program, folder, port)
    scenario = Scenario(proxy, port, entra, service, table)
    try:
        log = folder / "check.log"
        async with Check(check_program, check_port, entra.environment, log=log):
            await scenario.settled()
            await scenario.good_calls()
            await scenario.bad_calls()
            scenario.events_name_the_call(log)
            await scenario.check_from_outside()
            await scenario.traffic()
        await scenario.never_open("check is down", "down")
        for how, as_if in [("500", "500"), ("503", "503"), ("hangs up", "down")]:
            async with BrokenCheck(check_port, how):
                await scenario.never_open(f"check {'answers ' if how.isdigit() else ''}{how}", as_if)
        async with BrokenCheck(check_port, "slow"):
            await scenario.never_open("check is slow", "down", patience=proxy.gives_up_after + 15)
        async with BrokenCheck(check_port, "accepts without identity"):
            await scenario.without_identity()
        async with Check(check_program, check_port, without_keys(entra), has_keys=False):
            await scenario.never_open("check has no keys", "no keys")
        async with Check(check_program, check_port, entra.environment):
            answer = await scenario.send([bearer(entra.good[0]["token"])])
            scenario.put("good, after the check is back", scenario.identity_faults(answer, ""))
    finally:
        await end(process)
