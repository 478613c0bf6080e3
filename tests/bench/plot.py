"""Bar charts as SVG: a bar for each median, a whisker from quartile to quartile."""

from html import escape

WIDTH = 760
LABELS = 372
RIGHT = 92
ROW = 30
TOP = 44
# Readable on light and dark pages alike.
STYLE = """\
<style>
  text { font: 13px system-ui, sans-serif; fill: #6e7781 }
  .title { font-weight: bold; font-size: 14px }
  .bar { fill: #8c959f }
  .ours { fill: #1f883d }
  .whisker { stroke: #cf222e; stroke-width: 2 }
</style>"""


def bar_chart(chart):
    """The text of an SVG file."""
    height = TOP + ROW * len(chart.bars) + 8
    largest = max(spread.high for _, spread in chart.bars)
    scale = (WIDTH - LABELS - RIGHT) / largest
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        STYLE,
        f'<text class="title" x="8" y="24">{escape(chart.title)}, {chart.unit}</text>',
    ]
    for row, (title, spread) in enumerate(chart.bars):
        lines += bar(TOP + ROW * row, title.replace("`", ""), spread, scale)
    return "\n".join([*lines, "</svg>", ""])


def bar(top, title, spread, scale):
    middle = top + ROW / 2 - 2
    ours = " ours" if title.startswith("this module") else ""
    low, end, high = (LABELS + value * scale for value in (spread.low, spread.median, spread.high))
    return [
        f'<text x="{LABELS - 10}" y="{middle + 4:.0f}" text-anchor="end">{escape(title)}</text>',
        f'<rect class="bar{ours}" x="{LABELS}" y="{top}" width="{end - LABELS:.1f}" height="{ROW - 6}"/>',
        f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle:.0f}" y2="{middle:.0f}"/>',
        f'<text x="{max(end, high) + 8:.1f}" y="{middle + 4:.0f}">{number(spread.median)}</text>',
    ]


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
