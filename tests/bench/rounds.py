"""Measuring in turn: A B C A B C, so that what changes on the machine meanwhile changes all of them."""

import sys
from dataclasses import dataclass
from typing import Any, Callable


@dataclass(frozen=True)
class Case:
    """What is measured once a round."""

    name: str
    measure: Callable[[], Any]


@dataclass(frozen=True)
class Options:
    rounds: int
    seconds: int
    # The names of set-ups; empty for all.
    only: frozenset[str]
    # Those that can't be run here.
    missing: frozenset[str] = frozenset()

    def chosen(self, names):
        """Those of the set-ups that are wanted and can be run."""
        return [name for name in names if name not in self.missing and (not self.only or name in self.only)]


def in_turn(title, cases, rounds):
    """Case name -> what its rounds gave."""
    results = {case.name: [] for case in cases}
    for number in range(1, rounds + 1):
        for case in cases:
            progress(f"{title}: round {number} of {rounds}", case.name)
            results[case.name].append(case.measure())
    progress("")
    return results


def progress(text, detail=""):
    """For somebody who waits: one line that is written over. A log gets the text once, without the details."""
    global _told
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}{' ' * bool(detail)}{detail}", end="", file=sys.stderr, flush=True)
    elif text and text != _told:
        print(f"bench: {text}", file=sys.stderr, flush=True)
    _told = text


_told = ""
