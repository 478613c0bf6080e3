"""What a run was made on and with."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path


def describe(programs, command):
    """One paragraph for the reader of the figures."""
    cpus = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", cpus, re.M)
    words = [
        f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}",
        f"Linux {platform.release().split('-')[0]}",
        f"nginx {programs.nginx_version}",
        f"module of {commit()}",
        time.strftime("%Y-%m-%d", time.gmtime()),
    ]
    return f"{'; '.join(words)}: `{command}`."


def commit():
    """The state of the sources; the module was built from it, unless it was named by --module."""
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent,
                              capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown sources"
    return done.stdout.strip()


def busy():
    """Which part of the machine's CPU is taken by other things, before anything is measured."""
    idle, total = cpu_times()
    time.sleep(1)
    idle_then, total_then = cpu_times()
    return 1 - (idle_then - idle) / (total_then - total)


def cpu_times():
    """Ticks of all cores since the start: idle (waiting for disks is), and all."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return ticks[3] + ticks[4], sum(ticks[:8])
