#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the charts of a run as SVG, from the JSON that run --json wrote. Usage: charts.py FIGURES.json FOLDER"""

import html
import json
import math
import pathlib
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 84, 24, 56, 56
# Both halves of the style are readable on either ground; the colours are told apart by people who see few of them.
STYLE = """
text { font: 13px sans-serif; fill: #24292f } .title { font-size: 16px; font-weight: bold } .small { font-size: 11px; fill: #57606a }
.grid { stroke: #d0d7de; stroke-width: 1 } .line { fill: none; stroke-width: 2.2 } .spread { stroke-width: 1.4 } .ground { fill: #ffffff }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .small { fill: #9da7b3 } .grid { stroke: #3d444d } .ground { fill: #0d1117 } }
"""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7f7f7f", "#8c564b", "#9467bd", "#e69f00", "#17becf")

# Of a row's points: the file, title, what is across, what is up, its unit, whether it is logarithmic. Across always is.
CURVES = {
    "waiters": ("waiters.svg", "Hand-offs of one name", "waiters", "rate", "acquisitions per second", False),
    "waiters_cpu": ("server.svg", "The server's work for a contended acquisition", "waiters", "server_cpu_us", "µs of processor time", False),
    "threads": ("threads.svg", "Uncontended pairs on one client", "threads", "rate", "pairs per second", False),
    "memory": ("memory.svg", "Memory of waiting locks", "waiters", "bytes", "bytes", True),
    "leases": ("leases.svg", "A round of renewals", "leases", "bytes", "bytes sent", True),
    "names": ("names.svg", "Hand-offs of many names at once", "names", "rate", "acquisitions per second", False),
    "peers": ("peers.svg", "How often a lock changes hands", "processes that want it", "rate", "hand-offs per second", True),
}


def short(number):
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def text(x, y, words, anchor="start", style="", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{style}" {more}>{html.escape(words)}</text>'


def frame(title, note, parts, height=HEIGHT):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{html.escape(title)}</title>", f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>', text(LEFT, 24, title, style="title"),
        text(LEFT, 42, note, style="small"), *parts, "</svg>", ""])


def axis(low, high, logarithmic):
    """Where the marks of an axis are."""
    if logarithmic:
        return [10.0 ** power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    step = 10.0 ** math.floor(math.log10(high))
    step = next(step * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2) if high / (step * part) <= 6)
    return [step * number for number in range(math.ceil(high / step) + 1)]


def curve(title, note, across, up, unit, logarithmic, series):
    series = [{"name": each["name"], "points": [point for point in each["points"] if point.get(up)]} for each in series]
    series = [each for each in series if each["points"]]
    bottom = HEIGHT - BOTTOM
    legend = 190 if len(series) > 1 else 0
    right = WIDTH - RIGHT - legend
    xs = [point["at"] for each in series for point in each["points"]]
    ys = [max(point[up], point.get("high", 0) if up == "rate" else 0) for each in series for point in each["points"]]
    marks = axis(min(point[up] for each in series for point in each["points"]), max(ys), logarithmic)
    first, last = math.log10(min(xs)), math.log10(max(xs)) if max(xs) > min(xs) else math.log10(min(xs)) + 1

    def x(value):
        return LEFT + (math.log10(value) - first) / (last - first) * (right - LEFT)

    def y(value):
        if logarithmic:
            value, low, high = math.log10(max(value, marks[0])), math.log10(marks[0]), math.log10(marks[-1])
        else:
            low, high = marks[0], marks[-1]
        return bottom - (value - low) / (high - low) * (bottom - TOP)

    parts = []
    for mark in marks:
        parts += [f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>',
                  text(LEFT - 8, y(mark) + 4, short(mark), "end")]
    for value in sorted(set(xs)):
        parts.append(text(x(value), bottom + 18, short(value), "middle"))
    parts += [text((LEFT + right) / 2, HEIGHT - 14, across, "middle"),
              text(0, 0, unit, "middle", more=f'transform="translate(18 {(TOP + bottom) / 2:.0f}) rotate(-90)"')]
    for number, each in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(point['at']):.1f},{y(point[up]):.1f}" for point in each["points"])
        parts.append(f'<polyline class="line" stroke="{colour}" points="{path}"/>')
        for point in each["points"]:
            parts.append(f'<circle cx="{x(point["at"]):.1f}" cy="{y(point[up]):.1f}" r="3.2" fill="{colour}"/>')
            if up == "rate" and point.get("low"):
                parts.append(f'<line class="spread" stroke="{colour}" x1="{x(point["at"]):.1f}" x2="{x(point["at"]):.1f}" '
                             f'y1="{y(point["low"]):.1f}" y2="{y(point["high"]):.1f}"/>')
        if legend:
            parts += [f'<rect x="{right + 16}" y="{TOP + 22 * number}" width="14" height="4" fill="{colour}"/>',
                      text(right + 36, TOP + 22 * number + 6, each["name"])]
    return frame(title, note, parts)


def bars(title, note, unit, values):
    values = sorted(values, key=lambda bar: bar["value"])
    left, right, height = 160, WIDTH - 90, TOP + 28 * len(values) + 40
    most = max(bar["high"] for bar in values)
    parts = []
    for number, bar in enumerate(values):
        y, length = TOP + 28 * number, bar["value"] / most * (right - left)
        colour = COLOURS[0] if bar["name"] == "redislock" else COLOURS[6]
        parts += [text(left - 8, y + 15, bar["name"], "end"),
                  f'<rect x="{left}" y="{y}" width="{length:.1f}" height="20" fill="{colour}"/>',
                  text(left + length + 8, y + 15, f"{bar['value']:,.0f}")]
    parts.append(text((left + right) / 2, height - 12, unit, "middle"))
    return frame(title, note, parts, height)


def draw(figures, folder):
    """Writes a chart for each row that has one; their names."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    machine, written = figures["machine"], []
    note = (f"{machine['cores']} cores, load {machine['load'][0]:.1f} before and {figures['load_after'][0]:.1f} after, Redis "
            f"{figures['redis']}; medians, strokes are quartiles")
    for row in figures["rows"]:
        data = row["data"]
        for key in [key for key in CURVES if data.get("curve") and key.split("_")[0] == data["curve"]]:
            file, title, across, up, unit, logarithmic = CURVES[key]
            (folder / file).write_text(curve(title, note, across, up, unit, logarithmic, data["series"]), encoding="utf-8")
            written.append(file)
        if data.get("bars") == "pair":
            (folder / "pair.svg").write_text(bars("An uncontended acquire and release", note.split(";")[0] + "; medians",
                                                  "µs, server and client on one core", data["values"]), encoding="utf-8")
            written.append("pair.svg")
    return written


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as source:
        print(*draw(json.load(source), sys.argv[2]))
