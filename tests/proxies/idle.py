"""Many connections that are seldom used, as load balancers keep them, and what each costs."""

import asyncio
import resource
import time

from harness import read_message
from load import resident

# How many connections are opened at a time: less than the queue of a listener holds.
AT_ONCE = 200


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

    def __init__(self, port, count, request):
        self.port, self.count, self.request, self.open = port, count, request, []

    async def __aenter__(self):
        gate = asyncio.Semaphore(AT_ONCE)

        async def connect():
            async with gate:
                connection = await asyncio.open_connection("127.0.0.1", self.port)
                self.open.append(connection)
                await self.use(connection)

        await asyncio.gather(*(connect() for _ in range(self.count)))
        return self

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
    """Label and MiB: before, with the connections, while they are used slowly, after; twice, to see whether it grows."""
    rows = [("before", resident([pid]))]
    for turn in ("first", "second"):
        async with Connections(port, count, request) as connections:
            rows.append((f"{turn} {count:,} connections, each used once", resident([pid])))
            await connections.use_slowly(seconds)
            rows.append((f"the same, each used once more within {seconds} s", resident([pid])))
        await asyncio.sleep(2)
        rows.append(("after they have closed", resident([pid])))
    return rows
