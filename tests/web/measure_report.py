#!/usr/bin/env python3
"""Measures how quickly a report answers, in headless Chromium.

Usage: measure_report.py report.html [REPETITIONS]

One line each, milliseconds: until a script's work is done, and until the frame after it is drawn;
medians, with the worst in brackets. Needs only Python and Debian's chromium and chromium-driver.
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


def timed(browser, code, k):
    """Milliseconds of the script itself, and until the next frame after it has been drawn."""
    return browser.command("POST", "/execute/async", {"script": (
        f"const done = arguments[0], k = {k};{CHANGE}"
        "requestAnimationFrame(() => setTimeout(() => { const t = performance.now();" + code +
        ";const u = performance.now();"
        "requestAnimationFrame(() => setTimeout(() => done([u - t, performance.now() - t]))) }))"),
        "args": []})


def say(name, times):
    script, frame = ([t[i] for t in times] for i in (0, 1))
    print(f"{name:30} {statistics.median(script):6.0f} [{max(script):4.0f}]"
          f" {statistics.median(frame):6.0f} [{max(frame):4.0f}]")


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
        loads = []
        for _ in range(repetitions):
            browser.open(url)
            time.sleep(0.5)
            loads.append(browser.script(
                "const n = performance.getEntriesByType('navigation')[0];"
                "const p = performance.getEntriesByName('first-contentful-paint')[0];"
                "return [n.domInteractive, Math.max(n.domInteractive, p.startTime)]"))
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
