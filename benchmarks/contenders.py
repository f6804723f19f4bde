"""How each side of a benchmark is run: one call, one process, one sample.

A sample is a dict: `rows` (units of work), `wall_s` and `cpu_s` (from loaded model and tables to
results in memory, as the process itself measured), `command_wall_s`, `command_cpu_s` and
`command_rss_mib` (the whole process, as the operating system accounts for it), and what else the
process told.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
ADULT = ROOT / "examples" / "adult"
ENVIRONMENTS = HERE / ".envs"
DATA = HERE / ".data"

# These change which kernels a peer's linear algebra uses, or how it blocks.
SCRUBBED = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_VERBOSE", "MKL_CBWR"]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
DEADLINE_S = 3600


class Failure(Exception):
    """A process that did not do its work; the message says which, and its last words."""


def spawn(command, environment=None, folder=None):
    """Runs a command to its end. Returns (standard output, sample of the whole process)."""
    env = {key: value for key, value in os.environ.items() if key not in SCRUBBED}
    env |= environment or {}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], env=env, cwd=folder,
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        watchdog = threading.Timer(DEADLINE_S, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            last = err.read().decode(errors="replace").strip().splitlines()[-3:]
            raise Failure(f"{' '.join(str(part) for part in command)}: exit code "
                          f"{process.returncode}: {' | '.join(last)}")
        sample = {"command_wall_s": wall, "command_cpu_s": usage.ru_utime + usage.ru_stime,
                  "command_rss_mib": usage.ru_maxrss / 1024}
        return out.read().decode(), sample


def last_json(text, command):
    lines = text.strip().splitlines()
    if not lines:
        raise Failure(f"{command}: printed nothing; a line of JSON was expected")
    return json.loads(lines[-1])


def adult_like(rows):
    """The Adult job's rows where they are enough, else a made file of exactly `rows` rows."""
    if rows == 2560:
        return ADULT / "adult.parquet"
    path, program = DATA / f"adult_{rows}.parquet", HERE / "make_rows.py"
    if not path.exists() or path.stat().st_mtime < program.stat().st_mtime:
        DATA.mkdir(exist_ok=True)
        spawn([python_of("numpy_exact"), program, rows, path])
    return path


def tree_file(name):
    """A file that make_trees.py makes, all of them at once."""
    program, made = HERE / "make_trees.py", DATA / "trees" / "made.json"
    if not made.exists() or made.stat().st_mtime < program.stat().st_mtime:
        spawn([python_of("xgboost320"), program, made.parent], ONE_THREAD)
    return made.parent / name


def python_of(peer):
    path = ENVIRONMENTS / peer / "bin" / "python"
    if not path.exists():
        raise Failure(f"no environment for {peer}: run benchmarks/setup_peers.sh {peer}")
    return path


@dataclasses.dataclass
class Context:
    """One repetition: its index, which is also the seed, and an empty folder, thrown away."""

    windlass: pathlib.Path
    programs: pathlib.Path  # folder of store_100k and arrow_start
    repetition: int
    folder: pathlib.Path
    keep: pathlib.Path | None  # attributions that are compared afterwards; None: they are not
    quick: bool

    def kept(self, name):
        """Where a repetition's attributions stay, or None."""
        return self.keep and self.keep / name


@dataclasses.dataclass
class Adult:
    """The Adult job, or rows like its own."""

    model: str = "linear:model.json"
    output: str = "attributions.parquet"

    def arguments(self, rows):
        kind, location = self.model.split(":", 1)
        return ["--model", f"{kind}:{ADULT / location}", "--data", adult_like(rows),
                "--background", ADULT / "background.parquet", "--groups", ADULT / "groups.json",
                "--link", "logit"]

    def job(self, data_rows):
        return {"data": str(adult_like(data_rows))}


@dataclasses.dataclass
class Trees:
    """Trees of XGBoost in margin: see make_trees.py."""

    model: str = "trees_100x6"
    mode: str = "interventional"
    interactions: bool = False

    @property
    def output(self):
        return "interactions.parquet" if self.interactions else "attributions.parquet"

    def arguments(self, rows):
        mode = (["--tree-mode", "path"] if self.mode == "path"
                else ["--background", tree_file("background.parquet")])
        return ["--model", f"xgboost:{tree_file(self.model + '.ubj')}",
                "--data", tree_file(f"rows_{rows}.parquet"), "--output", "margin", *mode,
                *(["--interactions", "2"] if self.interactions else [])]

    def job(self, data_rows):
        return {"data": str(tree_file(f"rows_{data_rows}.parquet")),
                "background": str(tree_file("background.parquet")),
                "model": str(tree_file(self.model + ".ubj")), "mode": self.mode,
                "interactions": self.interactions}


@dataclasses.dataclass
class Peer:
    """A peer's runner under peers/NAME, given a job (see peers/protocol.py). It explains the first
    `rows` of a file of `data_rows`."""

    name: str
    rows: int
    quick_rows: int
    data_rows: int = 2560
    quick_data_rows: int = 2560
    metric: str = "wall_s"
    what: Adult | Trees = dataclasses.field(default_factory=Adult)
    program: str = "run.py"

    def run(self, context):
        rows = self.quick_rows if context.quick else self.rows
        data_rows = self.quick_data_rows if context.quick else self.data_rows
        saved = context.kept(f"{self.name}-{context.repetition}.npz")
        job = {"rows": rows, "seed": context.repetition, "threads": 1, "reference": False,
               "save": saved and str(saved)} | self.what.job(data_rows)
        command = [python_of(self.name), HERE / "peers" / self.name / self.program,
                   json.dumps(job)]
        text, sample = spawn(command, ONE_THREAD)
        return sample | last_json(text, self.name) | {"attributions": saved and str(saved)}


def windlass_sample(folder):
    """What `windlass explain --out folder` tells. The one place that knows its keys."""
    timings = json.loads((folder / "run.json").read_text())["timings"]
    summary = json.loads((folder / "summary.json").read_text())
    return {"wall_s": timings["compute_wall_s"], "cpu_s": timings["compute_cpu_s"],
            "timings": timings, "method": summary.get("method"),
            "evaluations": summary.get("model_evaluations")}


@dataclasses.dataclass
class Explain:
    """`windlass explain`, with an empty WINDLASS_HOME."""

    rows: int
    quick_rows: int
    what: Adult | Trees = dataclasses.field(default_factory=Adult)
    options: tuple = ("-w", "1")
    metric: str = "wall_s"
    name: str = "windlass"

    def run(self, context):
        rows = self.quick_rows if context.quick else self.rows
        out = context.folder / "out"
        options = [option.replace("SEED", str(context.repetition)) for option in self.options]
        _, sample = spawn(
            [context.windlass, "explain", *self.what.arguments(rows), *options, "--out", out,
             "--quiet"],
            {"WINDLASS_HOME": str(context.folder / "home")})
        saved = context.kept(f"{self.name}-{context.repetition}.parquet")
        if saved:
            shutil.move(out / self.what.output, saved)
        return sample | {"rows": rows, "attributions": saved and str(saved)} | windlass_sample(out)


@dataclasses.dataclass
class Command:
    """A command of which only the whole is measured."""

    name: str
    arguments: tuple  # WINDLASS and PROGRAMS stand for their paths
    rows: int = 1
    metric: str = "command_wall_s"

    def run(self, context):
        places = {"WINDLASS": str(context.windlass), "PROGRAMS": str(context.programs)}
        parts = [argument.partition("/") for argument in self.arguments]
        command = [places.get(head, head) + slash + tail for head, slash, tail in parts]
        _, sample = spawn(command, {"WINDLASS_HOME": str(context.folder / "home")})
        return sample | {"rows": self.rows}


@dataclasses.dataclass
class StoreHalf:
    """store_100k, of which one half counts: "put" or "lookup"."""

    half: str
    rows: int = 100_000
    quick_rows: int = 1000
    metric: str = "wall_s"

    @property
    def name(self):
        return self.half

    def run(self, context):
        rows = self.quick_rows if context.quick else self.rows
        text, sample = spawn([context.programs / "store_100k", context.folder / "home", rows])
        found = last_json(text, "store_100k")
        return sample | {"rows": rows, "wall_s": found[f"{self.half}_wall_s"],
                         "cpu_s": found[f"{self.half}_cpu_s"]}


@dataclasses.dataclass
class FmaLoop:
    """The control: fused multiply-adds on so many threads."""

    threads: int
    rows: int = 3_000_000_000  # rounds
    quick_rows: int = 30_000_000
    metric: str = "wall_s"

    @property
    def name(self):
        return f"fma_{self.threads}"

    def run(self, context):
        program = compile_fma_loop()
        rounds = self.quick_rows if context.quick else self.rows
        text, sample = spawn([program, self.threads, rounds])
        return sample | last_json(text, "fma_loop") | {"rows": rounds}


def compile_fma_loop():
    source, program = HERE / "fma_loop.c", DATA / "fma_loop"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        DATA.mkdir(exist_ok=True)
        spawn(["cc", "-O3", "-march=native", "-ffp-contract=fast", "-pthread", source, "-o",
               program])
    return program
