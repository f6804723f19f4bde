#!/usr/bin/env python3
"""Looks at an explain report in headless Chromium and checks what it draws.

Usage: check_report.py report.html [--artifacts DIR]

The expected values are read from the data inside the file, by this program's own reading of it. The
drawn ones come from the DOM, in pixels. Exit code 0: all well; 1: something is wrong, one line each
on standard error; 2: bad usage. Needs only Python and Debian's chromium and chromium-driver.
"""

import argparse
import base64
import json
import math
import pathlib
import re
import struct
import sys
import time
import urllib.parse

from webdriver import Browser, WebDriverError

SETTLE_SECONDS = 10
MAX_BARS = 11  # of a waterfall: ten groups and the rest, or eleven groups


class Expected:
    """The data of a report, read independently of the page's script."""

    def __init__(self, html):
        blocks = re.findall(r'<script id="windlass-data" type="application/json">(.*?)</script>',
                            html, re.DOTALL)
        if len(blocks) != 1:
            raise ValueError(f"the page has {len(blocks)} data blocks instead of one")
        self.document = json.loads(blocks[0])
        self.groups = [group["name"] for group in self.document["groups"]]
        self.outputs = len(self.document["outputs"])
        self.rows = self.document["row"]
        self.base = [self._number(x) for x in self.document["base_value"]]
        self.importance = [self._number(x) for x in self.document["importance"]]
        self.prediction = self._unpack(self.document["prediction"])
        self.phi = self._unpack(self.document["phi"])

    @staticmethod
    def _number(value):
        return math.nan if value is None else float(value)

    @staticmethod
    def _unpack(packed):
        (kind, text), = packed.items()
        data = base64.b64decode(text, validate=True)
        size, code = {"f32": (4, "f"), "f64": (8, "d")}[kind]
        return struct.unpack(f"<{len(data) // size}{code}", data)

    def importance_of(self, output):
        count = len(self.groups)
        return self.importance[output * count:(output + 1) * count]

    def phi_of(self, position, output):
        count = len(self.groups)
        start = (position * self.outputs + output) * count
        return self.phi[start:start + count]

    def prediction_of(self, position, output):
        return self.prediction[position * self.outputs + output]

    def complete(self, position, output):
        return all(math.isfinite(x) for x in
                   (*self.phi_of(position, output), self.prediction_of(position, output)))


class Check:
    first_chart = "#importance .chart svg"
    reader = Expected

    def __init__(self, browser, path, artifacts):
        self.browser = browser
        self.url = path.as_uri()
        self.expected = self.reader(path.read_text(encoding="utf-8"))
        self.artifacts = artifacts
        self.faults = []

    def fault(self, text):
        self.faults.append(text)

    def expect(self, condition, text):
        if not condition:
            self.fault(text)
        return condition

    def run(self):
        self.browser.resize(1280, 900)
        self.browser.media("light")
        self.browser.log("browser")
        self.browser.log("performance")
        self.browser.open(self.url)
        if self.alert():
            return
        self.settle()
        self.words()
        self.policy()
        for output in range(self.expected.outputs):
            if self.expected.outputs > 1:
                self.choose("#output", output)
            self.bars(output)
            self.pairs(output)
        if self.expected.outputs > 1:
            self.choose("#output", 0)
        self.swarm()
        if self.expected.rows:
            self.waterfall()
            self.click_on_a_dot()
        self.dependence()
        self.widths()
        self.alert()
        self.quiet()
        if self.artifacts is not None:
            self.pictures()

    def settle(self):
        """Waits until the page has drawn its first chart."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            if self.browser.script(
                    "return document.querySelector(arguments[0]) !== null", self.first_chart):
                return
            time.sleep(0.05)
        self.fault(f"no chart was drawn within {SETTLE_SECONDS} s")

    def choose(self, selector, value):
        self.browser.script(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event('change', {bubbles: true}));", selector, str(value))

    def click(self, selector):
        self.browser.script("document.querySelector(arguments[0]).click()", selector)

    def alert(self):
        text = self.browser.dialog()
        if text is not None:
            self.fault(f"a dialog is open, saying {text!r}: data was run as a script")
        return text is not None

    def words(self):
        headline = self.browser.script("return document.querySelector('h1').textContent")
        sizes = self.expected.importance_of(0)
        finite = [size for size in sizes if not math.isnan(size)]
        if finite and max(finite) > 0:
            top = self.expected.groups[sizes.index(max(finite))]
            self.expect(headline.startswith(top),
                        f"the headline {headline!r} does not begin with the group {top!r}")
        title = self.browser.script("return document.title")
        self.expect("Windlass" in title, f"the title is {title!r}")

    def policy(self):
        policy = self.browser.script(
            "const m = document.querySelector('meta[http-equiv=\"Content-Security-Policy\"]');"
            "return m === null ? '' : m.content")
        self.expect("default-src 'none'" in policy, f"the content security policy is {policy!r}")
        counts = self.browser.script(
            "return [document.scripts.length, document.querySelectorAll("
            "'main img, main iframe, main object, main embed, main form, main b b').length]")
        self.expect(counts == [2, 0],
                    f"the page has {counts[0]} scripts and {counts[1]} elements that do not belong")

    def bars(self, output):
        more = "#importance .more"
        if self.browser.script("const b = document.querySelector(arguments[0]);"
                               "return !b.hidden && b.textContent.startsWith('Show all')", more):
            self.click(more)
        bars = self.browser.script(
            "return [...document.querySelectorAll('#importance .bars rect')].map(r => ["
            "Number(r.dataset.group), r.getBoundingClientRect().width,"
            "r.getBoundingClientRect().top, r.getAttribute('aria-label') ?? ''])")
        sizes = [0.0 if math.isnan(x) else x for x in self.expected.importance_of(output)]
        groups = [bar[0] for bar in bars]
        if not self.expect(sorted(groups) == list(range(len(sizes))),
                           f"{len(bars)} bars for {len(sizes)} groups, of groups {groups}"):
            return
        for group, _, _, label in bars:
            name = re.sub(r"\s+", " ", self.expected.groups[group])
            self.expect(re.sub(r"\s+", " ", label).startswith(name),
                        f"the bar of group {name!r} is labelled {label!r}")
        if not sizes or not math.isfinite(max(sizes)):
            return
        largest = max(sizes)
        longest = max(bars, key=lambda bar: bar[1])
        name = self.expected.groups[longest[0]]
        self.expect(sizes[longest[0]] == largest,
                    f"output {output}: the longest bar is that of {name!r}, whose mean |phi| is "
                    "not the largest")
        down = [sizes[bar[0]] for bar in sorted(bars, key=lambda bar: bar[2])]
        self.expect(down == sorted(sizes, reverse=True),
                    f"output {output}: the bars are not in order of importance")
        if largest > 0:
            for group, width, _, _ in bars:
                wanted = longest[1] * sizes[group] / largest
                name = self.expected.groups[group]
                self.expect(abs(width - wanted) < 1.0,
                            f"output {output}: the bar of {name!r} is {width:.1f} pixels long, but "
                            f"its value asks for {wanted:.1f}")

    def pairs(self, output):
        """The heat map: a square a pair, the darkest the strongest; no section without pairs."""
        squares = self.browser.script(
            "return [...document.querySelectorAll('#interactions .pairs rect')].map(r => ["
            "Number(r.dataset.a), Number(r.dataset.b), Number(r.getAttribute('fill-opacity'))])")
        hidden = self.browser.script("return document.querySelector('#interactions').hidden")
        every = self.expected.document.get("interactions", [])
        if not self.expect(hidden == (not every) and bool(squares) == bool(every),
                           f"{len(squares)} squares for {len(every)} interactions"):
            return
        if not every:
            return
        count = len(self.expected.groups)
        index = {pair: k for k, pair in enumerate(
            (a, b) for a in range(count) for b in range(a + 1, count))}
        start = output * len(index)
        sizes = {(a, b): every[start + index[min(a, b), max(a, b)]] for a, b, _ in squares}
        drawn = len({g for pair in sizes for g in pair})
        self.expect(len(sizes) == len(squares) == drawn * (drawn - 1) // 2,
                    f"output {output}: {len(squares)} squares of {drawn} groups")
        strongest = max(sizes.values())
        self.expect(strongest == max(every[start:start + len(index)]),
                    f"output {output}: the strongest pair is not drawn")
        dark = max(squares, key=lambda square: square[2])
        self.expect(sizes[dark[0], dark[1]] == strongest,
                    f"output {output}: the darkest square is not the strongest pair")

    def swarm(self):
        dots = self.browser.script(
            "return document.querySelectorAll('#beeswarm .chart .swarm circle,"
            "#beeswarm .chart .swarm path').length")
        complete = sum(self.expected.complete(i, 0) for i in range(len(self.expected.rows)))
        groups = len(self.expected.groups)
        if complete and groups:
            self.expect(dots >= min(complete, 60) * min(groups, 30),
                        f"the beeswarm has only {dots} dots for {complete} rows of {groups} groups")
        self.expect(dots <= 20_000, f"the beeswarm has {dots} dots: too many to draw smoothly")
        bad = self.browser.script(
            "return [...document.querySelectorAll('svg *')].filter(e => [...e.attributes].some(a =>"
            "/^(x|y|cx|cy|r|d|width|height|x1|x2|y1|y2|transform)$/.test(a.name) &&"
            "/NaN|Infinity/.test(a.value))).length")
        self.expect(bad == 0, f"{bad} marks have coordinates that are no numbers")
        if len(self.expected.rows) < self.expected.document["rows"]:
            text = self.browser.script("return document.querySelector('main').textContent")
            shown, rows = len(self.expected.rows), self.expected.document["rows"]
            sample = f"a sample of {shown:,} of {rows:,} rows; importance bars are over all rows"
            self.expect(sample in text, f"the page does not say {sample!r}")

    def steps(self):
        return self.browser.script(
            "return {text: document.querySelector('#row-text').textContent,"
            "levels: [...document.querySelectorAll('#one-row .levels circle')].map(c => {"
            "  const b = c.getBoundingClientRect(); return b.left + b.width / 2}),"
            "bars: [...document.querySelectorAll('#one-row .steps rect')].map(r => {"
            "  const b = r.getBoundingClientRect();"
            "  return [Number(r.dataset.from), Number(r.dataset.to), b.left, b.right,"
            "          Number(r.dataset.group)]})}")

    def waterfall(self):
        rows = self.expected.rows
        wanted = sorted({0, len(rows) // 2, len(rows) - 1})
        seen = []
        for position in wanted:
            self.choose("#row", rows[position])
            seen.append(self.one_row(position))
        self.expect(len({json.dumps(s) for s in seen}) == len(wanted),
                    "choosing another row does not change the waterfall")
        if len(rows) > 1:
            self.choose("#row", rows[0])
            self.click("#next")
            self.one_row(1)
            self.click("#previous")
            self.one_row(0)
            base = self.expected.base[0]
            complete = [i for i in range(len(rows)) if self.expected.complete(i, 0)]
            if complete:
                extreme = max(complete, key=lambda i: abs(self.expected.prediction_of(i, 0) - base))
                # From the extreme row itself the button leads on to the next one.
                self.choose("#row", rows[0 if extreme else 1])
                self.click("#extreme")
                self.one_row(extreme)

    def one_row(self, position):
        """Checks the waterfall in view against the row at `position`, for output 0."""
        row, steps = self.expected.rows[position], self.steps()
        self.expect(f"Row {row:,} " in steps["text"],
                    f"the text for row {row} says {steps['text']!r}")
        bars = steps["bars"]
        if not self.expected.complete(position, 0):
            self.expect(not bars, f"row {row} has no finite attributions, but a waterfall")
            return steps
        base, prediction = self.expected.base[0], self.expected.prediction_of(position, 0)
        phi = self.expected.phi_of(position, 0)
        count = len(phi)
        shown = count if count <= MAX_BARS else MAX_BARS
        if not self.expect(len(bars) == shown,
                           f"row {row}: {len(bars)} waterfall bars for {count} groups"):
            return steps
        slack = 1e-5 * (1 + abs(base) + sum(abs(x) for x in phi))
        level = base
        for start, end, _, _, group in bars:
            self.expect(abs(start - level) < slack,
                        f"row {row}: a bar begins at {start}, not {level}")
            if group >= 0:
                name = self.expected.groups[group]
                self.expect(abs(end - start - phi[group]) < slack,
                            f"row {row}: the bar of {name!r} is {end - start}, not {phi[group]}")
            level = end
        self.expect(abs(level - prediction) < slack,
                    f"row {row}: the bars end at {level}, but the prediction is {prediction}")
        named = [abs(phi[bar[4]]) for bar in bars if bar[4] >= 0]
        self.expect(named == sorted(named, reverse=True),
                    f"row {row}: the biggest contributions do not come first")
        # And as drawn: from the dot of the base value to the dot of the prediction, in pixels.
        x = steps["levels"]
        if self.expect(len(x) == 2, f"row {row}: {len(x)} level dots instead of two") and bars:
            at = x[0]
            for start, end, left, right, _ in bars:
                begin, finish = (left, right) if end >= start else (right, left)
                self.expect(abs(begin - at) < 1.0,
                            f"row {row}: a bar is drawn {begin - at:.1f} pixels off")
                at = finish
            self.expect(abs(at - x[1]) < 1.0,
                        f"row {row}: the bars end {at - x[1]:.1f} pixels from the prediction")
        return steps

    def click_on_a_dot(self):
        """A real click of the mouse on a dot of the beeswarm chooses that dot's row."""
        before = self.steps()["text"]
        points = self.browser.script(
            "document.querySelector('#beeswarm').scrollIntoView({behavior: 'instant'});"
            "return [...document.querySelectorAll('#beeswarm .chart .swarm circle')].map(c => {"
            "  const b = c.getBoundingClientRect();"
            "  return [b.left + b.width / 2, b.top + b.height / 2]"
            "}).filter(p => p[1] > 0 && p[1] < innerHeight)")
        if len(self.expected.rows) < 3 or not points:
            return
        for x, y in (min(points), max(points)):  # two rows, so that one of them is another
            self.mouse("mouseMoved", x, y)
            time.sleep(0.2)
            tip = self.browser.script(
                "return [...document.querySelectorAll('#beeswarm [aria-label=tip]')]"
                ".map(e => e.textContent).join('')")
            self.mouse("mousePressed", x, y)
            self.mouse("mouseReleased", x, y)
            time.sleep(0.2)
            after = self.steps()["text"]
            if after != before:
                chosen = re.match(r"Row ([\d,]+) ", after)
                self.expect(chosen is not None and f"Row {chosen.group(1)}:" in tip,
                            f"the tip says {tip!r}, but the click chose {after!r}")
                return
            self.browser.script(
                "document.querySelector('#beeswarm').scrollIntoView({behavior: 'instant'})")
        self.fault("a click on a dot of the beeswarm does not choose its row")

    def mouse(self, kind, x, y):
        self.browser.devtools("Input.dispatchMouseEvent", type=kind, x=x, y=y, clickCount=1,
                              button="none" if kind == "mouseMoved" else "left")

    def dependence(self):
        choices = self.browser.script(
            "return [...document.querySelector('#feature').options].map(o => [o.value, o.text])")
        groups = len(self.expected.groups)
        self.expect(len(choices) == groups,
                    f"{len(choices)} groups can be chosen for dependence, of {groups}")
        colours = self.browser.script(
            "return [...document.querySelector('#colour').options].map(o => o.value)")
        usable = [g for g in range(len(self.expected.groups))
                  if any(math.isfinite(self.expected.phi_of(i, 0)[g])
                         for i in range(len(self.expected.rows)))]
        for group in usable[:6]:
            self.choose("#feature", group)
            for colour in (colours[0], colours[-1]):
                self.choose("#colour", colour)
                marks = self.browser.script(
                    "return document.querySelectorAll('#dependence .chart circle').length")
                self.expect(marks > 0,
                            f"no dot for the dependence of {self.expected.groups[group]!r}")
        self.choose("#colour", "-1")

    def widths(self):
        for width in (1280, 400):
            self.browser.resize(width, 900)
            time.sleep(0.3)
            wide = self.browser.script("return document.documentElement.scrollWidth")
            self.expect(wide <= width, f"at {width} pixels the page is {wide} pixels wide")
        self.browser.resize(1280, 900)
        time.sleep(0.3)

    def quiet(self):
        """No line on the console, and no request except for the file itself."""
        for entry in self.browser.log("browser"):
            self.fault(f"console {entry['level']}: {entry['message']}")
        own = urllib.parse.unquote(self.url)
        for entry in self.browser.log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] not in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                continue
            url = message["params"].get("request", message["params"]).get("url", "")
            if urllib.parse.unquote(url) != own and not url.startswith("data:image/svg+xml,"):
                self.fault(f"the page asks for {url}")
        loaded = self.browser.script(
            "return performance.getEntriesByType('resource').map(e => e.name)")
        loaded = [name for name in loaded if not name.startswith("data:image/svg+xml,")]
        self.expect(not loaded, f"the page loads {loaded}")

    def pictures(self):
        self.artifacts.mkdir(parents=True, exist_ok=True)
        for name, width, scheme, kind in (("desktop-light", 1280, "light", ""),
                                          ("desktop-dark", 1280, "dark", ""),
                                          ("narrow", 400, "light", ""),
                                          ("print", 760, "light", "print")):
            self.browser.resize(width, 900)
            self.browser.media(scheme, kind)
            self.browser.open(self.url)
            self.settle()
            height = self.browser.script("return document.documentElement.scrollHeight")
            self.browser.resize(width, height)
            time.sleep(0.2)
            self.browser.screenshot(self.artifacts / f"{name}.png")


def main():
    parser = argparse.ArgumentParser(description="Checks an explain report in headless Chromium.")
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("--artifacts", type=pathlib.Path, help="a folder for screenshots")
    arguments = parser.parse_args()
    if not arguments.report.is_file():
        parser.error(f"{arguments.report} is not a file")
    try:
        with Browser() as browser:
            check = Check(browser, arguments.report.resolve(), arguments.artifacts)
            check.run()
    except (WebDriverError, ValueError, KeyError, struct.error) as error:
        print(f"{arguments.report}: {error}", file=sys.stderr)
        return 1
    for text in check.faults:
        print(f"{arguments.report}: {text}", file=sys.stderr)
    if not check.faults:
        print(f"{arguments.report}: {len(check.expected.groups)} groups, "
              f"{len(check.expected.rows)} rows: as it should be")
    return 1 if check.faults else 0


if __name__ == "__main__":
    sys.exit(main())
