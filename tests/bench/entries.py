"""Hits in caches of different size: keys at random, each as likely as the others."""

from contextlib import ExitStack
from itertools import count

import load
from figures import column, load_table, spread
from report import Chart, Section
from rounds import Case, in_turn, progress
from servers import Failure
from setups import SETUPS, Rig

SIZES = (1_000, 10_000, 100_000, 1_000_000)
CONNECTIONS = 32
# Room for the largest at 400 bytes each, and the same for all: only the number of entries differs.
ZONE = "512m"
TEXT = f"""\
So many sessions, each of another user, are in a zone of {ZONE}, and each request has the cookie of any of them, on one
worker. The load generator makes each request anew, which takes CPU of its own."""


def run(options, programs):
    # The large ones take a minute to fill.
    sizes = SIZES if options.rounds > 2 else SIZES[:-1]
    setup = SETUPS["module"]
    seeds = count(1)
    with ExitStack() as stack:
        rig = Rig(programs, stack)
        cases = []
        for size in sizes:
            progress("entries: filling the caches", f"{size:,}")
            front = rig.front(setup, zone=ZONE, valid="6h")
            fill(rig, front, size)
            cases.append(Case(f"{size:,}", measurement(rig, front, options.seconds, size, seeds)))
        results = in_turn("entries", cases, options.rounds)
    runs = {f"{size} entries": samples for size, samples in results.items()}
    section = Section("entries", "Number of entries", [TEXT])
    section.tables[""] = load_table(runs, {"cpu": {"1,000": f"{SIZES[0]:,} entries"}})
    bars = [(title, spread(column(samples, "cpu"))) for title, samples in runs.items()]
    section.charts.append(Chart("entries", "Hit: CPU per request by number of entries", "µs", bars))
    return section


def fill(rig, front, size):
    """Asks with one credential after the other, and from the first again, until the resolver was asked about all."""
    before = rig.calls()
    asked = 0
    # The second time is for what wrk gave up at the end of its runs.
    while rig.calls() - before < size:
        if asked > 2 * size + 100_000:
            raise Failure(f"entries: {size:,} credentials got only {rig.calls() - before:,} calls")
        asked += load.run(front, 1, "fill", [size, asked], connections=CONNECTIONS).requests


def measurement(rig, front, seconds, size, seeds):
    def measure():
        front.check(f"{size // 2:x}")
        before = rig.calls()
        sample = load.run(front, seconds, "uniform", [size, next(seeds)], connections=CONNECTIONS)
        calls = rig.calls() - before
        if calls > 2 * CONNECTIONS:
            raise Failure(f"entries: the resolver was called {calls} times although all {size} credentials are cached")
        return sample

    return measure
