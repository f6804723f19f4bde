"""A killed job goes on where it was: the resumed run executes exactly the missing tasks."""

import json
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import EXPLAIN_ADULT, WINDLASS, main, test, windlass  # noqa: E402

BLOCKS = 40  # 2,560 rows by 64


def run(out, *more, **options):
    return windlass(*EXPLAIN_ADULT, "-w", 2, "-b", 64, "--out", out, *more, **options)


def tasks(out):
    return json.loads((out / "run.json").read_text())["tasks"]


@test
def killed_in_a_middle_block(folder):
    for remembered in (1, 17, 39):
        home = {"WINDLASS_HOME": str(folder / f"home{remembered}")}
        out = folder / f"out{remembered}"
        killed = run(out, check=False,
                     env={**home, "WINDLASS_SYNC_POINTS": f"driver.remembered@{remembered}=kill"})
        assert killed.returncode == -signal.SIGKILL, killed
        assert not (out / "summary.json").exists() and not (out / "attributions.parquet").exists()
        jobs = json.loads(windlass("job", "list", "--json", env=home).stdout)
        assert [j["state"] for j in jobs] == ["died"] and jobs[0]["resumable"], jobs
        run(out, "--resume", env=home)
        counts = tasks(out)
        assert counts["total"] == BLOCKS and counts["recalled"] == remembered, counts
        assert counts["executed"] == BLOCKS - remembered, counts
        whole = folder / f"whole{remembered}"
        run(whole, "--no-memo")
        for name in ("attributions.parquet", "summary.json", "report.html"):
            assert (out / name).read_bytes() == (whole / name).read_bytes(), name


@test
def a_second_identical_run_executes_nothing(folder):
    run(folder / "a")
    run(folder / "b")
    assert tasks(folder / "a")["executed"] == BLOCKS
    assert tasks(folder / "b") | {"cpu_s": 0, "wall_s": 0} == {
        "total": BLOCKS, "executed": 0, "recalled": BLOCKS, "cpu_s": 0, "wall_s": 0}


@test
def a_job_can_be_run_again_by_its_id(folder):
    run(folder / "a", check=False, env={"WINDLASS_SYNC_POINTS": "driver.remembered@9=kill"})
    job = json.loads(windlass("job", "list", "--json").stdout)[0]
    windlass("run", "--job", job["id"], "--quiet", "-b", 64)
    assert tasks(folder / "a")["recalled"] == 9


@test
def an_interrupt_stops_soon_and_loses_nothing(folder):
    begun = time.monotonic()
    process = subprocess.run(
        [WINDLASS, *map(str, EXPLAIN_ADULT), "-w", "2", "-b", "1", "--out", str(folder / "a")],
        env={**__import__("os").environ, "WINDLASS_SYNC_POINTS": "driver.remembered@300=interrupt"},
        capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 130, process
    assert "interrupted" in process.stderr
    assert not (folder / "a").exists(), list((folder / "a").iterdir())
    job = json.loads(windlass("job", "list", "--json").stdout)[0]
    assert job["state"] == "cancelled" and job["resumable"]
    windlass(*EXPLAIN_ADULT, "-w", 2, "-b", 1, "--out", folder / "a")
    assert tasks(folder / "a")["recalled"] >= 300
    assert time.monotonic() - begun < 60


@test
def two_processes_share_one_store(folder):
    processes = [
        subprocess.Popen([WINDLASS, *map(str, EXPLAIN_ADULT), "-b", "5", "--out",
                          str(folder / f"o{i}")]) for i in range(3)]
    assert [p.wait(timeout=120) for p in processes] == [0, 0, 0]
    contents = {(folder / f"o{i}" / "attributions.parquet").read_bytes() for i in range(3)}
    assert len(contents) == 1
    report = json.loads(windlass("store", "verify", "--json").stdout)
    assert report["faults"] == [] and report["memo_entries_checked"] >= 512, report


main()
