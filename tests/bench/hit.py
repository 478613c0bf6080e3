"""Hits: one credential that every cache has, on one and on two workers."""

from contextlib import ExitStack

import load
from figures import column, load_table, spread
from report import Chart, Section
from rounds import Case, in_turn
from servers import Failure
from setups import SETUPS, Rig

NAMES = ["plain", "constants", "module", "module-without-l1", "documented", "documented-lock", "lua"]
CONNECTIONS = 32
WORKERS = (1, 2)
REFERENCES = {
    "cpu": {"constants": SETUPS["constants"].title, "this module": SETUPS["module"].title},
    "rate": {"this module": SETUPS["module"].title},
}
TEXT = f"""\
Every request has the same session cookie, whose answer is cached. wrk keeps {CONNECTIONS} connections busy."""


def run(options, programs):
    names = options.chosen(NAMES)
    with ExitStack() as stack:
        rig = Rig(programs, stack)
        cases = []
        for workers in WORKERS:
            for name in names:
                front = rig.front(SETUPS[name], workers)
                cases.append(Case(f"{name}, {workers}", lambda front=front: measure(rig, front, options.seconds)))
        results = in_turn("hit", cases, options.rounds)
    section = Section("hit", "Hit", [TEXT])
    for workers in WORKERS:
        runs = {SETUPS[name].title: results[f"{name}, {workers}"] for name in names}
        section.tables[f"{workers} worker{'s' * (workers > 1)}"] = load_table(runs, REFERENCES)
    bars = [(SETUPS[name].title, spread(column(results[f"{name}, 1"], "cpu"))) for name in names]
    section.charts.append(Chart("hit", "Hit: CPU per request, one worker", "µs", bars))
    return section


def measure(rig, front, seconds):
    front.check()
    before = rig.calls()
    sample = load.run(front, seconds, number="0", connections=CONNECTIONS)
    calls = rig.calls() - before
    # An entry may reach its end in a run; then each connection may ask once.
    if calls > 2 * CONNECTIONS:
        raise Failure(f"{front.setup.name}: the resolver was called {calls} times in a run that was to be hits alone")
    return sample
