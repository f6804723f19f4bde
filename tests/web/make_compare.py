#!/usr/bin/env python3
"""Fills the built pages of comparisons with made-up data, for their tests and for working on them.

Usage: make_compare.py CASE OUT.html      (see CASES below)

Writes the data format a second time, independently of src/windlass/compare/.
"""

import json
import pathlib
import random
import sys

DIST = pathlib.Path(__file__).resolve().parents[2] / "web" / "dist"
HOSTILE = "</script><script>alert(1)</script>"


def page(document):
    name = "diff" if "windlass_diff" in document else "drift"
    text = json.dumps(document, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    template = (DIST / f"{name}.html").read_text(encoding="utf-8")
    before, after = template.split("__WINDLASS_DATA__")
    return before + text + after


def change(rng, size, half, b=None):
    moved = size if b is None else b
    a = rng.gauss(0, 1)
    return {"a": a, "b": a + moved, "change": moved,
            "low": None if half is None else moved - half,
            "high": None if half is None else moved + half,
            "p": rng.random(), "certain": half is not None and abs(moved) > 2 * half}


def distance(rng, size):
    return {"wasserstein": abs(size) * 1.1, "ks": 0.2, "ks_critical": 0.05, "p": 0.01,
            "certain": rng.random() < 0.5}


def run(place, data="rows.parquet"):
    return {"place": place, "link": "logit", "method": "linear", "model": "linear:model.json",
            "data": data, "groups": 3, "intervals": False}


def diff(groups=12, outputs=("income > 50K",), *, paired=True, half=0.02, scale=1.0, name="group",
         only=(), unknown=(), other_values=(), failed=0, seed=1):
    rng = random.Random(seed)
    described = []
    for output in outputs:
        listed = []
        for g in range(groups):
            size = scale * rng.gauss(0, 1) / (1 + g)
            listed.append({
                "group": f"{name} {g}", "only_in": "ab"[g % 2] if g in only else None,
                "mean": change(rng, size, half), "importance": change(rng, size / 2, half),
                "distance": None if g in only else distance(rng, size)})
        base = change(rng, 0.1 * scale, 0)
        total = base["change"] + sum(group["mean"]["change"] for group in listed)
        rows = [{"row": 1000 * r + 7, "a": 0.5, "b": 0.5 + scale / (r + 1),
                 "change": scale / (r + 1), "base": 0.0, "others": 0.0,
                 "parts": [{"group": f"{name} {g}" if g != r else None,
                            "change": scale / (r + 1) / 3}
                           for g in range(min(3, groups))]} for r in range(20 if paired else 0)]
        described.append({"output": output, "prediction": change(rng, total, half),
                          "base_value": base, "remainder": 0.0, "groups": listed,
                          "rows_moved": rows})
    side = {"rows": 2560, "failed_rows": None if paired else 1, "sampled_rows": 2560}
    return {"windlass_diff": 1, "link": "logit", "links_unknown": list(unknown),
            "other_values": list(other_values), "paired": paired,
            "pairing_reason": "asked for", "failed_pairs": failed if paired else None,
            "a": run("out/before") | side, "b": run("out/after", "later.parquet") | side,
            "outputs_only_in": {"a": [], "b": []}, "correction": "Holm", "tests": 3 * groups,
            "level": 0.05, "outputs": described,
            "spec": {"kind": "explain_diff", "a": "out/before", "b": "out/after"},
            "versions": {"windlass": "0.1.0"}}


def drift(groups=12, periods=6, outputs=("income > 50K",), *, name="group", half=0.03,
          period="2026-{:02d}", absent=(), failed=(), more_groups=0, more_outputs=0, seed=1):
    rng = random.Random(seed)
    names = [period.format(t + 1) for t in range(periods)]
    described = []
    for output in outputs:
        listed = []
        for g in range(groups):
            level, entries = rng.gauss(0, 0.5), []
            first = level
            for t in range(periods):
                level += rng.gauss(0, 0.2) / (1 + g)
                width = None if half is None else half
                def estimate(mean, width=width):
                    return {"mean": mean, "low": None if width is None else mean - width,
                            "high": None if width is None else mean + width}
                if t in failed or t in absent and g == 0:
                    entries.append(None)
                    continue
                compared = t > 0
                alarm = compared and abs(level - first) > 0.2
                entries.append({
                    "mean": estimate(level), "importance": estimate(abs(level) + 0.1),
                    "mean_change": change(rng, level - first, half) if compared else None,
                    "importance_change": change(rng, 0.1, half) if compared else None,
                    "distance": distance(rng, level - first) if compared else None,
                    "alarm": alarm})
            listed.append({
                "group": f"{name} {g}",
                "drift": max([0] + [p["distance"]["wasserstein"] for p in entries
                                    if p and p["distance"]]),
                "alarms": [n for n, p in zip(names, entries) if p and p["alarm"]],
                "periods": entries})
        alarms = [len(group["alarms"]) for group in listed]
        described.append({"output": output, "prediction": [], "base_value": [],
                          "all_groups": groups + more_groups, "all_alarms": sum(alarms),
                          "all_groups_with_alarms": sum(1 for n in alarms if n),
                          "groups": sorted(listed, key=lambda group: -group["drift"])})
    return {"windlass_drift": 1, "link": "identity", "links_unknown": [], "other_values": [], "runs": [run("out")],
            "by": "month", "all_outputs": len(outputs) + more_outputs,
            "periods": [{"period": n, "rows": 0 if t in failed else 400,
                         "failed_rows": 400 if t in failed else 0} for t, n in enumerate(names)],
            "reference": names[0], "rows_without_period": 3, "sampled_rows": 4096,
            "outputs_left_out": [], "correction": "Holm", "tests": 3 * groups * (periods - 1),
            "level": 0.05, "outputs": described,
            "spec": {"kind": "explain_drift", "runs": ["out"], "by": "month"},
            "versions": {"windlass": "0.1.0"}}


CASES = {
    "diff": diff,
    "diff-one-group": lambda: diff(1),
    "diff-many": lambda: diff(60, ("a", "b", "c"), name="a group with quite a long name, number"),
    "diff-one-row": lambda: diff(5, half=None, paired=False),
    "diff-only": lambda: diff(8, only=(0, 3), paired=False),
    "diff-unknown": lambda: diff(4, unknown=("out/before/kept.parquet",),
                                 other_values=("a has Shapley values, b Owen values",), failed=3),
    "diff-nothing": lambda: diff(5, half=0, scale=0.0),
    "diff-huge": lambda: diff(5, scale=1e9, half=1e7),
    "diff-tiny": lambda: diff(5, scale=1e-7, half=1e-9),
    "diff-hostile": lambda: diff(4, (HOSTILE,), name=HOSTILE),
    "drift": drift,
    "drift-two": lambda: drift(3, 2),
    "drift-many": lambda: drift(50, 60, ("a", "b"), name="a group with quite a long name, number"),
    "drift-days": lambda: drift(4, 366, period="2026 day {:03d}"),
    "drift-long-names": lambda: drift(5, 4, period="the period of which the number is {}"),
    "drift-one-row": lambda: drift(4, 3, half=None),
    "drift-failed": lambda: drift(4, 5, failed=(2,)),
    "drift-part": lambda: drift(60, 30, more_groups=940, more_outputs=7),
    "drift-absent": lambda: drift(4, 5, absent=(0, 3)),
    "drift-hostile": lambda: drift(4, 3, (HOSTILE,), name=HOSTILE, period=HOSTILE + "{}"),
}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in CASES:
        sys.exit(f"usage: make_compare.py {{{','.join(CASES)}}} OUT.html")
    pathlib.Path(sys.argv[2]).write_text(page(CASES[sys.argv[1]]()), encoding="utf-8")
