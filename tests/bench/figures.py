"""Medians with their spread, and tables of them."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, and the quartiles around it."""

    median: float
    low: float
    high: float

    def text(self, digits):
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}–{self.high:,.{digits}f})"


def spread(values):
    values = list(values)
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def ratio(values, others):
    """How many times the others the values are, round by round: what slows a whole round down cancels out."""
    return spread(value / other for value, other in zip(values, others))


def table(headings, rows):
    """A Markdown table; all columns but the first are figures."""
    lines = [headings, ["---"] + ["--:"] * (len(headings) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# What a run of wrk has: heading, digits.
LOAD = {
    "cpu": ("CPU per request, µs", 2),
    "rate": ("requests/s", 0),
    "p50": ("p50, µs", 0),
    "p99": ("p99, µs", 0),
}


def load_table(runs, references):
    """Runs of wrk, one row each: `runs` is title -> samples, in the same rounds. `references` is figure -> word ->
    title: a column says how many times that of the title the figure is."""
    headings, columns = ["set-up"], [list(runs)]
    for name, (heading, digits) in LOAD.items():
        headings.append(heading)
        columns.append([spread(column(samples, name)).text(digits) for samples in runs.values()])
        for word, other in references.get(name, {}).items():
            if other in runs:
                headings.append(f"× {word}")
                columns.append([multiple(runs, title, other, name) for title in runs])
    return table(headings, zip(*columns))


def multiple(runs, title, other, name):
    if title == other:
        return ""
    return ratio(column(runs[title], name), column(runs[other], name)).text(2)


def column(samples, name):
    return [getattr(sample, name) for sample in samples]
