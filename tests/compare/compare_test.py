"""Comparisons of explanations, against numbers computed again here, and their pages in a browser.
Usage: compare_test.py [ARTIFACTS]"""

import json
import math
import pathlib
import random
import shutil
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "invariance"))
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from invariance import check_invariance  # noqa: E402
from support import ADULT, ROOT, Skip, explain_adult, main, test, windlass  # noqa: E402

ARTIFACTS = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None


def explained(folder, name, **changes):
    windlass(*explain_adult(**changes), "--out", folder / name)
    return folder / name


def later_model(folder):
    model = json.loads((ADULT / "model.json").read_text())
    rng = random.Random(1)
    model["coef"] = [c * (1 + 0.3 * rng.gauss(0, 1)) for c in model["coef"]]
    path = folder / "later.json"
    path.write_text(json.dumps(model))
    return path


def two_models(folder):
    return explained(folder, "a"), explained(folder, "b", model=later_model(folder))


def columns(place):
    table = pq.read_table(place / "attributions.parquet")
    return {name: table[name].to_pylist() for name in table.column_names}


def close(a, b, what, tolerance=1e-9):
    assert math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-12), (what, a, b)


@test
def paired_differences(folder):
    a, b = two_models(folder)
    windlass("explain", "diff", a, b, "--out", folder / "d", "--quiet")
    summary = json.loads((folder / "d/summary.json").read_text())
    assert summary["paired"] and summary["tests"] == 36, summary["pairing_reason"]
    before, after = columns(a), columns(b)
    (output,) = summary["outputs"]
    total = output["base_value"]["change"]
    for group in output["groups"]:
        name = group["group"]
        d = [y - x for x, y in zip(before[name], after[name])]
        half = 1.9609 * statistics.stdev(d) / math.sqrt(len(d))  # t with 2,559 degrees
        close(group["mean"]["change"], statistics.fmean(d), name)
        close(group["mean"]["high"] - group["mean"]["change"], half, name, 1e-4)
        sizes = [abs(y) - abs(x) for x, y in zip(before[name], after[name])]
        close(group["importance"]["change"], statistics.fmean(sizes), name)
        # Equally many rows, all of them looked at: Wasserstein's is that of sorted values.
        moved = [abs(y - x) for x, y in zip(sorted(before[name]), sorted(after[name]))]
        close(group["distance"]["wasserstein"], statistics.fmean(moved), name, 1e-6)
        total += group["mean"]["change"]
    close(output["prediction"]["change"], total, "decomposition")
    d = [y - x for x, y in zip(before["prediction"], after["prediction"])]
    close(output["prediction"]["change"], statistics.fmean(d), "prediction")
    most = sorted(range(len(d)), key=lambda r: (-abs(d[r]), r))[:20]
    assert [row["row"] for row in output["rows_moved"]] == most
    table = pq.read_table(folder / "d/diff.parquet").to_pylist()
    by_group = {group["group"]: group for group in output["groups"]}
    assert {line["group"] for line in table} == set(by_group) and len(table) == 12
    for line in table:
        group = by_group[line["group"]]
        assert line["mean_change"] == group["mean"]["change"]
        assert line["importance_p"] == group["importance"]["p"]
        assert line["ks_certain"] == int(group["distance"]["certain"])


@test
def halves_of_the_data_as_two_samples(folder):
    rows = pq.read_table(ADULT / "adult.parquet")
    places = []
    for name, part in (("h1", rows.slice(0, 1000)), ("h2", rows.slice(1000))):
        pq.write_table(part, folder / f"{name}.parquet")
        places.append(explained(folder, name, data=folder / f"{name}.parquet"))
    windlass("explain", "diff", *places, "--out", folder / "d", "--quiet")
    summary = json.loads((folder / "d/summary.json").read_text())
    assert not summary["paired"] and summary["b"]["rows"] == 1560
    first, second = (columns(place) for place in places)
    for group in summary["outputs"][0]["groups"]:
        x, y = first[group["group"]], second[group["group"]]
        n, m = len(x), len(y)
        welch = math.sqrt(statistics.variance(x) / n + statistics.variance(y) / m)
        squares = statistics.variance(x) * (n - 1) + statistics.variance(y) * (m - 1)
        error = max(welch, math.sqrt(squares / (n + m - 2) * (1 / n + 1 / m)))
        half = group["mean"]["high"] - group["mean"]["change"]
        close(half, 1.9611 * error, group["group"], 1e-3)
        # One model, rows in random order: nothing moved.
        assert not any(group[part]["certain"] for part in ("mean", "importance", "distance"))


@test
def sampled_attributions_are_less_certain(folder):
    rows = folder / "few.parquet"
    pq.write_table(pq.read_table(ADULT / "adult.parquet").slice(0, 60), rows)
    more = ("--method", "msr", "--nsamples", "200")
    for name in ("a", "b"):
        windlass(*explain_adult(data=rows), *more, "--out", folder / name, "--seed",
                 1 if name == "a" else 2)
    windlass("explain", "diff", folder / "a", folder / "b", "--out", folder / "d", "--quiet")
    summary = json.loads((folder / "d/summary.json").read_text())
    widths = [{g["group"]: g["half_width"] for g in json.loads(
        (folder / name / "summary.json").read_text())["outputs"][0]["importance"]}
        for name in ("a", "b")]
    assert summary["a"]["intervals"]
    for group in summary["outputs"][0]["groups"]:
        half = group["importance"]["high"] - group["importance"]["change"]
        assert half >= sum(width[group["group"]] for width in widths) - 1e-12
        assert not group["mean"]["certain"], group  # two seeds of the same


@test
def the_same_bytes_however_run(folder):
    a, b = two_models(folder)
    for name, arguments in (("diff", ["diff", a, b]), ("drift", ["drift", a, b]),
                            ("by", ["drift", a, "--by", "Age", "--bins", "5"])):
        (folder / name).mkdir()
        check_invariance(folder / name, ["explain", *arguments, "--quiet"], workers=(-1, 3),
                         batches=(None, 7), chaos_batches=(None,))


@test
def small_periods_of_the_same_rows_do_not_alarm(folder):
    a = explained(folder, "a")
    rng = random.Random(4)
    alarmed = 0
    for split in range(20):
        few = set(rng.sample(range(2560), 20))
        days = ["few" if r in few else "a" for r in range(2560)]
        pq.write_table(pa.table({"day": pa.array(days)}), folder / "days.parquet")
        windlass("explain", "drift", a, "--by", "day", "--data", folder / "days.parquet", "--out",
                 folder / f"d{split}", "--quiet")
        summary = json.loads((folder / f"d{split}/summary.json").read_text())
        assert [p["rows"] for p in summary["periods"]] == [2540, 20]
        alarmed += summary["outputs"][0]["all_alarms"] > 0
    assert alarmed <= 3, alarmed  # of more there is a chance of 1.6 %, were it 5 % each


@test
def dates_of_parquet_are_periods(folder):
    import datetime
    a = explained(folder, "a")
    days = [datetime.date(2026, 1 + r % 3, 1) for r in range(2560)]
    pq.write_table(pa.table({"day": pa.array(days)}), folder / "days.parquet")
    windlass("explain", "drift", a, "--by", "day", "--data", folder / "days.parquet", "--out",
             folder / "d", "--quiet")
    summary = json.loads((folder / "d/summary.json").read_text())
    assert [p["period"] for p in summary["periods"]] == ["2026-01-01", "2026-02-01", "2026-03-01"]
    values = columns(a)["Age"]
    (age,) = [g for g in summary["outputs"][0]["groups"] if g["group"] == "Age"]
    for t, period in enumerate(age["periods"]):
        close(period["mean"]["mean"], statistics.fmean(values[t::3]), "period")


@test
def the_pages_in_a_browser(folder):
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        raise Skip("chromium and chromedriver are not installed")
    a, b = two_models(folder)
    for name, arguments in (("diff", ["diff", a, b]),
                            ("drift", ["drift", a, "--by", "Age", "--bins", "6"])):
        windlass("explain", *arguments, "--out", folder / name, "--quiet")
        artifacts = ["--artifacts", ARTIFACTS / name] if ARTIFACTS else []
        subprocess.run([sys.executable, ROOT / "tests/web/check_compare.py",
                        folder / name / "report.html", *artifacts], check=True, timeout=300)


main()
