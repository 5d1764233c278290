"""Many connections that are seldom used, as load balancers keep them, and what each costs."""

import asyncio
import resource
import time

from harness import read_message
from load import resident

# How many connections are opened at a time: less than the queue of a listener holds.
AT_ONCE = 200
# The allocator gives memory back bit by bit, within ten seconds.
AFTER = 15


def open_files(wanted):
    """Raises the limit of open files of this process and of those that it starts; why not, or `None`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return f"the hard limit of open files (ulimit -Hn) is {hard}, and {wanted} are needed"
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return None


class Connections:
    """Connections that stay open. `request` is what each sends in its turn."""

    def __init__(self, port, request):
        self.port, self.request, self.open = port, request, []

    async def __aenter__(self):
        return self

    async def grow(self, count):
        """Opens further ones until there are so many, and uses each once."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def connect():
            async with gate:
                connection = await asyncio.open_connection("127.0.0.1", self.port)
                self.open.append(connection)
                await self.use(connection)

        await asyncio.gather(*(connect() for _ in range(count - len(self.open))))

    async def __aexit__(self, *_):
        for _, writer in self.open:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in self.open), return_exceptions=True)

    async def use(self, connection):
        reader, writer = connection
        writer.write(self.request)
        try:
            first, _, _ = await read_message(reader)
        except asyncio.IncompleteReadError:
            raise RuntimeError("an idle connection was closed: this machine is too slow to use each in time") from None
        if " 200 " not in first:
            raise RuntimeError(f"a call over an idle connection was answered {first}")

    async def use_slowly(self, seconds):
        """Each connection carries one call in this time, at an even pace."""
        began = time.monotonic()
        for number, connection in enumerate(self.open):
            await asyncio.sleep(max(0, began + seconds * number / len(self.open) - time.monotonic()))
            await self.use(connection)


async def memory_under_connections(pid, port, count, request, seconds):
    """What is there, its MiB, and the number of connections. Twice, to see whether it grows."""
    rows = [("before", resident([pid]), 0)]
    for turn, steps in (("first", (count // 10, count // 2, count)), ("second", (count,))):
        async with Connections(port, request) as connections:
            for step in steps:
                await connections.grow(step)
                rows.append((f"{turn} {step:,} connections, each used once", resident([pid]), step))
            await connections.use_slowly(seconds)
            rows.append((f"{seconds} s later, with calls all the time", resident([pid]), count))
        await asyncio.sleep(AFTER)
        rows.append((f"{AFTER} s after they have closed", resident([pid]), 0))
    return rows
