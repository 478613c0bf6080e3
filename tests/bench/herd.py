"""A herd: many requests of one credential at once, over several workers, while the resolver takes its time."""

import select
import socket
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count

from figures import column, spread, table
from load import cpu_nanoseconds
from report import Chart, Section
from rounds import Case, in_turn
from servers import Failure
from setups import BROWSER, SETUPS, Rig, session_cookie

NAMES = ["module", "module-uncached", "documented", "documented-lock", "lua"]
REQUESTS = 400
WORKERS = 4
# Nanoseconds that a worker with some of the requests works at least.
BUSY = 300_000
TEXT = f"""\
{REQUESTS} requests with one session cookie that no cache has, sent at once over as many connections to {WORKERS}
workers; the resolver takes 300 ms. A request's wait is from when it was sent to when its answer came."""


@dataclass(frozen=True)
class Herd:
    """Calls at the resolver, and milliseconds that the requests waited."""

    calls: int
    median: float
    longest: float


def run(options, programs):
    if not programs.has_lua:
        raise Failure("herd: the slow resolver needs nginx's Lua module: install libnginx-mod-http-lua")
    names = options.chosen(NAMES)
    numbers = count(1)
    with ExitStack() as stack:
        rig = Rig(programs, stack, resolver="resolver-slow")
        cases = []
        for name in names:
            front = rig.front(SETUPS[name], WORKERS)
            front.check()
            cases.append(Case(name, lambda front=front: measure(rig, front, next(numbers))))
        results = in_turn("herd", cases, options.rounds)
    runs = {SETUPS[name].title: results[name] for name in names}
    section = Section("herd", "Herd", [TEXT])
    headings = ["set-up", "calls at the resolver", "median wait, ms", "longest wait, ms"]
    section.tables[""] = table(headings, [
        [title, spread(column(herds, "calls")).text(0), spread(column(herds, "median")).text(1),
         spread(column(herds, "longest")).text(1)]
        for title, herds in runs.items()
    ])
    bars = [(title, spread(column(herds, "median"))) for title, herds in runs.items()]
    section.charts.append(Chart("herd", f"Herd of {REQUESTS}: median wait, resolver of 300 ms", "ms", bars))
    return section


def measure(rig, front, number):
    before = rig.calls()
    pids = front.nginx.worker_pids()
    busy = {pid: cpu_nanoseconds([pid]) for pid in pids}
    waits = stampede(front.nginx.port, session_cookie(f"{number:x}"))
    calls = rig.calls() - before
    front.nginx.check_log()
    if any(cpu_nanoseconds([pid]) - busy[pid] < BUSY for pid in pids):
        raise Failure(f"{front.setup.name}: not all of the {WORKERS} workers got requests")
    if calls < 1 or waits[0] < 0.29:
        raise Failure(f"{front.setup.name}: {calls} calls and a wait of {waits[0]:.3f} s were no herd on a cold cache")
    return Herd(calls, waits[len(waits) // 2] * 1000, waits[-1] * 1000)


def stampede(port, cookie):
    """Seconds that each of the requests took, in order."""
    lines = ["GET / HTTP/1.1", "Host: localhost", f"Cookie: {cookie}", *(f"{k}: {v}" for k, v in BROWSER.items())]
    request = "\r\n".join([*lines, "", ""]).encode()
    with ExitStack() as stack:
        poll = select.epoll()
        stack.callback(poll.close)
        clients = {}
        for _ in range(REQUESTS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            clients[client.fileno()] = client
            poll.register(client, select.EPOLLIN)
        sent, answers = {}, {}
        for fileno, client in clients.items():
            sent[fileno] = time.monotonic()
            client.sendall(request)
        while len(answers) < REQUESTS:
            ready = poll.poll(10)
            if not ready:
                raise Failure(f"herd: {REQUESTS - len(answers)} requests got no answer in 10 s")
            now = time.monotonic()
            for fileno, _ in ready:
                answers[fileno] = (now, clients[fileno].recv(65536))
                poll.unregister(fileno)
    statuses = Counter(answer[:12] for _, answer in answers.values())
    if set(statuses) != {b"HTTP/1.1 200"}:
        raise Failure(f"herd: not all answers are good: {dict(statuses)}")
    return sorted(now - sent[fileno] for fileno, (now, _) in answers.items())
