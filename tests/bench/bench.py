"""The command line of scripts/bench, which builds and installs what is needed and knows the help text."""

import argparse
import contextlib
import os
import shlex
import signal
import sys
import tempfile

import entries
import herd
import hit
import instructions
import machine
import miss
import report
import scrape
from rounds import Options
from servers import Failure, Programs
from setups import SETUPS

BENCHMARKS = {"hit": hit, "miss": miss, "herd": herd, "entries": entries, "scrape": scrape}


def main():
    arguments = parse()
    # So that contexts end what they started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        # Workers of a master that is root are somebody else.
        os.chmod(scratch, 0o755)
        without_l1 = os.environ["AUTHGEAR_MODULE_WITHOUT_L1"] if arguments.without_l1 else None
        programs = Programs(os.environ["AUTHGEAR_NGINX"], os.environ["AUTHGEAR_MODULE"], without_l1, scratch)
        measure(arguments, programs)


def measure(arguments, programs):
    missing = set()
    if not programs.has_lua:
        say("without the set-up lua: nginx's Lua module is not in " + str(programs.nginx_modules))
        missing.add("lua")
    if not programs.module_without_l1:
        missing.add("module-without-l1")
    options = Options(arguments.rounds, arguments.seconds, frozenset(arguments.only), frozenset(missing))
    origin = machine.describe(programs, shlex.join(["scripts/bench", *sys.argv[1:]]))
    print(origin, flush=True)
    if arguments.instructions:
        section, shares = instructions.run(options, programs, more=arguments.save or arguments.only)
        publish(section, origin, arguments.save)
        (instructions.set_budget if arguments.set_budget else instructions.judge)(shares)
        return
    busy = machine.busy()
    if busy > 0.1:
        say(f"something else takes {busy:.0%} of this machine's CPU, which falsifies the figures")
    for name in arguments.benchmarks or BENCHMARKS:
        publish(BENCHMARKS[name].run(options, programs), origin, arguments.save)


def publish(section, origin, save):
    print("\n" + section.markdown(), flush=True)
    if save:
        section.text.append(origin)
        report.save(section)


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench", usage="see scripts/bench --help", add_help=False,
                                     allow_abbrev=False)
    parser.add_argument("--rounds", type=positive, default=15)
    parser.add_argument("--seconds", type=positive, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", type=names, default=[])
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--set-budget", action="store_true")
    parser.add_argument("--without-l1", action="store_true")
    parser.add_argument("benchmarks", nargs="*", type=benchmark)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 2, 1
    return arguments


def positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return int(text)


def names(text):
    chosen = text.split(",")
    for name in chosen:
        if name not in SETUPS:
            raise argparse.ArgumentTypeError(f"there is no set-up {name}, there are {', '.join(SETUPS)}")
    return chosen


def benchmark(name):
    if name not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"there is no benchmark {name}, there are {', '.join(BENCHMARKS)}")
    return name


def say(text):
    print(f"bench: {text}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        say(str(failure))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
