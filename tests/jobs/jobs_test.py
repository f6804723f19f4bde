"""Jobs in the background: followed, stopped, awaited, killed; real processes at named places."""

import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import EXPLAIN_ADULT, WINDLASS, explain_adult, main, test, windlass  # noqa: E402

DEADLINE = 60
TASK = "engine.task.start@3"


def until(condition, what):
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {DEADLINE} s until {what}"
        time.sleep(0.005)
    return value


def start(*arguments, env=None):
    return subprocess.Popen([WINDLASS, *map(str, arguments)], env={**os.environ, **(env or {})},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process):
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def job(id):
    return json.loads(windlass("job", "show", id, "--json").stdout)


def jobs(*more):
    return json.loads(windlass("job", "list", "--json", *more).stdout)


def alive(pid):
    """A zombie is not: in a container nobody may reap it."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


class Held:
    """A detached job that waits at a sync point until it is let go; removed at the end."""

    def __init__(self, folder, *more, at=TASK, out="out"):
        self.file = folder / f"held-{out}"
        self.id = windlass(*EXPLAIN_ADULT, "-w", 1, "-b", 64, "--out", folder / out, "--detach",
                           *more, env={"WINDLASS_SYNC_POINTS": f"{at}=hold:{self.file}"}
                           ).stdout.strip()
        until(self.file.exists, "the job is at its sync point")
        self.pid = job(self.id)["process"]["pid"]

    def let_go(self):
        self.file.unlink()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.unlink(missing_ok=True)
        windlass("job", "stop", self.id, "--timeout", 5)


@test
def a_detached_job_is_on_its_own(folder):
    with Held(folder) as held:
        assert os.getsid(held.pid) != os.getsid(0)
        assert os.readlink(f"/proc/{held.pid}/fd/0") == "/dev/null"
        for descriptor in (1, 2):
            assert os.readlink(f"/proc/{held.pid}/fd/{descriptor}").endswith(f"{held.id}/log")
        assert os.readlink(f"/proc/{held.pid}/cwd") == os.getcwd()
        shown = job(held.id)
        assert shown["state"] == "running" and shown["exit_code"] is None, shown
        assert jobs("--state", "running")[0]["id"] == held.id
        held.let_go()
        assert windlass("job", "wait", held.id).stdout == f"Job {held.id} succeeded.\n"
    windlass(*EXPLAIN_ADULT, "-b", 64, "--no-memo", "--out", folder / "whole")
    for name in ("attributions.parquet", "summary.json", "report.html"):
        assert (folder / "out" / name).read_bytes() == (folder / "whole" / name).read_bytes(), name


@test
def closing_the_terminal_does_not_end_it(folder):
    held = folder / "held"
    child, terminal = pty.fork()
    if child == 0:
        os.environ["WINDLASS_SYNC_POINTS"] = f"{TASK}=hold:{held}"
        os.execv("/bin/sh", ["sh", "-c", '"$@"; exec sleep 600', "sh", WINDLASS,
                             *map(str, EXPLAIN_ADULT), "-w", "1", "--out", str(folder / "out"),
                             "--detach"])
    until(held.exists, "the job is at its sync point")
    id = until(lambda: jobs() and jobs()[0]["id"], "there is a job")
    os.close(terminal)  # the kernel hangs up
    os.waitpid(child, 0)
    held.unlink()
    windlass("job", "wait", id)


@test
def bad_input_is_told_at_once(folder):
    bad = start(*explain_adult(link="logi"), "--detach", "--out", folder / "out")
    code, out, err = end(bad)
    assert code == 2 and not out and 'did you mean "logit"' in err, err
    assert jobs() == []
    for arguments, message in ((explain_adult(data="nothing.csv"), "there is no such file"),
                               ([*EXPLAIN_ADULT, "--engine", "locl"], "did you mean")):
        code, out, err = end(start(*arguments, "--detach", "--out", folder / "out"))
        assert code == 2 and not out and message in err, (code, err)
        assert jobs()[0]["state"] == "failed" and not jobs()[0]["resumable"]
        assert windlass("job", "wait", jobs()[0]["id"], check=False).returncode == 2


@test
def a_log_is_followed_to_its_end(folder):
    with Held(folder) as held:
        follower = start("job", "logs", "-f", held.id)
        first = follower.stdout.readline()
        assert "begins" in first, first
        held.let_go()
        code, rest, err = end(follower)
        assert code == 0 and not err, err
        whole = windlass("job", "logs", held.id).stdout
        assert first + rest == whole and "Report: " in whole and "succeeded" in whole, whole
    with Held(folder, "--no-memo", out="killed") as held:
        follower = start("job", "logs", "-f", held.id)
        assert "begins" in follower.stdout.readline()
        os.kill(held.pid, signal.SIGKILL)
        assert end(follower)[0] == 1


@test
def a_stopped_job_goes_on_when_run_again(folder):
    with Held(folder) as held:
        stopped = windlass("job", "stop", held.id)
        assert stopped.stdout == f"Job {held.id} was stopped.\n"
        assert "had already ended: cancelled" in windlass("job", "stop", held.id).stdout
        shown = job(held.id)
        assert shown["state"] == "cancelled" and shown["resumable"], shown
        assert windlass("job", "wait", held.id, check=False).returncode == 130
        assert not (folder / "out").exists()
    last = held.id
    for restarts in (1, 2):
        windlass("run", "--job", last, "--quiet", "--detach")
        again = jobs()[0]["id"]
        windlass("job", "wait", again)
        shown = job(again)
        assert shown["restarts"] == restarts and shown["restart_of"] == last, shown
        last = again
    tasks = json.loads((folder / "out" / "run.json").read_text())["tasks"]
    assert tasks["executed"] == 0, tasks  # with the first job's -b, so all is remembered


@test
def a_job_that_does_not_stop_is_killed(folder):
    with Held(folder) as held:
        os.kill(held.pid, signal.SIGSTOP)
        stopped = json.loads(windlass("job", "stop", held.id, "--timeout", 0.2, "--json").stdout)
        assert stopped["forced"] and stopped["state"] == "cancelled", stopped
        assert "asked to stop" in stopped["error"] and "SIGKILL" in stopped["error"], stopped
        until(lambda: not alive(held.pid), "its process is gone")


@test
def many_may_stop_it_at_once(folder):
    with Held(folder) as held:
        stops = [start("job", "stop", held.id) for _ in range(4)]
        assert [end(process)[0] for process in stops] == [0] * 4
        assert job(held.id)["error"] == "interrupted"  # by one signal: it could tidy up


@test
def a_job_is_stopped_before_it_begins(folder):
    held = folder / "held"
    begun = start(*EXPLAIN_ADULT, "--out", folder / "out", "--detach",
                  env={"WINDLASS_SYNC_POINTS": f"job.start=hold:{held}"})
    until(held.exists, "the job is at its sync point")
    id = jobs("--state", "pending")[0]["id"]
    assert "its process to start" in windlass("job", "show", id).stdout
    stop = start("job", "stop", id)
    until(lambda: (pathlib.Path(os.environ["WINDLASS_HOME"]) / "jobs" / id / "stop").exists(),
          "the wish is written down")
    held.unlink()
    assert end(stop)[0] == 0
    code, out, err = end(begun)
    assert code == 130 and not out and "asked to stop" in err, (code, out, err)


@test
def a_killed_job_says_by_what(folder):
    with Held(folder) as held:
        os.kill(held.pid, signal.SIGKILL)
        assert windlass("job", "wait", held.id, check=False).returncode == 1
        shown = windlass("job", "show", held.id).stdout
        assert "its process was killed by SIGKILL (out of memory?) at " in shown, shown
    with Held(folder, "--no-memo", out="both") as held:
        os.kill(parent(held.pid), signal.SIGKILL)  # the one that would have said so
        assert job(held.id)["state"] == "running"
        os.kill(held.pid, signal.SIGKILL)
        until(lambda: job(held.id)["state"] == "died", "the job has died")
        assert "ended without a word at " in job(held.id)["error"], job(held.id)
    listed = jobs()
    assert [j["state"] for j in listed] == ["died", "died"] and listed[0]["resumable"], listed


@test
def its_watcher_passes_signals_on(folder):
    with Held(folder) as held:
        os.kill(parent(held.pid), signal.SIGTERM)
        assert windlass("job", "wait", held.id, check=False).returncode == 130


@test
def waiting_has_an_end(folder):
    with Held(folder) as held:
        late = windlass("job", "wait", held.id, "--timeout", 0.1, check=False)
        assert late.returncode == 1 and "has not ended within 0.1 s" in late.stderr, late
        again = windlass("run", "--job", held.id, check=False)
        assert again.returncode == 2 and "has not ended yet" in again.stderr, again
        waiting = start("job", "wait", held.id, "--quiet")
        waiting.send_signal(signal.SIGINT)
        until(lambda: waiting.poll() is not None, "waiting was interrupted")
        assert waiting.returncode in (130, -signal.SIGINT), waiting.returncode
        assert job(held.id)["state"] == "running"


@test
def a_foreground_job_is_stopped_from_elsewhere(folder):
    held = folder / "held"
    running = start(*EXPLAIN_ADULT, "-w", 1, "--out", folder / "out",
                    env={"WINDLASS_SYNC_POINTS": f"{TASK}=hold:{held}"})
    until(held.exists, "the job is at its sync point")
    id = jobs()[0]["id"]
    windlass("job", "stop", id)
    assert end(running)[0] == 130
    assert job(id)["state"] == "cancelled"


main()
