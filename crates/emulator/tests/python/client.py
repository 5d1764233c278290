"""pysignalr against an app and the emulator. Every check is an assertion; the exit code tells.

APP: the app, which negotiates and is the upstream. SERVICE: the REST API over plain HTTP. TOKEN: for the REST API.
"""

import asyncio
import json
import os
import urllib.request

from pysignalr.client import SignalRClient
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

APP, SERVICE, TOKEN = (os.environ[name] for name in ("APP", "SERVICE", "TOKEN"))
SHAPES = [None, True, 0, -1, 1.5, 2**31, -(2**40), "", "ü\U0001f600", [], [1, [None, "x"]], {}, {"a": {"b": [1]}}]


def rest(method, path, body=None):
    request = urllib.request.Request(
        f"{SERVICE}/api/hubs/chat/{path}?api-version=2024-12-01",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        assert 200 <= answer.status < 300, answer.status


async def exchange(protocol):
    client = SignalRClient(f"{APP}/chat?user=anna", protocol=protocol)
    opened, news = asyncio.Event(), asyncio.Queue()

    async def on_open():
        opened.set()

    async def on_news(arguments):
        await news.put(arguments)

    client.on_open(on_open)
    client.on("news", on_news)
    running = asyncio.create_task(client.run())
    await asyncio.wait_for(opened.wait(), 30)

    async def invoke(target, arguments):
        done = asyncio.get_running_loop().create_future()

        async def on_completion(completion):
            done.set_result(completion)

        await client.send(target, arguments, on_invocation=on_completion)
        return await asyncio.wait_for(done, 30)

    for shape in SHAPES:
        completion = await invoke("echo", [shape])
        assert completion.error is None and completion.result == shape, (shape, completion)

    # The invocations were answered, so the hub knows the connection.
    for path in (":send", "users/anna/:send"):
        await asyncio.to_thread(rest, "POST", path, {"target": "news", "arguments": ["hi", {"n": 1.5}]})
        assert await asyncio.wait_for(news.get(), 30) == ["hi", {"n": 1.5}]
    running.cancel()


async def rejected():
    client = SignalRClient(f"{APP}/chat?user=dave&broken=true")
    opened = asyncio.Event()

    async def on_open():
        opened.set()

    client.on_open(on_open)
    running = asyncio.create_task(client.run())
    await asyncio.wait({running, asyncio.create_task(opened.wait())}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert not opened.is_set()
    running.cancel()


async def main():
    for protocol in (JSONProtocol(), MessagepackProtocol()):
        await exchange(protocol)
        print(f"{type(protocol).__name__}: good")
    await rejected()
    print("rejection: good")


asyncio.run(main())
