"""What a benchmark found, and RESULTS.md with its charts, where it is kept."""

import re
from dataclasses import dataclass, field

from plot import bar_chart
from servers import HERE

RESULTS = HERE / "RESULTS.md"
HEAD = """\
# Benchmarks

Made by `scripts/bench --save`; each section says by which run of it. All of it is on loopback: load generator, nginx,
backend and resolver share the machine. Backend and resolver are an nginx each and answer from memory. Every set-up is
the same stock nginx with the same way to the backend, logs nothing, and is a file in [conf](conf). Requests have the
headers that a browser sends, and a session cookie of 77 bytes.

CPU is that of nginx's workers with all their threads. What is compared is measured in turn, a round after the other;
figures are the median of the rounds and, in brackets, their quartiles, and so are ratios, which are taken within each
round. Before a run one request has to show that the backend gets the identity headers it should, and after it the
number of calls that the resolver got has to be what the benchmark is about, or else there are no figures.
"""
# The order in the file.
ORDER = ["Hit", "Miss", "Herd", "Number of entries", "Scrape", "Instructions"]


@dataclass(frozen=True)
class Chart:
    name: str
    title: str
    unit: str
    # Title and spread of each.
    bars: list


@dataclass
class Section:
    """One benchmark: paragraphs, tables by their titles, charts."""

    name: str
    title: str
    text: list
    tables: dict = field(default_factory=dict)
    charts: list = field(default_factory=list)

    def markdown(self):
        parts = [f"## {self.title}", *self.text]
        for title, table in self.tables.items():
            parts += [f"### {title}", table] if title else [table]
        parts += [f"![{chart.title}]({chart.name}.svg)" for chart in self.charts]
        return "\n\n".join(parts) + "\n"


def save(section):
    """Puts the section in the place of the one that the file has, and writes its charts."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    sections = {part.split("\n", 1)[0]: "## " + part for part in re.split(r"^## ", text, flags=re.M)[1:]}
    sections[section.title] = section.markdown()
    kept = [sections[title].strip() for title in ORDER if title in sections]
    RESULTS.write_text("\n\n".join([HEAD.strip(), *kept]) + "\n", encoding="utf-8")
    for chart in section.charts:
        (HERE / f"{chart.name}.svg").write_text(bar_chart(chart), encoding="utf-8")
