"""Scrapes: what it costs a worker that its status is asked for, under a full load of hits, and by itself."""

import http.client
import threading
import time
from contextlib import ExitStack, contextmanager

import hit
import load
from figures import load_table, spread, table
from report import Section
from rounds import Case, in_turn
from servers import Failure
from setups import SETUPS, Rig

# Title -> path, and how often it is asked for in a second.
LOADS = {
    "nobody asks": None,
    "Prometheus asks every second": ("/metrics", 1),
    "a page asks every second": ("/page?json", 1),
    "Prometheus asks 100 times a second": ("/metrics", 100),
}
PATHS = {"Prometheus": "/metrics", "the page": "/page", "the page's numbers": "/page?json"}
# Of a worker that does nothing else.
SCRAPES = 2000
TEXT = f"""\
The load of [hits](#hit) on one worker, while its status is asked for over one connection. The second table is a worker that does
nothing else, asked {SCRAPES:,} times in a row: what one scrape costs it, sending the answer included. A scrape a second is so many
millionths of a processor."""


def run(options, programs):
    with ExitStack() as stack:
        rig = Rig(programs, stack)
        front = rig.front(SETUPS["module-status"])
        cases = [Case(title, lambda asked=asked: under_load(rig, front, options.seconds, asked))
                 for title, asked in LOADS.items()]
        cases += [Case(title, lambda path=path: at_rest(front, path)) for title, path in PATHS.items()]
        results = in_turn("scrape", cases, options.rounds)
    section = Section("scrape", "Scrape", [TEXT])
    runs = {title: results[title] for title in LOADS}
    section.tables["Under load"] = load_table(runs, {name: {"nobody asks": "nobody asks"} for name in ("cpu", "rate")})
    rows = [[title, spread(cpu for cpu, _ in results[title]).text(1), f"{results[title][0][1]:,}"] for title in PATHS]
    section.tables["At rest"] = table(["asked for", "CPU per scrape, µs", "bytes of the answer"], rows)
    return section


def under_load(rig, front, seconds, asked):
    if not asked:
        return hit.measure(rig, front, seconds)
    path, rate = asked
    with scraping(front, path, rate) as scraped:
        sample = hit.measure(rig, front, seconds)
    # A loaded machine answers late, and no scrape is made up for.
    if len(scraped) < seconds * rate / 2:
        raise Failure(f"{path} was asked for {len(scraped)} times in {seconds} s, and not {rate} times a second")
    return sample


@contextmanager
def scraping(front, path, rate):
    """Asks for it all the time; gives the list of when it was answered."""
    answered, over, problems = [], threading.Event(), []

    def scrape():
        try:
            connection = connect(front)
            while not over.is_set():
                ask(connection, path)
                answered.append(time.monotonic())
                over.wait(1 / rate)
        except (Failure, OSError, http.client.HTTPException) as problem:
            problems.append(problem)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield answered
    finally:
        over.set()
        thread.join()
    if problems:
        raise Failure(f"{path} can't be asked for: {problems[0]}")


def at_rest(front, path):
    """Microseconds of the worker for one scrape, and how many bytes that is."""
    connection = connect(front)
    length = ask(connection, path)
    pids = front.nginx.worker_pids()
    before = load.cpu_nanoseconds(pids)
    for _ in range(SCRAPES):
        ask(connection, path)
    connection.close()
    time.sleep(0.05)
    return (load.cpu_nanoseconds(pids) - before) / SCRAPES / 1000, length


def connect(front):
    return http.client.HTTPConnection("127.0.0.1", front.nginx.port, timeout=10)


def ask(connection, path):
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200 or b"resolver" not in body:
        raise Failure(f"not a good answer to {path}: {response.status} {body[:100]!r}")
    return len(body)
