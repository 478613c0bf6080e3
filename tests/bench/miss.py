"""Misses: every request has a credential that was never seen; one worker, one connection and many."""

from contextlib import ExitStack
from itertools import count

import load
from figures import column, load_table, spread
from report import Chart, Section
from rounds import Case, in_turn
from servers import Failure
from setups import SETUPS, Rig

NAMES = ["module", "module-uncached", "documented", "documented-uncached", "tuned", "lua"]
CONNECTIONS = (1, 32)
# More than a run can use up.
STRIDE = 100_000_000
# Storing answers in files costs the documented set-up most of its time, so the milder comparison is without.
DOCUMENTED = {"documented without its cache": SETUPS["documented-uncached"].title}
TUNED = {"tuned": SETUPS["tuned"].title}
REFERENCES = {"cpu": DOCUMENTED | TUNED, "p50": DOCUMENTED | TUNED}
TEXT = """\
Every request has a session cookie of its own, of a user of its own, on one worker. The resolver is on loopback, speaks
plain HTTP and keeps connections for those who do. The set-ups with a cache store each answer."""


def run(options, programs):
    names = options.chosen(NAMES)
    starts = count(STRIDE, STRIDE)
    with ExitStack() as stack:
        rig = Rig(programs, stack)
        cases = []
        for name in names:
            front = rig.front(SETUPS[name])
            cases += [Case(f"{name}, {connections}", measurement(rig, front, options.seconds, connections, starts))
                      for connections in CONNECTIONS]
        results = in_turn("miss", cases, options.rounds)
    section = Section("miss", "Miss", [TEXT])
    for connections in CONNECTIONS:
        runs = {SETUPS[name].title: results[f"{name}, {connections}"] for name in names}
        section.tables[f"{connections} connection{'s' * (connections > 1)}"] = load_table(runs, REFERENCES)
    bars = [(SETUPS[name].title, spread(column(results[f"{name}, {CONNECTIONS[-1]}"], "cpu"))) for name in names]
    section.charts.append(Chart("miss", f"Miss: CPU per request, {CONNECTIONS[-1]} connections", "µs", bars))
    return section


def measurement(rig, front, seconds, connections, starts):
    def measure():
        start = next(starts)
        front.check(f"{start:x}")
        before = rig.calls()
        sample = load.run(front, seconds, "fresh", [start], connections=connections)
        calls = rig.calls() - before
        # wrk doesn't count the answers that are on their way when it ends.
        if not sample.requests <= calls <= sample.requests + connections:
            raise Failure(f"{front.setup.name}: {calls} calls for {sample.requests} requests that were to be misses")
        return sample

    return measure
