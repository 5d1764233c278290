"""What the proxies stand between: a caller, a service that shows what it got, the check, and a local Entra."""

import asyncio
import json
import os
import socket
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30


def build(*options):
    """Builds the program and the local Entra; where they are. `options` are for `cargo build`."""
    package = ["--package", "signalr-upstream-auth-cli"]
    targets = ["--bin", "signalr-upstream-auth", "--example", "local_entra"]
    command = ["cargo", "build", "--locked", *options, *package, *targets, "--message-format", "json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    found = {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}
    return found["signalr-upstream-auth"], found["local_entra"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def until_open(port, what):
    for _ in range(PATIENCE * 20):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        except OSError:
            await asyncio.sleep(0.05)
    raise RuntimeError(f"{what} does not listen on port {port}")


def environment(variables=()):
    """The environment without what would lead the program elsewhere."""
    decisive = ("ADMIN_ADDR", "LISTEN_ADDR", "RUST_LOG", "SSL_CERT_DIR", "SSL_CERT_FILE")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("SIGNALR_UPSTREAM_") and not name.upper().endswith("_PROXY") and name not in decisive
    }
    return kept | dict(variables)


async def end(process):
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()


class LocalEntra:
    """`local_entra`: variables of a policy that trusts it, tokens that this policy accepts, and others."""

    def __init__(self, program):
        self.program = program

    async def __aenter__(self):
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(self.program, stdin=pipe, stdout=pipe, limit=1 << 20)
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
        about = json.loads(line)
        self.environment, self.caller = about["environment"], about["caller"]
        self.good, self.bad = about["good"], about["bad"]
        return self

    async def __aexit__(self, *_):
        self.process.stdin.close()
        await end(self.process)


class Check:
    """`forward-auth`, or another command of the program, on a port."""

    def __init__(self, program, port, variables, has_keys=True, command=("forward-auth",), not_ready=0, drain=1, log=os.devnull):
        self.program, self.port, self.variables, self.has_keys = program, port, variables, has_keys
        self.command, self.admin, self.log = command, free_port(), log
        self.end = ["--not-ready", str(not_ready), "--drain", str(drain)]

    async def __aenter__(self):
        places = ["--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}"]
        with open(self.log, "wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                self.program, *self.command, *places, *self.end, env=environment(self.variables), stderr=log
            )
        await until_open(self.port, self.command[0])
        if not self.has_keys:
            return self
        for _ in range(PATIENCE * 10):
            if await self.is_ready():
                return self
            await asyncio.sleep(0.1)
        raise RuntimeError(f"{self.command[0]} has no keys")

    async def __aexit__(self, *_):
        await end(self.process)

    async def is_ready(self):
        return (await call(self.admin, path="/readyz", method="GET")).status == 204


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    def json(self):
        return json.loads(self.body)


async def read_message(reader):
    """First line, headers as they were written, and the body of an HTTP/1.1 message (RFC 9112)."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
    fields = {name.lower(): value for name, value in headers}
    body = b""
    if "chunked" in fields.get("transfer-encoding", ""):
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readline()
        while (await reader.readline()).strip():
            pass
    elif length := int(fields.get("content-length", 0)):
        body = await reader.readexactly(length)
    return first, headers, body


async def call(port, headers=(), body=b"", path="/upstream/chat/messages/echo?a=b%20c", method="POST", patience=PATIENCE):
    """One call over a connection of its own; the headers are sent as they are written."""
    async with asyncio.timeout(patience):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        fixed = [("Host", f"127.0.0.1:{port}"), ("Connection", "close")]
        if body or method == "POST":
            fixed.append(("Content-Length", str(len(body))))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in [*fixed, *headers])]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        try:
            first, answered, content = await read_message(reader)
            return Answer(int(first.split(" ")[1]), answered, content)
        finally:
            writer.close()


class Server:
    """An HTTP/1.1 server on loopback. `answer` gets the first line, the headers and the body of each request."""

    def __init__(self, port=0):
        self.port, self.writers, self.ended = port, set(), asyncio.Event()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, limit=1 << 20, backlog=1024)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.ended.set()
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while True:
                answer = await self.answer(*await read_message(reader))
                if answer is None:
                    break
                status, headers, body = answer
                length = [] if status == 204 else [("Content-Length", str(len(body)))]
                lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in [*headers, *length])]
                writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if status == 204 else body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()


class Service(Server):
    """Answers what it got, or with the status that `x-answer` asks for, and counts what arrives."""

    arrived = 0

    async def answer(self, first, headers, body):
        self.arrived += 1
        method, path, _ = first.split(" ")
        asked = [int(value) for name, value in headers if name.lower() == "x-answer"]
        seen = {"method": method, "path": path, "headers": headers, "body": len(body)}
        return (*asked, 200)[0], [], json.dumps(seen).encode()


class BrokenCheck(Server):
    """In place of the check: fails in one of several ways."""

    def __init__(self, port, how):
        super().__init__(port)
        self.how = how

    async def answer(self, first, headers, body):
        match self.how:
            case "slow":
                await self.ended.wait()
                return None
            case "hangs up":
                return None
            case "accepts without identity":
                return 200, [], b""
            case status:
                return int(status), [("Retry-After", "7")], b""
