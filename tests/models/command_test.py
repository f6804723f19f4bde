"""Models that are programs: the whole command. What a program may do wrong is in command_test.cc."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from small_job import tasks, values  # noqa: E402
from support import ROOT, WINDLASS, main, test, windlass  # noqa: E402

SMALL = ROOT / "tests/cli/small"
PATIENT = 30


def arguments(model, out, *more):
    return ["explain", "--model", model, "--data", SMALL / "data.csv", "--background",
            SMALL / "background.csv", "--method", "exact", "--quiet", "-b", "1", "--out", out, *more]


def explain(model, out, *more, **options):
    return windlass(*arguments(model, out, *more), **options)


def wait_for(condition):
    deadline = time.monotonic() + PATIENT
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return result


@test
def plan_measures_a_program(folder):
    model = f"command:python3 {HERE / 'logistic_program.py'}"
    told = windlass("explain", "plan", "--model", model, "--data", SMALL / "data.csv",
                    "--background", SMALL / "background.csv", "--json")
    assert json.loads(told.stdout)["measured"]["rows"] > 0, told.stdout


@test
def a_program_gives_the_values_of_the_local_model(folder):
    explain(f"{SMALL / 'model.json'}?opaque=1", folder / "local")
    explain(f"command:python3 {HERE / 'logistic_program.py'}", folder / "out")
    for one, two in zip(values(folder / "out"), values(folder / "local"), strict=True):
        assert all(abs(a - b) < 1e-12 for a, b in zip(one, two, strict=True)), (one, two)
    summary = json.loads((folder / "out/summary.json").read_text())
    assert [o["output"] for o in summary["outputs"]] == ["yes"]


@test
def a_program_counts_by_its_content_and_by_what_it_predicts(folder):
    program = folder / "my model.py"
    shutil.copy(HERE / "logistic_program.py", program)
    model = f"command:python3 '{program}'"
    explain(model, folder / "one")
    explain(model + "?timeout=99&processes=1", folder / "two")
    assert tasks(folder / "two") == (0, 3)
    moved = folder / "moved.py"
    program.rename(moved)
    explain(f"command:python3 {moved}", folder / "three")
    assert tasks(folder / "three") == (0, 3)
    moved.write_text(moved.read_text() + "# changed\n")
    explain(f"command:python3 {moved}", folder / "four")
    assert tasks(folder / "four") == (3, 0)
    # The same file, but it reads another one that nobody mentioned.
    reader = folder / "reader.py"
    reader.write_text(moved.read_text().replace(
        "COEF, INTERCEPT = (0.5, -0.25, 1.0), 0.125",
        f"COEF, INTERCEPT = (0.5, -0.25, 1.0), float(open({str(folder / 'b')!r}).read())"))
    for intercept in ("0.125", "0.126"):
        (folder / "b").write_text(intercept)
        explain(f"command:python3 {reader}", folder / intercept)
        assert tasks(folder / intercept) == (3, 0)


@test
def a_program_that_ends_half_way_costs_only_what_is_missing(folder):
    model = f"command:python3 {HERE / 'logistic_program.py'}"
    got = explain(model, folder / "out", "-w", "1", check=False, env={"LOGISTIC_BATCHES": "2"})
    # The background and the first row were answered.
    lines = got.stderr.splitlines()
    assert got.returncode == 1 and len(lines) == 1, got
    assert "it exited with status 1, saying: the licence has run out" in lines[0], lines
    assert lines[0].endswith("; what was finished is kept: the same command goes on from there")
    explain(model, folder / "out")
    assert tasks(folder / "out") == (2, 1), tasks(folder / "out")


@test
def a_program_that_answers_otherwise_is_explained_with_a_note(folder):
    program = folder / "noisy.py"
    program.write_text((HERE / "logistic_program.py").read_text().replace(
        "+ INTERCEPT for", "+ INTERCEPT + number % 2 for"))
    note = "the model gave different answers for the same rows (up to "
    told = explain(f"command:python3 {program}", folder / "noisy", "-w", "1").stdout
    assert told == "", told  # --quiet
    command = [a for a in arguments(f"command:python3 {program}", folder / "loud") if a != "--quiet"]
    told = windlass(*command).stdout
    assert f"Note: {note}" in told and "not reproducible." in " ".join(told.split()), told
    notes = json.loads((folder / "noisy/summary.json").read_text())["notes"]
    assert len(notes) == 1 and notes[0].startswith(note), notes
    assert note in (folder / "noisy/report.html").read_text()
    explain(f"command:python3 {HERE / 'logistic_program.py'}", folder / "steady")
    assert json.loads((folder / "steady/summary.json").read_text())["notes"] == []


@test
def nothing_is_left_running(folder):
    seconds = str(1000 + os.getpid())  # known by their arguments
    stuck = f"command:sleep {seconds}"

    def running():
        found = subprocess.run(["pgrep", "-f", f"^sleep {seconds}$"], capture_output=True,
                               check=False)
        return found.stdout != b""

    for number in (signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen([WINDLASS, *map(str, arguments(stuck, folder / "out"))],
                                   stderr=subprocess.DEVNULL)
        wait_for(running)
        process.send_signal(number)
        assert process.wait(PATIENT) == (130 if number == signal.SIGINT else -signal.SIGKILL)
        wait_for(lambda: not running())


main()
