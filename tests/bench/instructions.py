"""Instructions per hit, counted by callgrind: figures that a noisy machine doesn't change, and a budget for them."""

import re
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from figures import table
from report import Section
from rounds import progress
from servers import HERE, Failure
from setups import BROWSER, SETUPS, Rig, session_cookie

BUDGET = HERE / "instructions.budget"
# How much more than the budget fails.
LEEWAY = 0.02
# How far apart the figures of the module may be, or else they are none to judge by.
REPEATABLE = 0.003
REPEATS = 3
# Requests of the short run; the long one has twice as many.
REQUESTS = 1000
GATED = "module"
FOR_THE_GATE = ["plain", "constants", GATED]
FOR_THE_READER = ["module-without-l1", "documented", "lua"]
# A file for each thread; the first is the event loop's. What others do in a call depends on time.
VALGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=callgrind.out", "--separate-threads=yes"]
EVENT_LOOP = "callgrind.out-01"
TEXT = f"""\
Instructions that nginx takes in user space for a hit, counted by valgrind's callgrind: those of the event loop's thread
in a run with {2 * REQUESTS:,} requests, less those in a run with {REQUESTS:,}, so that start, end and the first miss
cancel out. The kernel's are not counted. The share is what runs in the set-up's own object file. The budget in
[instructions.budget](instructions.budget) is for the share of this module; more than {LEEWAY:.0%} above it fails."""


@dataclass(frozen=True)
class Cost:
    """Instructions per request: in all, and in the set-up's own object file."""

    total: float
    share: float


def run(options, programs, more):
    """Section and the module's share."""
    names = options.chosen(FOR_THE_GATE + (FOR_THE_READER if more else []))
    with ExitStack() as stack:
        rig = Rig(programs, stack)
        costs = {name: [cost(rig, SETUPS[name]) for _ in range(REPEATS if name == GATED else 1)] for name in names}
    progress("")
    totals = {name: median(cost.total for cost in repeats) for name, repeats in costs.items()}
    shares = {name: median(cost.share for cost in repeats) for name, repeats in costs.items()}
    section = Section("instructions", "Instructions", [TEXT])
    headings = ["set-up", "instructions per request", "more than plain", "more than constants", "share"]
    section.tables[""] = table(headings, [
        [SETUPS[name].title, f"{totals[name]:,.0f}", more_than(totals, name, "plain"),
         more_than(totals, name, "constants"), f"{shares[name]:,.0f}" if SETUPS[name].object else ""]
        for name in names
    ])
    return section, [cost.share for cost in costs.get(GATED, [])]


def more_than(totals, name, other):
    return f"{totals[name] - totals[other]:,.0f}" if other in totals and name != other else ""


def judge(shares):
    """Fails where the module takes more than it may."""
    if not shares:
        return
    share = check_repeatable(shares)
    if not BUDGET.exists():
        raise Failure("there is no instructions.budget; --set-budget writes it")
    budget = int(re.search(r"^\d+$", BUDGET.read_text(), re.M)[0])
    if share > budget * (1 + LEEWAY):
        raise Failure(f"a hit takes {share:,.0f} instructions in the module, more than {LEEWAY:.0%} above the {budget:,} "
                      "of its budget: make it cheaper, or set it anew by --set-budget and say why")


def set_budget(shares):
    share = check_repeatable(shares)
    BUDGET.write_text("# Instructions of a hit in the module's own object file; see instructions.py. By:\n"
                      f"# scripts/bench --instructions --set-budget\n{share:.0f}\n")


def check_repeatable(shares):
    if max(shares) - min(shares) > REPEATABLE * min(shares):
        words = ", ".join(f"{share:,.1f}" for share in shares)
        raise Failure(f"the instructions of a hit differ from run to run, so nothing can be said about them: {words}")
    return median(shares)


def cost(rig, setup):
    progress("instructions", setup.name)
    short, long = (counted(rig, setup, requests) for requests in (REQUESTS, 2 * REQUESTS))
    each = {file: (long[file] - short.get(file, 0)) / REQUESTS for file in long}
    share = sum(figure for file, figure in each.items() if setup.object and setup.object in file)
    if setup.object and not share:
        raise Failure(f"{setup.name}: no instructions were counted in {setup.object}: is its file named so?")
    return Cost(total=sum(each.values()), share=share)


def counted(rig, setup, requests):
    """Object file -> instructions of the event loop's thread, from start to end of an nginx that answers so many."""
    with ExitStack() as stack:
        front = rig.front(setup, stack=stack, under=VALGRIND, more_conf="master_process off;\n")
        front.check()
        before = rig.calls()
        ask(front, requests)
        if rig.calls() != before:
            raise Failure(f"{setup.name}: the resolver was called in a run that was to be hits alone")
        front.nginx.stop()
        front.nginx.check_log()
    return instructions(front.nginx.folder / EVENT_LOOP)


def ask(front, requests):
    """So many requests, each after the answer to the one before, on one connection."""
    lines = ["GET / HTTP/1.1", "Host: localhost", f"Cookie: {session_cookie('0')}"]
    lines += [f"{name}: {value}" for name, value in BROWSER.items()]
    request = "\r\n".join([*lines, "", ""]).encode()
    with socket.create_connection(("127.0.0.1", front.nginx.port), timeout=10) as client:
        for _ in range(requests):
            client.sendall(request)
            answer = client.recv(65536)
            if not (answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\nhello\n")):
                raise Failure(f"{front.setup.name}: not a good answer: {answer!r}")


def instructions(profile):
    """Object file -> instructions of its own, out of callgrind's format."""
    names, counts, current, skip = {}, {}, "", False
    for line in profile.read_text(errors="replace").splitlines():
        if line.startswith("ob="):
            number, name = re.fullmatch(r"ob=\((\d+)\) ?(.*)", line).groups()
            # A name is given once, then its number alone.
            current = names.setdefault(number, name)
        elif line.startswith("cob="):
            number, name = re.fullmatch(r"cob=\((\d+)\) ?(.*)", line).groups()
            names.setdefault(number, name)
        elif line.startswith("calls="):
            # The next line has what the callee took.
            skip = True
        elif line and line[0] in "+-*0123456789":
            if not skip:
                counts[current] = counts.get(current, 0) + int(line.split()[1])
            skip = False
    return counts
