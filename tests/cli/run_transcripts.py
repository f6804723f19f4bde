"""Runs every *.transcript beside this file: what a user types, and what then appears.

    $ windlass store stat            a command, run by bash in a folder of its own that holds the
    folder  {*}                      Adult example under adult/; then its standard output,
    ! windlass: error                its standard error behind "! ",
    ? 2                              and its exit code unless that is 0.

The files of small/ lie there too, with small-job, the quickest job there is, as a command.

{*} stands for any text within a line, {**} alone on a line for any number of lines. Lines that
begin with # are comments. State (WINDLASS_HOME, files) lasts for one transcript.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import ADULT, ROOT, WINDLASS, Skip, main, test  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent


def steps_of(path):
    steps = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("$ "):
            steps.append({"line": number, "command": line[2:], "out": [], "err": [], "code": 0})
        elif line.startswith("#") or (not line and not steps):
            continue
        elif line.startswith("! "):
            steps[-1]["err"].append(line[2:])
        elif line.startswith("? "):
            steps[-1]["code"] = int(line[2:])
        else:
            steps[-1]["out"].append(line)
    for step in steps:
        while step["out"] and not step["out"][-1]:
            step["out"].pop()  # blank lines between steps
    return steps


def pattern_of(lines):
    parts = [r"(?:.*\n)*?" if line == "{**}" else
             r"[^\n]*".join(re.escape(part) for part in line.split("{*}")) + r"\n"
             for line in lines]
    return re.compile("".join(parts))


def check(path, folder):
    shutil.copytree(ADULT, folder / "adult")
    shutil.copytree(HERE / "small", folder, dirs_exist_ok=True)
    (folder / "trees").symlink_to(ROOT / "tests/peers/data/trees")
    (folder / "bin").mkdir()
    shutil.move(folder / "small-job", folder / "bin")
    (folder / "bin/windlass").symlink_to(WINDLASS)
    env = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "TZ": "UTC", "LC_ALL": "C"}
    for step in steps_of(path):
        got = subprocess.run(["bash", "-c", step["command"]], cwd=folder, env=env, text=True,
                             capture_output=True, timeout=120, check=False)
        where = f"{path.name}:{step['line']}: $ {step['command']}"
        for name, text in (("out", got.stdout), ("err", got.stderr)):
            if text and not text.endswith("\n"):
                text += "\n"
            if name == "out":
                text = text.rstrip("\n") + "\n" if text.strip() else ""
            assert pattern_of(step[name]).fullmatch(text), \
                f"{where}\nstandard {name}put was:\n{text}\nwanted:\n" + "\n".join(step[name])
        assert got.returncode == step["code"], f"{where}\nexit code {got.returncode}, wanted {step['code']}"


@test
def full_disk(folder):
    """The small job onto a file system of 64 KiB, then with its home on one."""
    mount = "mount -t tmpfs -o size=64k none {}"
    (folder / "disk").mkdir()
    probe = subprocess.run(["unshare", "-rm", "sh", "-c", mount.format("disk")], cwd=folder,
                           capture_output=True, check=False)
    if probe.returncode != 0:
        raise Skip("no file system can be mounted here")
    shutil.copytree(HERE / "small", folder, dirs_exist_ok=True)
    job = (f"{WINDLASS} explain --model model.json --data data.csv --background background.csv "
           "--quiet --out ")
    for script in (f"{job} disk/out; code=$?; ls -A disk; exit $code",
                   f"WINDLASS_HOME=disk/home; export WINDLASS_HOME; dd if=/dev/zero of=disk/fill "
                   f"bs=1k count=60 2>/dev/null; {job} out; code=$?; ls -A out; exit $code"):
        got = subprocess.run(["unshare", "-rm", "bash", "-c", f"{mount.format('disk')}; {script}"],
                             cwd=folder, text=True, capture_output=True, timeout=120, check=False)
        errors = [line for line in got.stderr.splitlines() if not line.startswith("ls: ")]
        assert got.returncode == 1 and not got.stdout, got
        assert len(errors) == 1 and "No space left on device" in errors[0], got


for transcript in sorted(HERE.glob("*.transcript")):
    def run(folder, transcript=transcript):
        check(transcript, folder)
    run.__name__ = transcript.stem
    test(run)
main()
