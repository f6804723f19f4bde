"""`windlass bench explain`: what it measures, keeps and says. Usage: sweep_test.py [ARTIFACTS]"""

import csv
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import ADULT, ROOT, WINDLASS, Skip, main, test, windlass  # noqa: E402

ROWS = 64


def few_rows(folder):
    """The shipped job with its first rows only."""
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(ADULT / "adult.parquet").slice(0, ROWS), folder / "few.parquet")
    return ["bench", "explain", "--model", ADULT / "model.json", "--data", folder / "few.parquet",
            "--background", ADULT / "background.parquet", "--groups", ADULT / "groups.json",
            "--link", "logit", "--out", folder / "results"]


def files_of(folder):
    return sorted(path.name for path in (folder / "results").iterdir())


def only(folder, ending):
    (path,) = (folder / "results").glob(f"*.{ending}")
    return path


@test
def keeps_every_run(folder):
    shown = windlass(*few_rows(folder), "-w", 1, 2, "-b", 5, 16, "--nruns", 2).stdout
    names = files_of(folder)
    assert len(names) == 3 and {name.split(".")[-1] for name in names} == {"json", "csv", "html"}
    assert all(re.fullmatch(r"explain-\d{8}-\d{6}\.\w+", name) for name in names), names
    document = json.loads(only(folder, "json").read_text())
    runs = [(s["run"], s["workers"], s["batch"]) for s in document["samples"]]
    # Interleaved: every configuration once, then every one again.
    assert runs == [(r, w, b) for r in (1, 2) for w in (1, 2) for b in (5, 16)], runs
    assert document["stopped"] is None and document["memo"] is False, document
    assert document["machine"]["cores"] >= 1 and document["machine"]["host"], document["machine"]
    assert document["versions"]["windlass"] and document["versions"]["build"]
    assert document["spec"]["link"] == "logit" and document["nruns"] == 2
    for sample in document["samples"] + document["warm_up"]:
        assert sample["rows"] == ROWS and sample["method"] == "linear", sample
        assert sample["tasks"] == -(-ROWS // sample["batch"]), sample
        assert sample["wall_s"] > sample["compute_wall_s"] > 0, sample
        assert sample["cpu_s"] > 0 and sample["compute_cpu_s"] > 0, sample
    assert len(document["warm_up"]) == 1 and document["warm_up"][0]["run"] == 0
    with only(folder, "csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    for row, sample in zip(rows, document["samples"]):
        assert {key: str(value) for key, value in sample.items() if not key.endswith("_s")} == \
            {key: value for key, value in row.items() if not key.endswith("_s")}, (row, sample)
        for key in ("wall_s", "cpu_s", "compute_wall_s", "compute_cpu_s"):
            assert float(row[key]) == sample[key], (key, row, sample)
    for one in document["summary"]:
        walls = [s["wall_s"] for s in document["samples"]
                 if (s["workers"], s["batch"]) == (one["workers"], one["batch"])]
        assert one["runs"] == 2 and one["wall_s"]["median"] == statistics.median(walls)
        assert (one["wall_s"]["min"], one["wall_s"]["max"]) == (min(walls), max(walls))
        assert (one["speed_up"] == 1) == (one["workers"] == 1), one
    assert all(len(line) <= 80 for line in shown.splitlines()[2:7]), shown
    assert len(re.findall(r"^ +[12] +(?:5|16) +2 ", shown, re.MULTILINE)) == 4, shown


@test
def a_service_is_measured_with_the_same_rows(folder):
    # Each answer is compared with the job's bytes by the command itself.
    for batching, requests in (("ray", ROWS), ("default", 13)):
        shown = windlass(*few_rows(folder), "--mode", "serve", "--replicas", 1, 2, "-b", 5,
                         "--nruns", 2, "--batching", batching, "--json").stdout
        document = json.loads(shown)
        assert (document["mode"], document["batching"]) == ("serve", batching), document
        assert [s["workers"] for s in document["samples"]] == [1, 2, 1, 2], document["samples"]
        for sample in document["samples"]:
            assert sample["rows"] == ROWS and sample["tasks"] == requests, sample
            assert 0 < sample["latency_p50_s"] <= sample["latency_p99_s"] <= sample["wall_s"]
    for flags, what in ((["--mode", "serve", "-w", 2, "--replicas", 2], "give one of them"),
                        (["--replicas", 2], "jobs take --workers"),
                        (["--mode", "serve", "--engine", "http://127.0.0.1:1"], "of the cluster")):
        refused = windlass(*few_rows(folder), *flags, check=False)
        assert refused.returncode == 2 and what in refused.stderr, refused


@test
def both_modes_are_measured_together(folder):
    shown = windlass(*few_rows(folder), "--mode", "both", "-w", 1, 2, "-b", 16, "--nruns", 2).stdout
    document = json.loads(only(folder, "json").read_text())
    assert (document["mode"], document["batching"]) == ("both", "ray"), document
    # Beside each other: a busy moment of the machine hits both.
    assert [(s["run"], s["workers"], s["mode"]) for s in document["samples"]] == \
        [(r, w, m) for r in (1, 2) for w in (1, 2) for m in ("pool", "serve")]
    assert [s["mode"] for s in document["warm_up"]] == ["pool", "serve"], document["warm_up"]
    assert [(one["mode"], one["workers"], one["runs"]) for one in document["summary"]] == \
        [("pool", 1, 2), ("pool", 2, 2), ("serve", 1, 2), ("serve", 2, 2)]
    assert all(len(line) <= 80 for line in shown.splitlines()[3:8]), shown
    assert len(re.findall(r"^(?:pool|serve) +[12] +16 +2 ", shown, re.MULTILINE)) == 4, shown
    if shutil.which("chromium") and shutil.which("chromedriver"):
        subprocess.run([sys.executable, ROOT / "tests/web/check_sweep.py", only(folder, "html")],
                       check=True, timeout=300)


@test
def nothing_is_remembered_or_left_behind(folder):
    temporary = folder / "tmp"
    temporary.mkdir()
    arguments = [*few_rows(folder), "-w", 1, "-b", 16, "--nruns", 2, "--quiet"]
    assert windlass(*arguments, env={"TMPDIR": str(temporary)}).stdout == ""
    assert list(temporary.iterdir()) == []
    jobs = json.loads(windlass("job", "list", "--json").stdout)
    assert jobs == [], jobs
    assert not (folder / "home/store").exists()


@test
def never_overwrites(folder):
    arguments = [*few_rows(folder), "-w", 1, "-b", 64, "--nruns", 1, "--warm-up", 0, "--quiet"]
    kept = {}
    for sweeps in (1, 2, 3):
        windlass(*arguments)
        assert len(files_of(folder)) == 3 * sweeps, files_of(folder)
        for name, content in kept.items():
            assert (folder / "results" / name).read_bytes() == content, name
        kept = {name: (folder / "results" / name).read_bytes() for name in files_of(folder)}


@test
def benchmark_0_runs_only_the_most_workers(folder):
    printed = windlass(*few_rows(folder), "-w", "1:3", "-b", 8, 16, "--nruns", 2, "--benchmark", 0,
                       "--json", "--quiet").stdout
    document = json.loads(printed)
    assert [(s["workers"], s["batch"]) for s in document["samples"]] == [(3, 8), (3, 16)] * 2
    assert all(one["speed_up"] is None for one in document["summary"])
    on_disk = json.loads(pathlib.Path(document["files"]["json"]).read_text())
    assert on_disk == {key: value for key, value in document.items() if key != "files"}


@test
def without_arguments_it_runs_on_the_shipped_adult(folder):
    result = subprocess.run([WINDLASS, "bench", "explain", "--nruns", "1", "-w", "1", "-b", "256"],
                            cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result
    document = json.loads(only(folder, "json").read_text())
    assert document["samples"][0]["rows"] == 2560 and document["spec"]["link"] == "logit"
    assert document["spec"]["groups"].endswith("examples/adult/groups.json"), document["spec"]
    missing = windlass("bench", "explain", check=False, env={"WINDLASS_SHARE": str(folder)})
    assert missing.returncode == 2 and "WINDLASS_SHARE" in missing.stderr, missing


@test
def an_interrupt_keeps_what_was_measured(folder):
    # The fourth block of the third run, the second that counts. A run has 64 tasks, more than the 32
    # that two workers may have in flight: however late its first task ends, blocks are left to
    # compute when the fourth is reduced, so that the run cannot end before it hears.
    arguments = [*few_rows(folder), "-w", 1, 2, "-b", 1, "--nruns", 50]
    stopped = windlass(*arguments, check=False,
                       env={"WINDLASS_SYNC_POINTS": f"explain.block@{2 * ROWS + 4}=interrupt"})
    assert stopped.returncode == 130, stopped
    assert stopped.stderr.splitlines()[-1].startswith("windlass: ") and \
        "interrupted" in stopped.stderr, stopped
    document = json.loads(only(folder, "json").read_text())
    assert [s["workers"] for s in document["samples"]] == [1], document["samples"]
    assert "interrupted" in document["stopped"]
    assert "Stopped after 1 of 100 runs." in stopped.stdout, stopped.stdout
    assert len(files_of(folder)) == 3
    # Before anything counts there is nothing to keep.
    shutil.rmtree(folder / "results")
    early = windlass(*arguments, check=False,
                     env={"WINDLASS_SYNC_POINTS": "explain.block@2=interrupt"})
    assert early.returncode == 130 and not (folder / "results").exists(), early


@test
def a_real_signal_ends_it_soon(folder):
    process = subprocess.Popen(
        [WINDLASS, *map(str, few_rows(folder)), "-w", "1", "-b", "1", "--nruns", "100000",
         "--warm-up", "0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        jobs = folder / "home/jobs"
        seen, deadline = set(), time.monotonic() + 60  # a run's record goes when it has succeeded
        while process.poll() is None and len(seen) < 5 and time.monotonic() < deadline:
            seen.update(path.name for path in jobs.glob("*"))
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, (process.returncode, err)
    assert len(json.loads(out)["samples"]) >= 3


@test
def bad_input_is_one_clear_line(folder):
    command = few_rows(folder)
    cases = [
        (["-w", "0:"], "0 is below 1"),
        (["-w", "1:"], "an end of the range is missing"),
        (["-w", "3:1"], "3 comes after 1"),
        (["-w", "-2"], "-2"),
        (["-w", "1", "-2"], "-2"),
        (["-w", "0"], "0 is below 1"),
        (["-w", "two"], "\"two\" is not a whole number"),
        (["-w", "5000"], "beyond 1024"),
        (["-w", "1:999999999999"], "beyond 1024"),
        (["-b", "0"], "--batch 0: 0 is below 1"),
        (["-b", "1:9999999"], "more than 1024 numbers"),
        (["-b", "1.5"], "is not a whole number"),
        (["--nruns", "0"], "--nruns"),
        (["--nruns", "x"], "--nruns"),
        (["--benchmark", "2"], "--benchmark"),
        (["--engine", "nowhere"], "nowhere"),
        (["--cluster", "c", "--engine", "http://127.0.0.1:1"], "leave --engine out"),
        (["--mode", "fast"], "--mode"),
        (["--engine", "local?workers=3", "-w", "1"], "leave the number of workers to -w"),
        (["--method", "magic"], "magic"),
        (["--seed", "-1"], "seed"),
        (["surplus"], "surplus"),
    ]
    for arguments, words in cases:
        result = windlass(*command, *arguments, check=False, timeout=60)
        assert result.returncode == 2, (arguments, result)
        assert words in result.stderr and result.stderr.count("\n") == 1, (arguments, result)
        assert result.stdout == "" and not (folder / "results").exists(), (arguments, result)
    missing = [folder / "none.parquet" if a == folder / "few.parquet" else a for a in command]
    absent = windlass(*missing, check=False)
    assert absent.returncode == 2 and "none.parquet" in absent.stderr, absent
    assert not (folder / "results").exists()
    half = windlass("bench", "explain", "--model", ADULT / "model.json", "--out",
                    folder / "results", check=False)
    assert half.returncode == 2 and "--background together" in half.stderr, half
    (folder / "results").write_text("a file")
    blocked = windlass(*command, check=False)
    assert blocked.returncode == 2 and "a file of that name exists" in blocked.stderr, blocked
    assert (folder / "results").read_text() == "a file"
    bare = windlass("bench", check=False)
    assert bare.returncode == 2, bare


@test
def the_page_in_a_browser(folder):
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        raise Skip("chromium and chromedriver are not installed")
    windlass(*few_rows(folder), "-w", 1, 2, 3, "-b", 4, 16, "--nruns", 3, "--quiet")
    artifacts = ["--artifacts", sys.argv[1]] if len(sys.argv) > 1 else []
    subprocess.run([sys.executable, ROOT / "tests/web/check_sweep.py", only(folder, "html"),
                    *artifacts], check=True, timeout=300)


main()
