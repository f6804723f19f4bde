#!/usr/bin/env python3
"""Fills the built report page with made-up data, for the page's own tests and for working on it.

Usage: make_report.py CASE OUT.html      (see CASES below)

This writes the data format a second time, independently of src/windlass/explain/report.cc, so that
the page can be looked at and tested without a build of Windlass. Only the standard library is used.
"""

import base64
import json
import math
import pathlib
import random
import struct
import sys

TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "web" / "dist" / "report.html"
PLACEHOLDER = "__WINDLASS_DATA__"
HOSTILE = "</script><script>document.title='pwned';alert(1)</script>"


def number(value):
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def packed(values, code):
    name = {"f": "f32", "d": "f64"}[code]
    return {name: base64.b64encode(struct.pack(f"<{len(values)}{code}", *values)).decode()}


def rough(values):
    """The upper halves of singles, rounded up, as half widths travel."""
    words = struct.unpack(f"<{len(values)}I", struct.pack(f"<{len(values)}f", *values))
    halves = [min((word >> 16) + (word & 0xffff > 0), 0x7f80) for word in words]
    return {"bf16": base64.b64encode(struct.pack(f"<{len(halves)}H", *halves)).decode()}


def page(document, escaped=True):
    """The whole page. escaped=False plants the defect that a hostile name waits for."""
    text = json.dumps(document, ensure_ascii=False)
    for character in "<>&\u2028\u2029" if escaped else "":
        text = text.replace(character, f"\\u{ord(character):04x}")
    before, after = TEMPLATE.read_text(encoding="utf-8").split(PLACEHOLDER)
    return before + text + after


def build(*, groups, rows, shown, outputs=("prediction",), link="logit", seed=1, hole=False,
          pairs=False, margin=False, notes=(), width=None, cohorts=None, method="linear", reason="the model is linear, so the exact values have a short form",
          model="model.json", data="rows.parquet"):
    """A made-up additive model: each group's attribution is a curve of its value plus noise.

    groups: (name, columns, categories, scale) each. hole: some values and one row are missing.
    width: of intervals, in shares of an attribution and a bit. cohorts: their number, over all rows.
    """
    rng = random.Random(seed)
    row = list(range(rows)) if shown == rows else sorted(rng.sample(range(rows), shown))
    value, phi, prediction = [], [], []
    base = [rng.uniform(-1.5, 0.5) for _ in outputs]
    effect = [[rng.uniform(-1, 1) for _ in range(max(1, len(categories)))]
              for _, _, categories, _ in groups]
    for position in range(shown):
        values = []
        for _, columns, categories, scale in groups:
            if categories:
                values.append(float(min(len(categories) - 1, int(rng.expovariate(0.7)))))
            elif len(columns) > 1:
                values.append(math.nan)
            else:
                values.append(round(rng.gauss(40, 12), 1) if scale else rng.expovariate(0.001))
        if hole and position % 50 == 7:
            values[0] = math.nan
        value += values
        for output in range(len(outputs)):
            row_phi = []
            for g, (_, _, categories, scale) in enumerate(groups):
                v = values[g]
                if categories:
                    size = effect[g][int(v)]
                elif math.isnan(v):
                    size = rng.gauss(0, 0.6)
                else:
                    size = math.tanh((v - 40) / 15)
                row_phi.append(scale * (size + rng.gauss(0, 0.08)) * (-1 if output else 1))
            if hole and position == 3:
                row_phi[0] = math.nan
            phi += row_phi
            prediction.append(base[output] + sum(row_phi))
    count, outs = len(groups), len(outputs)
    importance = []
    for output in range(outs):
        for g in range(count):
            sizes = [abs(phi[(i * outs + output) * count + g]) for i in range(shown)]
            sizes = [size for size in sizes if not math.isnan(size)]
            importance.append(sum(sizes) / max(1, len(sizes)))
    made = {}
    if pairs:
        made["interactions"] = [rng.expovariate(1) ** 3 for _ in range(outs * count * (count - 1) // 2)]
    if margin:
        made["margin"] = True
    if notes:
        made["notes"] = list(notes)
    if width is not None:
        half = [0.0 if x == 0 else width * (0.02 + 0.3 * abs(x) * rng.random()) for x in phi]
        made["half_width"] = rough([0.0 if math.isnan(x) else x for x in half])
        made["importance_half_width"] = [number(width * (0.02 + 0.15 * x)) for x in importance]
        made["ranked"] = [rng.randint(0, count) for _ in range(shown * outs)]
    if cohorts is not None:
        member = [rng.randrange(cohorts) for _ in range(shown)]
        cells = range(outs * cohorts * count)
        made["cohorts"] = {
            "by": groups[0][0], "names": [f"cohort {c} & its <name>" for c in range(cohorts)],
            "rows": [rows // cohorts] * cohorts, "member": member,
            "prediction": [rng.gauss(0, 1) for _ in range(outs * cohorts)],
            "mean_abs": [rng.random() for _ in cells], "mean": [rng.gauss(0, 1) for _ in cells],
        }
        if width is not None:
            made["cohorts"]["half_width"] = [number(0.1 * width * rng.random()) for _ in cells]
    return {
        **made, "version": 1, "windlass": "0.1.0", "model": model, "data": data, "link": link,
        "method": method, "reason": reason, "rows": rows, "model_evaluations": rows * 100,
        "outputs": list(outputs),
        "groups": [{"name": n, "columns": c, "categories": k} for n, c, k, _ in groups],
        "importance": [number(x) for x in importance], "base_value": [number(x) for x in base],
        "row": row, "prediction": packed(prediction, "d"), "phi": packed(phi, "f"),
        "value": packed(value, "f"),
    }


def plain_groups(count):
    return [(f"feature {g:03d}", [f"feature {g:03d}"], [], 1.5 / (g + 1)) for g in range(count)]


MIXED = [
    ("Age", ["Age"], [], 0.9),
    ("Marital Status", ["m1", "m2", "m3"],
     ["Married", "Never-Married", "Separated", "Widowed"], 1.1),
    ("Capital", ["gain", "loss"], [], 0.7),
    ("Hours per week", ["Hours per week"], [], 0.4),
    ("Sex", ["Sex"], ["Female", "Male"], 0.2),
]

CASES = {
    "mixed": lambda: build(groups=MIXED, rows=600, shown=600),
    "sampled": lambda: build(groups=MIXED + plain_groups(9), rows=2_560_000, shown=10_000,
                             width=1.0, method="kernel", reason="the model is opaque"),
    # As large as a page gets: all the rows that it may hold, and several outputs.
    "large": lambda: build(groups=MIXED + plain_groups(9), rows=1_000_000, shown=10_000,
                           outputs=("low", "middle", "high"), width=1.0, cohorts=8, method="msr",
                           reason="sampled"),
    "intervals": lambda: build(groups=MIXED + [
        ("Country", ["Country"], [f"country {k}" for k in range(30)], 0.6),
        ("A group with a name so long that no chart has room for all of it", ["x"], [], 0.3),
    ] + plain_groups(7), rows=3_000, shown=900, width=1.0, cohorts=6, method="msr",
        reason="sampled", outputs=("setosa", "versicolor", "virginica"), link="identity"),
    "rough": lambda: build(groups=MIXED[:4], rows=40, shown=40, width=40.0, method="kernel"),
    # A budget that leaves nothing to judge by: intervals without end.
    "endless": lambda: build(groups=MIXED[:4], rows=40, shown=40, width=math.inf, cohorts=2,
                             method="kernel"),
    "sixty": lambda: build(groups=plain_groups(60), rows=500, shown=500, width=0.5, method="msr"),
    "outputs": lambda: build(groups=MIXED, rows=300, shown=300, outputs=("<=50K", ">50K", "other"),
                             link="identity", pairs=True, margin=True,
                             notes=("one of two", "the other, <b>bold</b>")),
    "wide": lambda: build(groups=plain_groups(120), rows=200, shown=200, link="identity",
                          pairs=True),
    "holes": lambda: build(groups=MIXED, rows=200, shown=200, hole=True),
    "one": lambda: build(groups=MIXED[:1], rows=1, shown=1, link="identity"),
    "hostile": lambda: build(
        groups=[(HOSTILE, [HOSTILE], [], 1.0),
                ("<img src=x onerror=alert(1)>", ["a"], ["<b>bold</b>", HOSTILE], 0.8),
                ("__proto__", ["b"], [], 0.6),
                ("quote\" ' ` ${alert(1)} \u2028 \u2029 &amp; " + "long " * 40, ["c"], [], 0.5),
                (PLACEHOLDER, ["d"], [], 0.4), ("", ["e"], [], 0.3)],
        rows=80, shown=80, pairs=True, outputs=(HOSTILE, "<!--"), model=HOSTILE, data=HOSTILE, reason=HOSTILE),
}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in CASES:
        sys.exit(f"usage: make_report.py {'|'.join(CASES)} OUT.html")
    pathlib.Path(sys.argv[2]).write_text(page(CASES[sys.argv[1]]()), encoding="utf-8")


if __name__ == "__main__":
    main()
