#!/usr/bin/env python3
"""Looks at the page of a comparison or of drift in headless Chromium and checks what it draws.

Usage: check_compare.py report.html [--artifacts DIR]

The expected values are read from the data inside the file, the drawn ones from the DOM, in pixels.
Exit codes and needs as of check_report.py.
"""

import argparse
import json
import pathlib
import re
import sys

import check_report
from webdriver import Browser, WebDriverError

MOST_BARS = 40
FEW_GROUPS = 6


class Expected:
    """The data of the page, read independently of its script."""

    def __init__(self, html):
        blocks = re.findall(r'<script id="windlass-data" type="application/json">(.*?)</script>',
                            html, re.DOTALL)
        if len(blocks) != 1:
            raise ValueError(f"the page has {len(blocks)} data blocks instead of one")
        self.document = json.loads(blocks[0])
        self.outputs = self.document["outputs"]


class CompareCheck(check_report.Check):
    reader = Expected

    def run(self):
        self.browser.resize(1280, 900)
        self.browser.media("light")
        self.browser.log("browser")
        self.browser.log("performance")
        self.browser.open(self.url)
        if self.alert():
            return
        self.settle()
        self.policy()
        for number, output in enumerate(self.expected.outputs):
            if len(self.expected.outputs) > 1:
                self.choose("#output", number)
            self.output(output)
        self.coordinates()
        self.overlap()
        self.widths()
        self.alert()
        self.quiet()
        if self.artifacts is not None:
            self.pictures()

    def coordinates(self):
        bad = self.browser.script(
            "return [...document.querySelectorAll('svg *')].filter(e => [...e.attributes].some(a =>"
            "/^(x|y|cx|cy|r|d|width|height|x1|x2|y1|y2|transform)$/.test(a.name) &&"
            "/NaN|Infinity|undefined/.test(a.value))).length")
        self.expect(bad == 0, f"{bad} marks have coordinates that are no numbers")

    def overlap(self):
        """No two texts of a chart lie on each other, at any of three widths."""
        for width in (1280, 700, 400):
            self.browser.resize(width, 900)
            check_report.time.sleep(0.3)
            pairs = self.browser.script(
                "const found = [];"
                "for (const svg of document.querySelectorAll('.chart svg, .multiples svg')) {"
                "  const boxes = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim())"
                "    .map(t => [t.textContent, t.getBoundingClientRect()]);"
                "  boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {"
                "    if (Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&"
                "        Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 4)"
                "      found.push(`${a} and ${b}`); })); }"
                "return found")
            self.expect(not pairs, f"at {width} pixels texts overlap: {'; '.join(pairs[:5])}")
            if width == 700:
                over = self.browser.script(
                    "const t = document.querySelector('#numbers .table');"
                    "return t.scrollWidth - t.clientWidth")
                self.expect(over <= 1 or self.long_names,
                            f"at {width} pixels the numbers are {over} pixels too wide")
        self.browser.resize(1280, 900)
        check_report.time.sleep(0.3)

    @property
    def long_names(self):
        return any(len(group["group"]) > 20 for output in self.expected.outputs
                   for group in output["groups"])

    def rows_of(self, selector):
        return self.browser.script(
            "return [...document.querySelectorAll(arguments[0])].map(r =>"
            "[...r.cells].map(c => c.textContent.replaceAll(',', '').replaceAll('\\u2212', '-')))",
            selector)


class DiffCheck(CompareCheck):
    first_chart = "#waterfall .chart svg"

    def output(self, output):
        self.waterfall(output)
        for measure in ("mean", "importance", "distance"):
            self.choose("#measure", measure)
            self.changes(output, measure)
        self.choose("#measure", "mean")
        self.tables(output)

    def lede(self):
        text = self.browser.script("return document.querySelector('#lede').textContent")
        pairs = self.expected.document["failed_pairs"]
        failed = pairs if pairs is not None else sum(
            self.expected.document[side]["failed_rows"] for side in "ab")
        self.expect((f"{failed:,} row" in text) == (failed > 0),
                    f"{failed} rows were left out: {text}")
        for place in self.expected.document["links_unknown"][:1]:
            self.expect(f"The link of {place}" in text, f"the link of {place} is not known: {text}")
        for sentence in self.expected.document["other_values"][:1]:
            self.expect(f"Careful: {sentence}" in text, f"{sentence}: {text}")

    def waterfall(self, output):
        name = output["output"]
        bars = self.browser.script(
            "return [...document.querySelectorAll('#waterfall .steps rect')].map(r => {"
            "  const b = r.getBoundingClientRect(); return [r.dataset.label,"
            "    Number(r.dataset.from), Number(r.dataset.to), b.left, b.right] })")
        levels = self.browser.script(
            "return [...document.querySelectorAll('#waterfall .levels circle')].map(c => {"
            "  const b = c.getBoundingClientRect(); return b.left + b.width / 2 })")
        groups = len(output["groups"])
        wanted = 1 + (groups if groups <= 13 else 13)
        if not self.expect(len(bars) == wanted and len(levels) == 2,
                           f"{name}: {len(bars)} steps and {len(levels)} levels for {groups} "
                           "groups"):
            return
        start, end = output["prediction"]["a"], output["prediction"]["b"]
        slack = 1e-9 * (1 + abs(start) + abs(end))
        level, at = start, levels[0]
        for label, begin, finish, left, right in bars:
            self.expect(abs(begin - level) < slack, f"{name}: {label} begins at {begin}")
            x, to = (left, right) if finish >= begin else (right, left)
            self.expect(abs(x - at) < 1.0, f"{name}: {label} is drawn {x - at:.1f} pixels off")
            level, at = finish, to
        self.expect(abs(level - end) < slack, f"{name}: the steps end at {level}, not {end}")
        self.expect(abs(at - levels[1]) < 1.5,
                    f"{name}: the steps end {at - levels[1]:.1f} pixels from B")

    def changes(self, output, measure):
        where = f"{output['output']}, {measure}"
        bars = self.browser.script(
            "return [...document.querySelectorAll('#changes .bars rect')].map(r => {"
            "  const b = r.getBoundingClientRect(); return [r.dataset.group,"
            "    Number(r.dataset.change), b.width] })")
        expected = []
        for group in output["groups"]:
            if measure == "distance":
                if group["distance"] is not None:
                    expected.append((group["group"], group["distance"]["wasserstein"], None))
            else:
                expected.append((group["group"], group[measure]["change"], group[measure]))
        expected = expected[:MOST_BARS]
        if not self.expect([b[0] for b in bars] == [e[0] for e in expected],
                           f"{where}: bars of {[b[0] for b in bars]}"):
            return
        largest = max(bars, key=lambda bar: abs(bar[1]), default=None)
        for (group, change, width), (_, wanted, _) in zip(bars, expected):
            self.expect(change == wanted, f"{where}: the bar of {group} says {change}")
            if largest and largest[1] != 0:
                pixels = largest[2] * abs(wanted / largest[1])
                self.expect(abs(width - pixels) < 1.0,
                            f"{where}: the bar of {group} is {width:.1f} pixels wide instead of "
                            f"{pixels:.1f}")
        lines = self.browser.script(
            "return [...document.querySelectorAll('#changes .whiskers line')].map(l => ["
            "Number(l.dataset.low), Number(l.dataset.high)])")
        ends = [[c["low"], c["high"]] for _, _, c in expected
                if c and c["low"] is not None and c["low"] != c["high"]]
        self.expect(lines == ends, f"{where}: {len(lines)} intervals instead of {len(ends)}")

    def tables(self, output):
        rows = self.rows_of("#numbers tbody tr")
        self.expect(len(rows) == len(output["groups"]),
                    f"the table has {len(rows)} lines for {len(output['groups'])} groups")
        hidden = self.browser.script("return document.querySelector('#rows').hidden")
        self.expect(hidden == (not output["rows_moved"]), "rows that moved are shown, or not")
        self.lede()
        if hidden:
            return
        lines = self.rows_of("#rows tbody tr")
        for line, row in zip(lines, output["rows_moved"]):
            named = [part["group"] or "the base value" for part in row["parts"]]
            pattern = " ".join(re.escape(name.replace(",", "")) + r" \S+" for name in named)
            self.expect(re.fullmatch(pattern, line[4]) is not None,
                        f"row {row['row']} was moved by {named}, not {line[4]}")
        found = [int(row[0]) for row in lines]
        wanted = [row["row"] for row in output["rows_moved"]]
        self.expect(found == wanted, f"the rows that moved are {found}, not {wanted}")


class DriftCheck(CompareCheck):
    first_chart = "#heat .chart svg"

    def output(self, output):
        if len(output["groups"]) > FEW_GROUPS and self.browser.script(
                "return document.querySelector('#all').textContent").startswith("Show all"):
            self.click("#all")
        self.heat(output)
        for measure in ("mean", "importance"):
            self.choose("#measure", measure)
            for _ in range(2):
                self.lines(output, measure)
                self.click("#shared")
        self.choose("#measure", "mean")
        lede = self.browser.script("return document.querySelector('#lede').textContent")
        for total, listed in ((output["all_groups"], output["groups"]),
                              (self.expected.document["all_outputs"], self.expected.outputs)):
            self.expect(total == len(listed) or "in drift.parquet" in lede,
                        f"{len(listed)} of {total} are listed: {lede}")
        rows = self.rows_of("#numbers tbody tr")
        alarms = [len(group["alarms"]) for group in output["groups"]]
        self.expect([int(row[4]) for row in rows] == alarms,
                    f"the table has {[row[4] for row in rows]} alarms instead of {alarms}")

    def heat(self, output):
        cells = self.browser.script(
            "return [...document.querySelectorAll('#heat .cells rect')].map(r => [r.dataset.group,"
            "r.dataset.period, Number(r.dataset.moved), Number(r.getAttribute('fill-opacity'))])")
        periods = [period["period"] for period in self.expected.document["periods"]]
        groups = output["groups"][:MOST_BARS]
        wanted = []
        for group in groups:
            for name, period in zip(periods, group["periods"]):
                moved = 0
                if period and period["distance"]:
                    moved = max(abs(period["mean_change"]["change"]),
                                period["distance"]["wasserstein"])
                wanted.append([group["group"], name, moved])
        found = [[g, p, m or 0] for g, p, m, _ in cells]  # null: not compared
        if not self.expect(found == wanted, f"{len(found)} squares for {len(wanted)}"):
            return
        dark = max(cells, key=lambda cell: cell[3])
        self.expect((dark[2] or 0) == max(m for _, _, m in wanted) or dark[3] == 0,
                    "the darkest square is not where most moved")
        framed = self.browser.script(
            "return document.querySelectorAll('#heat .alarms rect').length")
        alarms = sum(bool(p and p["alarm"]) for group in groups for p in group["periods"])
        self.expect(framed == alarms, f"{framed} squares are framed for {alarms} alarms")

    def lines(self, output, measure):
        charts = self.browser.script(
            "return [...document.querySelectorAll('#lines .multiples > div')].map(d => ["
            "d.querySelector('h3').firstChild.textContent,"
            "[...d.querySelectorAll('.points circle')].map(c => {"
            "  const b = c.getBoundingClientRect();"
            "  return [Number(c.dataset.value), b.left + b.width / 2, b.top + b.height / 2] }),"
            "d.querySelectorAll('.band').length, d.querySelectorAll('.alarms circle').length])")
        names = [group["group"] for group in output["groups"]]
        if not self.expect([c[0] for c in charts] == names,
                           f"{measure}: charts of {[c[0] for c in charts]}"):
            return
        for group, (name, points, _, alarms) in zip(output["groups"], charts):
            wanted = [p[measure]["mean"] for p in group["periods"] if p]
            self.expect([p[0] for p in points] == wanted, f"{measure}: the points of {name}")
            self.expect([p[1] for p in points] == sorted(p[1] for p in points),
                        f"{measure}: the periods of {name} do not run to the right")
            self.expect(alarms == len(group["alarms"]),
                        f"{measure}: {alarms} rings for {len(group['alarms'])} alarms of {name}")
            heights = sorted((value, y) for value, _, y in points)
            for (low, below), (high, above) in zip(heights, heights[1:]):
                self.expect(above <= below + 0.6, f"{measure}: {name}: {high} is below {low}")


def check_of(path):
    text = path.read_text(encoding="utf-8")
    return DiffCheck if '"windlass_diff":' in text else DriftCheck


def main():
    parser = argparse.ArgumentParser(description="Checks a comparison's page in Chromium.")
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--artifacts", type=pathlib.Path, help="a folder for screenshots")
    arguments = parser.parse_args()
    if not arguments.page.is_file():
        parser.error(f"{arguments.page} is not a file")
    try:
        with Browser() as browser:
            check = check_of(arguments.page)(browser, arguments.page.resolve(),
                                             arguments.artifacts)
            check.run()
    except (WebDriverError, ValueError, KeyError) as error:
        print(f"{arguments.page}: {error}", file=sys.stderr)
        return 1
    for text in check.faults:
        print(f"{arguments.page}: {text}", file=sys.stderr)
    if not check.faults:
        print(f"{arguments.page}: {len(check.expected.outputs)} outputs: as it should be")
    return 1 if check.faults else 0


if __name__ == "__main__":
    sys.exit(main())
