#!/usr/bin/env python3
"""Measures how quickly a report answers, in headless Chromium.

Usage: measure_report.py report.html [REPETITIONS]

One line each, milliseconds: until a script's work is done, until the frame after it is drawn, and
CPU time of the page's thread for both, which what else runs on the machine does not add to; medians,
with the worst in brackets. Needs only Python and Debian's chromium and chromium-driver.
"""

import pathlib
import statistics
import sys
import time

from webdriver import Browser

CHANGE = ("const change = (s, k) => { const e = document.querySelector(s);"
          "  e.selectedIndex = k % e.options.length;"
          "  e.dispatchEvent(new Event('change', {bubbles: true})); };")
STEPS = [
    ("next row", "document.querySelector('#next').click()"),
    ("most extreme row", "document.querySelector('#extreme').click()"),
    ("another group", "change('#feature', 3 + k)"),
    ("coloured by a group", "change('#colour', 2 + k)"),
    ("another output", "change('#output', 1 + k)"),
    ("rows split by another group", "change('#cohorts-by', 1 + k)"),
    ("mean |phi| or mean phi", "change('#cohorts-measure', 1 + k)"),
    ("rows in another order", "change('#sorting', 1 + k)"),
    ("a cohort", "document.querySelectorAll('#cohorts thead button')[k % 2].click()"),
    ("all rows again", "document.querySelector('#chip button').click()"),
]
HOVER = ("const e = document.querySelector('#beeswarm .layers'), b = e.getBoundingClientRect();"
         "e.dispatchEvent(new PointerEvent('pointermove', {clientX: b.left + 400 + 9 * k,"
         "  clientY: b.top + 20 + 9 * k, bubbles: true}))")


def cpu(browser):
    """Milliseconds that the page's thread has worked."""
    metrics = browser.devtools("Performance.getMetrics")["metrics"]
    return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")


def timed(browser, code, k):
    """Milliseconds of the script itself, until the frame after it, and of CPU."""
    idle = work(browser, "", k)
    busy = work(browser, code, k)
    return busy[0], busy[1], max(0, busy[2] - idle[2])


def work(browser, code, k):
    before = cpu(browser)
    times = script(browser, code, k)
    return *times, cpu(browser) - before


def script(browser, code, k):
    return browser.command("POST", "/execute/async", {"script": (
        f"const done = arguments[0], k = {k};{CHANGE}"
        "requestAnimationFrame(() => setTimeout(() => { const t = performance.now();" + code +
        ";const u = performance.now();"
        "requestAnimationFrame(() => setTimeout(() => done([u - t, performance.now() - t]))) }))"),
        "args": []})


def say(name, times):
    print(f"{name:28}" + "".join(f" {statistics.median(column):6.0f} [{max(column):4.0f}]"
                                 for column in zip(*times)))


def frames(browser, code, step):
    """The gaps between frames while what `code` finds is scrolled from top to bottom."""
    return browser.command("POST", "/execute/async", {"script": (
        f"const done = arguments[0], gaps = [], e = {code}; let last = performance.now(), y = 0;"
        "const frame = () => { const now = performance.now(); gaps.push(now - last); last = now;"
        f"  y += {step}; e.scrollTo({{top: y, behavior: 'instant'}});"
        "  if (y < e.scrollHeight) requestAnimationFrame(frame);"
        "  else done(gaps.slice(1)); };"
        "requestAnimationFrame(frame)"), "args": []})


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    url = pathlib.Path(sys.argv[1]).resolve().as_uri()
    repetitions = int(sys.argv[2]) if len(sys.argv) == 3 else 5
    with Browser() as browser:
        browser.resize(1280, 900)
        browser.media("light")
        browser.devtools("Performance.enable", timeDomain="threadTicks")
        print(f"{'':28} {'script':>13} {'frame':>13} {'CPU':>13}")
        loads = []
        for _ in range(repetitions):
            browser.open("about:blank")
            before = cpu(browser)
            browser.open(url)
            time.sleep(0.5)
            worked = cpu(browser) - before
            loads.append((*browser.script(
                "const n = performance.getEntriesByType('navigation')[0];"
                "const p = performance.getEntriesByName('first-contentful-paint')[0];"
                "return [n.domInteractive, Math.max(n.domInteractive, p.startTime)]"), worked))
        say("the page, from nothing", loads)
        browser.script(
            "window.long = []; new PerformanceObserver(l => { for (const e of l.getEntries())"
            "  long.push(e.duration) }).observe({type: 'longtask'})")
        for name, code in STEPS:
            say(name, [timed(browser, code, k) for k in range(repetitions)])
        say("hover", [timed(browser, HOVER, k) for k in range(repetitions)])
        for name, code, step in (("page scrolled", "document.documentElement", 60),
                                 ("rows scrolled", "document.querySelector('.rows')", 1500)):
            gaps = frames(browser, code, step)
            print(f"{name + ', frame to frame':37} {statistics.median(gaps):6.0f} "
                  f"[{max(gaps):4.0f}]")
        print(f"longest task after loading: {browser.script('return Math.max(0, ...long)'):.0f}")
        print("elements:", browser.script("return document.querySelectorAll('*').length"))


if __name__ == "__main__":
    main()
