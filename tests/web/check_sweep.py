#!/usr/bin/env python3
"""Looks at the page of a sweep in headless Chromium and checks what it draws.

Usage: check_sweep.py sweep.html [--artifacts DIR]

The expected values are read from the data inside the file, the drawn ones from the DOM, in pixels.
Exit codes and needs as of check_report.py.
"""

import argparse
import json
import pathlib
import re
import statistics
import sys
import time

import check_report
from webdriver import Browser, WebDriverError

MEASURES = ("wall_s", "compute_wall_s")


class Expected:
    """The data of a sweep, summed up independently of the page's script and of Windlass."""

    def __init__(self, html):
        blocks = re.findall(r'<script id="windlass-data" type="application/json">(.*?)</script>',
                            html, re.DOTALL)
        if len(blocks) != 1:
            raise ValueError(f"the page has {len(blocks)} data blocks instead of one")
        self.document = json.loads(blocks[0])
        of_all = "serve" if self.document.get("mode") == "serve" else "pool"
        self.samples = {(s.get("mode", of_all), s["batch"], s["workers"], s["run"]): s
                        for s in self.document["samples"]}
        if len(self.samples) != len(self.document["samples"]):
            raise ValueError("two samples are of the same run")
        # In the order of the page: by mode and batch size, then by workers.
        self.configurations = sorted({key[:3] for key in self.samples})
        self.series = sorted({key[:2] for key in self.samples})
        self.both = len({mode for mode, _ in self.series}) > 1

    def workers(self, *series):
        return [key[2] for key in self.configurations if key[:2] == series]

    def median(self, configuration, measure):
        return statistics.median(s[measure] for key, s in self.samples.items()
                                 if key[:3] == configuration)


class SweepCheck(check_report.Check):
    first_chart = "#sweep .chart svg"
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
        self.table()
        for logarithmic in (False, True):
            for measure in MEASURES:
                self.choose("#measure", measure)
                self.chart(measure, logarithmic)
            self.click("#logarithmic")
        self.choose("#measure", MEASURES[0])
        self.widths()
        self.alert()
        self.quiet()
        if self.artifacts is not None:
            self.pictures()
            self.browser.resize(1280, 900)
            self.browser.media("light")
            time.sleep(0.3)
            self.click("#logarithmic")
            self.browser.screenshot(self.artifacts / "logarithmic.png")

    def drawn(self, kind, shape):
        """The marks of a class: [data attributes, x, y] each, the centre in pixels."""
        return self.browser.script(
            "return [...document.querySelectorAll(`#sweep .chart .${arguments[0]} "
            "${arguments[1]}`)].map(e => { const b = e.getBoundingClientRect();"
            "  return [e.dataset, b.left + b.width / 2, b.top + b.height / 2, b.width] })",
            kind, shape)

    def chart(self, measure, logarithmic):
        where = f"{measure}, {'logarithmic' if logarithmic else 'linear'}"
        dots = self.drawn("runs", "circle")
        def key(data):
            return data["mode"], int(data["batch"]), int(data["workers"]), int(data["run"])

        found = sorted(key(d) for d, *_ in dots)
        if not self.expect(found == sorted(self.expected.samples),
                           f"{where}: {len(dots)} dots for {len(self.expected.samples)} runs"):
            return
        medians = self.drawn("median-dots", "circle")
        self.expect(len(medians) == len(self.expected.configurations),
                    f"{where}: {len(medians)} medians for "
                    f"{len(self.expected.configurations)} configurations")
        lines = len(self.drawn("medians", "path"))
        self.expect(lines == len(self.expected.series),
                    f"{where}: {lines} lines for {len(self.expected.series)} series")
        wanted = sum(len(self.expected.workers(*series)) > 1 for series in self.expected.series)
        ideals = len(self.drawn("ideal", "path"))
        self.expect(ideals == wanted, f"{where}: {ideals} dashed lines instead of {wanted}")
        # A longer run is drawn higher, a run with more workers (and the same batch) to the right.
        runs = sorted((self.expected.samples[key(d)][measure], y) for d, _, y, _ in dots)
        for (shorter, low), (longer, high) in zip(runs, runs[1:]):
            self.expect(high <= low + 0.6,
                        f"{where}: a run of {longer} s is drawn below one of {shorter} s")
        for series in self.expected.series:
            across = sorted((int(d["workers"]), x) for d, x, _, _ in dots if key(d)[:2] == series)
            self.expect([x for _, x in across] == sorted(x for _, x in across),
                        f"{where}: the runs of {series} are not in the order of workers")
        # Heights are those of the values: medians against the runs' own scale, in pixels.
        if logarithmic:
            return
        (least, bottom), (most, top) = runs[0], runs[-1]
        if bottom - top < 20:
            return
        values = sorted(self.expected.median(one, measure) for one in self.expected.configurations)
        heights = sorted((y for _, _, y, _ in medians), reverse=True)
        for value, y in zip(values, heights):
            at = bottom + (value - least) / (most - least) * (top - bottom)
            self.expect(abs(at - y) < 1.5,
                        f"{where}: a median of {value} s is drawn {y - at:.1f} pixels off")

    def table(self):
        rows = self.browser.script(
            "return [...document.querySelectorAll('#numbers tbody tr')].map(r =>"
            "[...r.cells].map(c => c.textContent.replaceAll(',', '')))")
        modes = [row.pop(0) if self.expected.both else self.expected.series[0][0] for row in rows]
        found = [(mode, int(row[1]), int(row[0])) for mode, row in zip(modes, rows)]
        if not self.expect(found == self.expected.configurations,
                           f"the table has the configurations {found}"):
            return
        for row, one in zip(rows, found):
            median = self.expected.median(one, "wall_s")
            self.expect(abs(float(row[3]) - median) <= 0.006 * median,
                        f"{one}: the table says {row[3]} s instead of {median}")
            alone = (self.expected.median((*one[:2], 1), "wall_s") / median
                     if 1 in self.expected.workers(*one[:2]) else None)
            said = None if row[8] == "\u2013" else float(row[8])
            self.expect(said == alone if None in (said, alone) else abs(said - alone) < 0.006,
                        f"{one}: the table has a speed-up of {said} instead of {alone}")


def main():
    parser = argparse.ArgumentParser(description="Checks a sweep's page in headless Chromium.")
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--artifacts", type=pathlib.Path, help="a folder for screenshots")
    arguments = parser.parse_args()
    if not arguments.page.is_file():
        parser.error(f"{arguments.page} is not a file")
    try:
        with Browser() as browser:
            check = SweepCheck(browser, arguments.page.resolve(), arguments.artifacts)
            check.run()
    except (WebDriverError, ValueError, KeyError) as error:
        print(f"{arguments.page}: {error}", file=sys.stderr)
        return 1
    for text in check.faults:
        print(f"{arguments.page}: {text}", file=sys.stderr)
    if not check.faults:
        print(f"{arguments.page}: {len(check.expected.samples)} runs of "
              f"{len(check.expected.configurations)} configurations: as it should be")
    return 1 if check.faults else 0


if __name__ == "__main__":
    sys.exit(main())
