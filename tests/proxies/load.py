"""What a load costs: a client in C that sends it, and the processor time and the memory of the processes it passes."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def family(pid):
    """A process and its children: nginx has a master and workers."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def processor_seconds(pids):
    """User and system time of all threads, in seconds."""
    total = 0
    for pid in pids:
        # The name of the program stands in parentheses and may hold blanks.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident(pids):
    """Memory in MiB. What processes share is divided among them (PSS), so that workers of nginx do not count twice."""
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


@dataclass(frozen=True)
class Sample:
    requests: int
    rate: float
    p50: float
    p99: float
    processor: float
    memory: float


# Microseconds in, one line of JSON out. `status` counts answers above 399.
SCRIPT = """
wrk.method = "POST"
wrk.body = %(body)s
for name, value in pairs({ %(headers)s }) do wrk.headers[name] = value end
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  print(string.format('{"requests":%%d,"micros":%%d,"failed":%%d,"p50":%%d,"p99":%%d}',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end
"""


class Client:
    """wrk, which keeps `connections` connections busy with one call."""

    def __init__(self, folder, headers, body, connections):
        # JSON's strings of ASCII are strings of Lua.
        pairs = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers)
        self.script, self.connections = folder / "call.lua", connections
        self.script.write_text(SCRIPT % {"body": json.dumps(body), "headers": pairs}, encoding="utf-8")

    async def run(self, url, seconds, pids):
        """One sample. `pids` are the processes whose time and memory count."""
        command = ["wrk", "--threads", "1", "--connections", str(self.connections), "--duration", f"{seconds}s"]
        before = processor_seconds(pids)
        process = await asyncio.create_subprocess_exec(
            *command, "--script", self.script, url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        shown, _ = await process.communicate()
        spent = processor_seconds(pids) - before
        lines = [line for line in shown.decode().splitlines() if line.startswith("{")]
        if process.returncode or not lines:
            raise RuntimeError(f"wrk failed: {shown.decode()}")
        told = json.loads(lines[-1])
        if told["failed"] or not told["requests"]:
            raise RuntimeError(f"{url}: {told['failed']} of {told['requests']} calls failed")
        return Sample(
            requests=told["requests"],
            rate=told["requests"] / told["micros"] * 1e6,
            p50=told["p50"],
            p99=told["p99"],
            processor=spent / told["requests"] * 1e6,
            memory=resident(pids),
        )
