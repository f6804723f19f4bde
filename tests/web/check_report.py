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
INTERACTION_SECONDS = 2.0  # generous: a machine may be busy; what is drawn is counted instead
MAX_DOTS = 40_000
MAX_NODES = 6_000  # of the page, however many rows it has
MAX_BARS = 11  # of a waterfall: ten groups and the rest, or eleven groups
# The pixels p of the canvas c, read from a copy: a canvas that is read often is drawn otherwise.
PIXELS = ("const copy = document.createElement('canvas'); copy.width = c.width;"
          "copy.height = c.height;"
          "const pen = copy.getContext('2d', {willReadFrequently: true}); pen.drawImage(c, 0, 0);"
          "const p = pen.getImageData(0, 0, c.width, c.height).data;")


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
        self.value = self._unpack(self.document["value"])
        self.sampled = "half_width" in self.document
        self.half_width = self._unpack(self.document["half_width"]) if self.sampled else ()
        self.importance_half_width = [
            self._number(x) for x in self.document.get("importance_half_width", [])]

    @staticmethod
    def _number(value):
        return math.nan if value is None else float(value)

    @staticmethod
    def _unpack(packed):
        (kind, text), = packed.items()
        data = base64.b64decode(text, validate=True)
        if kind == "bf16":  # the upper halves of singles
            halves = struct.unpack(f"<{len(data) // 2}H", data)
            return struct.unpack(f"<{len(halves)}f",
                                 struct.pack(f"<{len(halves)}I", *(half << 16 for half in halves)))
        size, code = {"f32": (4, "f"), "f64": (8, "d")}[kind]
        return struct.unpack(f"<{len(data) // size}{code}", data)

    def importance_of(self, output):
        count = len(self.groups)
        return self.importance[output * count:(output + 1) * count]

    def phi_of(self, position, output):
        count = len(self.groups)
        start = (position * self.outputs + output) * count
        return self.phi[start:start + count]

    def half_width_of(self, position, output):
        count = len(self.groups)
        start = (position * self.outputs + output) * count
        return self.half_width[start:start + count]

    def value_of(self, position, group):
        return self.value[position * len(self.groups) + group]

    def rank(self, output, group):
        """1 and the number of groups that are certainly more important."""
        count = len(self.groups)
        sizes = self.importance_of(output)
        widths = self.importance_half_width[output * count:(output + 1) * count]
        return 1 + sum(size - width > sizes[group] + widths[group]
                       for size, width in zip(sizes, widths))

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
            self.intervals(output)
            self.pairs(output)
            self.given_cohorts(output)
        if self.expected.outputs > 1:
            self.choose("#output", 0)
        self.notes()
        self.swarm()
        if self.expected.rows:
            self.waterfall()
            self.click_on_a_dot()
        self.rows_table()
        self.dependence()
        self.cohorts()
        self.smooth()
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

    def intervals(self, output):
        """Whiskers and ranks where the job sampled, and nothing of the kind where it did not."""
        whiskers = self.browser.script(
            "return [...document.querySelectorAll('#importance .whiskers [data-low]')].map(w => {"
            "  const b = w.getBoundingClientRect(); return [Number(w.dataset.low),"
            "  Number(w.dataset.high), b.left, b.right, b.top + b.height / 2]})")
        words = self.browser.script("return document.querySelector('main').textContent")
        if not self.expected.sampled:
            self.expect("\u00b1" not in words and "95 % interval" not in words and not whiskers,
                        "the job has no intervals, but the page tells of some")
            return
        self.expect("95 % interval" in words, "the page does not tell of 95 % intervals")
        bars = self.browser.script(
            "return [...document.querySelectorAll('#importance .bars rect')].map(r => {"
            "  const b = r.getBoundingClientRect();"
            "  return [Number(r.dataset.group), b.left, b.right, b.top, b.bottom]})")
        count = len(self.expected.groups)
        widths = self.expected.importance_half_width[output * count:(output + 1) * count]
        finite = [g for g in range(count) if 0 < widths[g] < math.inf]
        self.expect(len(whiskers) == len(finite),
                    f"output {output}: {len(whiskers)} whiskers for {len(finite)} intervals")
        sizes = self.expected.importance_of(output)
        longest = max(bars, key=lambda bar: bar[2] - bar[1], default=None)
        for low, high, left, right, middle in whiskers:
            bar = next((b for b in bars if b[3] < middle < b[4]), None)
            if not self.expect(bar is not None, f"output {output}: a whisker without a bar"):
                continue
            group, name = bar[0], self.expected.groups[bar[0]]
            self.expect(abs((high - low) / 2 - widths[group]) < 1e-6 * widths[group] or low == 0,
                        f"output {output}: the whisker of {name!r} reaches from {low} to {high}, "
                        f"but the half width is {widths[group]}")
            scale = (longest[2] - longest[1]) / sizes[longest[0]]
            self.expect(abs(left - (bar[1] + scale * max(0, sizes[group] - widths[group]))) < 2,
                        f"output {output}: the whisker of {name!r} begins {left - bar[1]:.1f} "
                        "pixels from the axis")
            end = bar[1] + scale * (sizes[group] + widths[group])
            self.expect(right < end + 2 and (abs(right - end) < 2 or right - bar[1] > scale * max(
                sizes)), f"output {output}: the whisker of {name!r} ends {right - end:.1f} pixels off")
        ranks = self.browser.script(
            "return [...document.querySelectorAll('#importance tbody tr')]"
            ".map(r => r.children[3].textContent)")
        order = sorted(range(count), key=lambda g: -sizes[g] if not math.isnan(sizes[g]) else 1)
        wanted = [str(self.expected.rank(output, g)) for g in order]
        self.expect(ranks == wanted, f"output {output}: the ranks are {ranks}, not {wanted}")

    def cells(self):
        return self.browser.script(
            "return [...document.querySelectorAll('#cohorts td[data-value]')].map(c => ["
            "Number(c.dataset.cohort), Number(c.dataset.group), Number(c.dataset.value)])")

    def given_cohorts(self, output):
        """The cohorts that the job made are the ones in view at first."""
        given = self.expected.document.get("cohorts")
        if given is None:
            return
        names = self.browser.script(
            "return [...document.querySelectorAll('#cohorts thead button')].map(b => b.textContent)")
        self.expect(names == given["names"], f"the cohorts are {names}, not {given['names']}")
        count, groups = len(given["names"]), len(self.expected.groups)
        for cohort, group, value in self.cells():
            wanted = given["mean_abs"][(output * count + cohort) * groups + group]
            self.expect(abs(value - wanted) < 1e-9,
                        f"output {output}: cohort {cohort}, group {group} says {value}, not {wanted}")

    def cohorts(self):
        """Splits the rows by each of some groups; a cohort filters the charts until it is let go."""
        given = "cohorts" in self.expected.document
        usable = [g for g in range(len(self.expected.groups))
                  if self.expected.document["groups"][g]["categories"]
                  or any(math.isfinite(self.expected.value_of(i, g))
                         for i in range(len(self.expected.rows)))]
        hidden = self.browser.script("return document.querySelector('#cohorts').hidden")
        if not given and (len(self.expected.rows) < 2 or not usable):
            self.expect(hidden, "cohorts of nothing are shown")
            return
        if not self.expect(not hidden, "no cohorts are shown"):
            return
        for group in usable[:5]:
            self.choose("#cohorts-by", group)
            self.one_split(group)
        if usable:
            self.filter()

    def one_split(self, group):
        name = self.expected.groups[group]
        counts = self.browser.script(
            "return [...document.querySelectorAll('#cohorts .fact')][0].innerText"
            ".split(/\\s+/).slice(1).map(t => Number(t.replaceAll(',', '')))")
        complete = [i for i in range(len(self.expected.rows)) if self.expected.complete(i, 0)]
        self.expect(sum(counts) == len(complete) and len(counts) <= 9,
                    f"the cohorts of {name!r} have {counts} of {len(complete)} rows")
        if self.expected.document["groups"][group]["categories"]:
            values = [self.expected.value_of(i, group) for i in complete]
            most = max((values.count(v) for v in set(values)), default=0)
            self.expect(max(counts) >= most, f"the largest cohort of {name!r} has {max(counts)} "
                                             f"rows, but {most} share a category")
        # What cohorts add up to is what all rows add up to.
        for cell_group in sorted({cell[1] for cell in self.cells()})[:3]:
            parts = [(c, v) for c, g, v in self.cells() if g == cell_group]
            total = sum(counts[c] * v for c, v in parts)
            wanted = sum(abs(self.expected.phi_of(i, 0)[cell_group]) for i in complete)
            self.expect(abs(total - wanted) <= 1e-6 * (1 + wanted),
                        f"the cohorts of {name!r} add up to {total}, not {wanted}")

    def dots(self, section="#beeswarm"):
        """How many dots a chart says to have, and the left and right end of what is painted."""
        return self.browser.script(
            "const c = document.querySelector(arguments[0] + ' .chart canvas');"
            "if (c === null) return [0, null, null];" + PIXELS +
            "let low = c.width, high = -1;"
            "for (let k = 3; k < p.length; k += 4) if (p[k] > 99) {"
            "  const x = (k >> 2) % c.width; low = Math.min(low, x); high = Math.max(high, x); }"
            "const s = c.getBoundingClientRect().width / c.width;"
            "return [Number(c.dataset.dots), high < 0 ? null : low * s,"
            "        high < 0 ? null : (high + 1) * s]", section)

    def filter(self):
        """The keyboard chooses a cohort: rows, dots and words follow; the chip lets go again."""
        before = self.dots()[0]
        number, rows = self.browser.script(
            "const b = [...document.querySelectorAll('#cohorts thead button')];"
            "const last = b[b.length - 1]; last.focus();"
            "return [b.length - 1, Number(document.querySelector('#cohorts .fact').lastChild"
            ".textContent.replaceAll(',', ''))]")
        for kind in ("keyDown", "keyUp"):
            self.browser.devtools("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter",
                                  text="\r", windowsVirtualKeyCode=13)
        chosen = self.browser.script(
            "return [document.querySelector('#chip').hidden, document.querySelector('#chip')"
            ".textContent, document.querySelectorAll('#cohorts button[aria-pressed=true]').length]")
        self.expect(not chosen[0] and chosen[2] == 1,
                    f"Enter on cohort {number} does not choose it: {chosen}")
        dots = self.dots()[0]
        groups = len(self.expected.groups)
        if number > 0 and rows * groups <= 3_000 and groups <= 40:
            self.expect(dots == rows * groups,
                        f"a cohort of {rows} rows of {groups} groups has {dots} dots")
        row = int(self.browser.script("return document.querySelector('#row').value"))
        self.expect(row in self.expected.rows, f"row {row} is not of this page")
        self.click("#chip button")
        self.expect(self.browser.script("return document.querySelector('#chip').hidden"),
                    "the chip does not let go of its cohort")
        self.expect(self.dots()[0] == before, "letting go of a cohort does not bring all dots back")

    def smooth(self):
        """However many rows: few elements, and each thing done draws each chart once at most."""
        nodes = self.browser.script("return document.querySelectorAll('*').length")
        self.expect(nodes <= MAX_NODES, f"the page has {nodes} elements: too many to be smooth")
        self.browser.script(
            "window.drawn = new Map(); window.copies = 0;"
            "const o = window.watch = new MutationObserver(() => {});"
            "for (const e of document.querySelectorAll('.chart, #cohorts .table, .rows .lines'))"
            "  o.observe(e, {childList: true});"
            "for (const name of ['drawImage', 'putImageData', 'fill', 'fillRect', 'stroke']) {"
            "  const own = CanvasRenderingContext2D.prototype[name];"
            "  CanvasRenderingContext2D.prototype[name] = function(...a) {"
            "    ++window.copies; return own.apply(this, a); }; }")
        for what, code in (
                ("the next row", "document.querySelector('#next').click()"),
                ("the most extreme row", "document.querySelector('#extreme').click()"),
                ("a group", "change('#feature')"), ("a colour", "change('#colour')"),
                ("an output", "change('#output')"), ("a split", "change('#cohorts-by')"),
                ("a measure", "change('#cohorts-measure')"),
                ("a cohort", "document.querySelector('#cohorts thead button')?.click()"),
                ("an order of rows", "change('#sorting')"),
                ("all rows", "document.querySelector('#chip button').click()")):
            most, copies, milliseconds = self.browser.script(
                "const change = s => { const e = document.querySelector(s);"
                "  e.selectedIndex = e.options.length - 1;"
                "  e.dispatchEvent(new Event('change', {bubbles: true})); };"
                "watch.takeRecords(); window.copies = 0; const began = performance.now();"
                + code + ";"
                "document.body.getBoundingClientRect(); const ms = performance.now() - began;"
                "const times = new Map(); for (const r of watch.takeRecords())"
                "  if (r.addedNodes.length > 0) times.set(r.target, (times.get(r.target) ?? 0) + 1);"
                "return [Math.max(0, ...times.values()), copies, ms]")
            self.expect(most <= 1, f"choosing {what} draws a chart {most} times")
            self.expect(copies <= 2, f"choosing {what} draws on canvases {copies} times")
            dots = self.browser.script("return [...document.querySelectorAll('canvas')]"
                                       ".map(c => Number(c.dataset.dots))")
            self.expect(sum(dots) <= MAX_DOTS, f"choosing {what} draws {dots} dots")
            self.expect(milliseconds < 1000 * INTERACTION_SECONDS,
                        f"choosing {what} takes {milliseconds:.0f} ms")
        if self.expected.outputs > 1:
            self.choose("#output", 0)
        self.hover()

    def hover(self):
        """Fifty moves of the mouse within a frame are answered once, and draw no dot again."""
        answered = self.browser.command("POST", "/execute/async", {"script": (
            "const done = arguments[0], e = document.querySelector('#beeswarm .layers');"
            "if (e === null) return done([0, 0]);"
            "const b = e.getBoundingClientRect(); let n = 0; copies = 0;"
            "const o = new MutationObserver(r => n += r.filter(m => m.addedNodes.length).length);"
            "o.observe(e, {childList: true, subtree: true});"
            "for (let k = 0; k < 50; ++k) e.dispatchEvent(new PointerEvent('pointermove', {"
            "  clientX: b.left + b.width * (0.4 + k / 250), clientY: b.top + 30, bubbles: true}));"
            "setTimeout(() => { o.disconnect();"
            "  e.dispatchEvent(new PointerEvent('pointerleave')); done([n, copies]); }, 300)"),
            "args": []})
        self.expect(answered[0] <= 1 and answered[1] == 0,
                    f"fifty moves of the mouse are answered {answered[0]} times, and draw "
                    f"on canvases {answered[1]} times")

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
        low, _, high = self.browser.script(
            "return [...document.querySelector('#interactions .legend .ramp').childNodes].map("
            "n => n.textContent)")
        most = float(re.search(r"[0-9.,]+", high).group().replace(",", ""))
        self.expect(low == "0" and math.isclose(most, strongest, rel_tol=0.05),
                    f"output {output}: the legend goes up to {high}, not {strongest}")
        dark = max(squares, key=lambda square: square[2])
        self.expect(sizes[dark[0], dark[1]] == strongest,
                    f"output {output}: the darkest square is not the strongest pair")

    def notes(self):
        text, hidden, facts = self.browser.script(
            "const n = document.querySelector('#notes'); return [n.textContent, n.hidden,"
            "document.querySelector('#facts').textContent]")
        notes = self.expected.document.get("notes", [])
        self.expect(hidden == (not notes) and all(f"Note: {note}." in text for note in notes),
                    f"{notes} are told as: {text}")
        margin = self.expected.document.get("margin", False)
        self.expect(("own output" not in facts and "margin" in facts) == margin
                    or self.expected.document["link"] == "logit",
                    f"margin: {margin}; the page says: {facts}")

    def swarm(self):
        dots, left, right = self.dots()
        complete = sum(self.expected.complete(i, 0) for i in range(len(self.expected.rows)))
        groups = len(self.expected.groups)
        if complete and groups:
            self.expect(dots >= min(complete, 60) * min(groups, 30),
                        f"the beeswarm has only {dots} dots for {complete} rows of {groups} groups")
            self.painted(left, right)
        self.expect(dots <= MAX_DOTS, f"the beeswarm has {dots} dots: too many to draw smoothly")
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

    def painted(self, left, right):
        """The dots painted reach as far as the attributions do, on the scale that the rings have."""
        if not self.expect(left is not None, "the canvas of the beeswarm is blank"):
            return
        row = int(self.browser.script("return document.querySelector('#row').value"))
        rings = self.browser.script(
            "return [...document.querySelectorAll('#beeswarm .rings circle')].map(c => "
            "Number(c.getAttribute('cx')))")
        rings = [math.nan if x is None else x for x in rings]
        position = self.expected.rows.index(row)
        shut = self.browser.script("return document.querySelector('#beeswarm .more').hidden")
        if not shut or len(self.expected.groups) > 40 or not self.expected.complete(position, 0):
            return
        sizes = self.expected.importance_of(0)
        order = sorted(range(len(sizes)), key=lambda g: -sizes[g] if sizes[g] == sizes[g] else 1)
        phi = [self.expected.phi_of(position, 0)[g] for g in order]
        if not self.expect(len(rings) == len(phi), f"{len(rings)} rings for {len(phi)} groups"):
            return
        low, high = phi.index(min(phi)), phi.index(max(phi))
        if phi[high] - phi[low] < 1e-3 * max(abs(x) for x in self.expected.phi if x == x):
            return  # too near to tell the scale by
        scale = (rings[high] - rings[low]) / (phi[high] - phi[low])
        at = lambda x: rings[low] + scale * (x - phi[low])  # noqa: E731
        for ring, x in zip(rings, phi):
            self.expect(abs(ring - at(x)) < 1, f"a ring stands {ring - at(x):.1f} pixels off")
        every = [x for i in range(len(self.expected.rows)) if self.expected.complete(i, 0)
                 for x in self.expected.phi_of(i, 0)]
        slack = 5 + abs(scale) * 1e-3
        self.expect(abs(left - at(min(every))) < slack and abs(right - at(max(every))) < slack,
                    f"the dots reach from {left:.0f} to {right:.0f} pixels, but the attributions "
                    f"ask for {at(min(every)):.0f} to {at(max(every)):.0f}")

    def steps(self):
        return self.browser.script(
            "return {text: document.querySelector('#row-text').textContent,"
            "levels: [...document.querySelectorAll('#one-row .levels circle')].map(c => {"
            "  const b = c.getBoundingClientRect(); return b.left + b.width / 2}),"
            "divider: document.querySelector('#one-row .divider') !== null,"
            "whiskers: [...document.querySelectorAll('#one-row .whiskers [data-low]')].map(w =>"
            "  [Number(w.dataset.low), Number(w.dataset.high)]),"
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
        self.certainty(position, steps)
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

    def certainty(self, position, steps):
        """Whiskers around the ends of the steps, and the line below what stands in certain order."""
        row, bars = self.expected.rows[position], steps["bars"]
        if not self.expected.sampled:
            self.expect(not steps["whiskers"] and not steps["divider"],
                        f"row {row}: intervals without a sample")
            return
        widths = self.expected.half_width_of(position, 0)
        wanted = [(end, widths[group]) for _, end, _, _, group in bars
                  if group >= 0 and 0 < widths[group] < math.inf]
        drawn = [((low + high) / 2, (high - low) / 2) for low, high in steps["whiskers"]]
        for end, width in wanted:
            near = any(abs(e - end) < 1e-4 * (1 + abs(end)) and abs(w - width) < 1e-4 * (1 + width)
                       for e, w in drawn)
            self.expect(near, f"row {row}: no whisker of +-{width:.3g} around {end:.3g}")
        ranked = self.expected.document["ranked"][position * self.expected.outputs]
        inside = 0 < ranked < len(bars) and bars[ranked][4] >= 0
        self.expect(steps["divider"] == inside,
                    f"row {row}: {ranked} of {len(bars)} bars stand in certain order, but a line "
                    f"that says so is {'not ' if inside else ''}drawn")

    def click_on_a_dot(self):
        """A real click of the mouse on a dot of the beeswarm chooses that dot's row."""
        before = self.steps()["text"]
        points = self.browser.script(
            "document.querySelector('#beeswarm').scrollIntoView({behavior: 'instant'});"
            "const c = document.querySelector('#beeswarm .chart canvas'), found = [];"
            "if (c === null) return [];" + PIXELS +
            "const b = c.getBoundingClientRect();"
            "for (let k = 3; k < p.length; k += 4) if (p[k] > 99) {"
            "  const x = (k >> 2) % c.width, y = Math.floor((k >> 2) / c.width);"
            "  found.push([b.left + x * b.width / c.width, b.top + y * b.height / c.height]); }"
            "const seen = found.filter(p => p[1] > 70 && p[1] < innerHeight).sort((p, q) =>"
            "  p[0] - q[0]); return seen.length === 0 ? [] : [seen[0], seen[seen.length - 1]]")
        if len(self.expected.rows) < 3 or not points:
            return
        for x, y in (min(points), max(points)):  # two rows, so that one of them is another
            self.mouse("mouseMoved", x, y)
            time.sleep(0.2)
            tip = self.browser.script(
                "return [...document.querySelectorAll('[role=tooltip]')].filter(e => !e.hidden)"
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

    def rows_table(self):
        """A window on all rows: few lines, each row reached by scrolling, chosen by mouse or key."""
        rows = self.expected.rows
        hidden = self.browser.script("return document.querySelector('#rows').hidden")
        if len(rows) < 2:
            self.expect(hidden, "a table of one row is shown")
            return
        lines = ("return [...document.querySelectorAll('.rows .lines > div')].map(l => "
                 "[Number(l.firstChild.textContent.replaceAll(',', '')),"
                 " l.getAttribute('aria-selected')])")
        first = self.browser.script(lines)
        self.expect([line[0] for line in first] == rows[:len(first)] and len(first) <= 40,
                    f"the table of rows begins with {first[:5]}, {len(first)} lines")
        last = self.browser.command("POST", "/execute/async", {"script": (
            "const done = arguments[0], e = document.querySelector('.rows');"
            "e.scrollTop = e.scrollHeight; setTimeout(() => done((() => {" + lines + "})()), 150)"),
            "args": []})
        self.expect([line[0] for line in last] == rows[-len(last):] and len(last) <= 40,
                    f"the table of rows ends with {last[-5:]}")
        self.browser.script("document.querySelector('.rows .lines > div:last-child').click()")
        self.expect(f"Row {rows[-1]:,} " in self.steps()["text"] and
                    self.browser.script(lines)[-1][1] == "true",
                    "a click on a line of the table does not choose its row")
        self.browser.script("document.querySelector('.rows').focus({preventScroll: true})")
        for key, code in (("Home", 36), ("ArrowDown", 40), ("Enter", 13)):
            self.browser.devtools("Input.dispatchKeyEvent", type="keyDown", key=key, code=key,
                                  windowsVirtualKeyCode=code)
        self.expect(f"Row {rows[1]:,} " in self.steps()["text"],
                    "Home, down and Enter do not choose the second row of the table")
        self.choose("#sorting", "high")
        top = self.browser.script(lines)[0][0]
        most = max((x for x in (self.expected.prediction_of(i, 0) for i in range(len(rows)))
                    if x == x), default=None)
        self.expect(most is None or self.expected.prediction_of(rows.index(top), 0) == most,
                    f"row {top} is not that of the highest prediction")
        self.choose("#sorting", "number")

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
                marks, left, _ = self.dots("#dependence")
                self.expect(marks > 0 and left is not None,
                            f"no dot for the dependence of {self.expected.groups[group]!r}")
        self.choose("#colour", "-1")

    def widths(self):
        for width in (1280, 700, 400):
            self.browser.resize(width, 900)
            time.sleep(0.3)
            wide = self.browser.script("return document.documentElement.scrollWidth")
            self.expect(wide <= width, f"at {width} pixels the page is {wide} pixels wide")
            self.overlaps(width)
        self.browser.resize(1280, 900)
        time.sleep(0.3)

    def overlaps(self, width):
        """No two texts of the bars or of the waterfall lie over each other, and none is cut off."""
        found = self.browser.script(
            "const faults = [];"
            "for (const chart of document.querySelectorAll('#importance svg, #one-row svg')) {"
            "  const texts = [...chart.querySelectorAll('text')].filter(t =>"
            "    t.textContent !== '' && t.closest('[aria-label=tip]') === null);"
            "  const boxes = texts.map(t => t.getBoundingClientRect());"
            "  boxes.forEach((a, i) => { if (a.left < 0 || a.right > innerWidth)"
            "    faults.push(texts[i].textContent + ' is cut off');"
            "    boxes.slice(i + 1).forEach((b, k) => {"
            "    if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&"
            "        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)"
            "      faults.push(texts[i].textContent + ' / ' + texts[i + 1 + k].textContent); }); });"
            "} return faults.slice(0, 3)")
        self.expect(not found, f"at {width} pixels texts lie over each other: {found}")

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
