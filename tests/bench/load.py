"""Load on a front by wrk, and what it cost."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from servers import HERE, Failure
from setups import BROWSER, session_cookie

# What the scripts in wrk/ replace by a number.
MARK = "N" * 12


@dataclass(frozen=True)
class Sample:
    """One run: microseconds of the workers' CPU per request, requests per second, microseconds of latency."""

    cpu: float
    rate: float
    p50: float
    p99: float
    requests: int


def run(front, seconds, script="report", arguments=(), number=MARK, connections=32):
    """Load for so many seconds."""
    pids = front.nginx.worker_pids()
    before = cpu_nanoseconds(pids)
    counted = wrk(front, seconds, script, arguments, number, connections)
    # Until the worker has closed wrk's connections, and its threads have ended what they were at.
    time.sleep(0.05)
    spent = cpu_nanoseconds(front.nginx.worker_pids()) - before
    front.nginx.check_log()
    requests = counted["requests"]
    if counted["errors"] or not requests:
        raise Failure(f"{front.setup.name}: {counted['errors']} of {requests} requests failed")
    return Sample(
        cpu=spent / requests / 1000,
        rate=requests / counted["microseconds"] * 1e6,
        p50=counted["p50"],
        p99=counted["p99"],
        requests=requests,
    )


def wrk(front, seconds, script, arguments, number, connections):
    headers = BROWSER | {"Cookie": session_cookie(number)}
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--timeout", "10s", "--script", f"{script}.lua"]
    command += [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    command += [front.url, "--", *map(str, arguments)]
    # The scripts find one another in the folder that wrk runs in.
    done = subprocess.run(command, cwd=HERE / "wrk", capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    raise Failure(f"wrk gave no result:\n{done.stdout}{done.stderr}")


def cpu_nanoseconds(pids):
    """CPU time of the processes with all their threads. It is exact only while they are idle: the kernel adds up a
    running thread's at its next tick."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            total += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
    return total
