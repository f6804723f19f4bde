"""--engine 'http://HEAD:8265?shared=s3://...': jobs of a real Ray of this machine over its Jobs API,
with results, records and what is remembered in a bucket of moto's S3 server."""

import atexit
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "invariance"),
                str(HERE.parent / "s3")]
from invariance import outputs  # noqa: E402
from ray_cluster import BIN, ENVIRONMENT, Cluster, wait_for  # noqa: E402
from rest_jobs import local, python_with, tasks  # noqa: E402
from s3_server import SECRET, environment, moto  # noqa: E402
from support import EXPLAIN_ADULT, WINDLASS, main, test  # noqa: E402
from support import windlass as command  # noqa: E402

BLOCKS = 40  # 2,560 rows by 64
PACKAGE = os.environ["PYTHONPATH"]
del os.environ["PYTHONPATH"]  # the command needs no Python, only the cluster does
os.environ["WINDLASS_PYTHON"] = "/nowhere/python"
closing = contextlib.ExitStack()
atexit.register(closing.close)
folder_of_server = pathlib.Path(closing.enter_context(
    tempfile.TemporaryDirectory(prefix="windlass-bucket-")))
port = closing.enter_context(moto(folder_of_server))
os.environ.update(environment(port))  # of the command and, with a home of its own, of the cluster
cluster = Cluster(cpus=(2,), dashboard=True, environment={
    **ENVIRONMENT, "PYTHONPATH": PACKAGE, "PATH": f"{BIN}:{os.environ['PATH']}",
    "WINDLASS_HOME": str(folder_of_server / "cluster-home")})
closing.callback(cluster.close)


def engine(shared="s3://rows/team", **options):
    options = {"shared": shared, **options}
    return cluster.url + "?" + "&".join(f"{key}={value}" for key, value in options.items())


def run(out, *more, where=None, **options):
    return command(*EXPLAIN_ADULT, "-w", 2, "-b", 64, "--engine", where or engine(), "--out", out,
                   *more, **options)


def jobs(verb, *more, where=None, **options):
    return command("job", verb, *more, "--engine", where or engine(), **options)


def keys(prefix=""):
    listed = subprocess.run(
        [pathlib.Path(os.environ["MOTO_BIN"]) / "python", "-c",
         "import boto3, sys\nfor page in boto3.client('s3', region_name='us-east-1').get_paginator("
         "'list_objects_v2').paginate(Bucket='rows', Prefix=sys.argv[1]):\n"
         "  for one in page.get('Contents', []): print(one['Key'])", prefix],
        check=True, timeout=60, capture_output=True, text=True)
    return listed.stdout.split()


def object_of(key):
    return subprocess.run(
        [pathlib.Path(os.environ["MOTO_BIN"]) / "python", "-c",
         "import boto3, sys\nsys.stdout.buffer.write(boto3.client('s3', region_name='us-east-1')"
         ".get_object(Bucket='rows', Key=sys.argv[1])['Body'].read())", key],
        check=True, timeout=60, capture_output=True).stdout


@test
def the_local_bytes_through_a_bucket(folder):
    first = run(folder / "a")
    assert "gateway" not in first.stderr, first
    assert outputs(folder / "a") == local(folder)
    assert tasks(folder / "a")["executed"] == BLOCKS, tasks(folder / "a")
    run(folder / "b")
    assert tasks(folder / "b")["recalled"] == BLOCKS, tasks(folder / "b")
    assert outputs(folder / "b") == outputs(folder / "a")
    assert not keys("team/outputs/"), "what was fetched is not kept"
    assert not list((folder_of_server / "cluster-home/outputs").glob("*/*"))
    [job] = [job["id"] for job in json.loads(command("job", "list", "--json").stdout)][:1]
    there = keys(f"team/jobs/{job}/")
    assert there == [f"team/jobs/{job}/{name}" for name in ("job.json", "log", "result.json")]
    record = json.loads(object_of(there[0]))
    assert record["state"] == "succeeded" and record["done"] == 2560, record
    assert b"succeeded in" in object_of(there[1])
    for key in keys():
        assert SECRET.encode() not in object_of(key), key
    for path in folder_of_server.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@test
def detached_listed_shown_followed_fetched_and_pruned(folder):
    hold = folder / "hold"
    python = python_with(folder, WINDLASS_SYNC_POINTS=f"explain.block@5=hold:{hold}")
    where = engine("s3://rows/detached", python=python)
    job = run(folder / "a", "--detach", where=where).stdout.strip()
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", job), job
    wait_for(hold.exists, 120, "the job's fifth block")
    plain = engine("s3://rows/detached")
    info = wait_for(
        lambda: (told := json.loads(jobs("show", job, "--json", where=plain).stdout))["done"] and
        told, 30, "its progress, from the bucket")
    assert info["state"] == "running" and 0 < info["done"] < info["total"] == 2560, info
    wait_for(lambda: f"detached/jobs/{job}/log" in keys("detached/jobs"), 30, "its log")
    early = jobs("fetch", job, where=plain, check=False)
    assert early.returncode == 2 and "has not ended yet" in early.stderr, early
    hold.unlink()
    assert jobs("wait", job, "--quiet", where=plain).returncode == 0
    listed = {told["id"]: told for told in json.loads(jobs("list", "--json", where=plain).stdout)}
    assert listed[job]["done"] == 2560, listed
    assert "Running entrypoint" in jobs("logs", "-f", job, where=plain).stdout
    jobs("fetch", job, where=plain)
    assert outputs(folder / "a") == local(folder)
    jobs("fetch", job, "--out", folder / "b", where=plain)
    assert outputs(folder / "b") == outputs(folder / "a")
    removed = json.loads(jobs("prune", "--older-than", 0, "--json", where=plain).stdout)["removed"]
    assert job in removed, removed
    assert not keys("detached/jobs") and not keys("detached/outputs")


@test
def the_driver_killed_and_run_again(folder):
    # Slow enough for what it remembers to be in the bucket before it is killed.
    hold = folder / "hold"
    points = f"driver.remembered@17=hold:{hold},driver.remembered@18=kill"
    python = python_with(folder, WINDLASS_SYNC_POINTS=points)
    process = subprocess.Popen(
        [WINDLASS, *map(str, EXPLAIN_ADULT),
         "-w", "2", "-b", "64", "--engine", engine("s3://rows/killed", python=python), "--out",
         str(folder / "a")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: hold.exists() or process.poll() is not None, 120, "its seventeenth block")
    time.sleep(2.5)
    hold.unlink()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1 and "its driver was killed by SIGKILL" in errors, errors
    run(folder / "a", where=engine("s3://rows/killed"))
    assert 16 <= tasks(folder / "a")["recalled"] <= 18, tasks(folder / "a")
    assert outputs(folder / "a") == local(folder)


@test
def a_bucket_that_does_not_serve_is_one_error_at_once(folder):
    def refused(code, *parts, where, env=None):
        begun = time.monotonic()
        got = run(folder / "a", where=where, check=False, env=env)
        assert got.returncode == code and all(part in got.stderr for part in parts), got
        assert len(got.stderr.splitlines()) == 1 and SECRET not in got.stderr, got
        assert time.monotonic() - begun < 25 and not (folder / "a").exists()

    refused(2, 's3://nowhere/x/jobs/', 'there is no bucket "nowhere"', where=engine("s3://nowhere/x"))
    refused(1, "option shared", "the server cannot be reached", where=engine(),
            env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    refused(2, "set AWS_ACCESS_KEY_ID", where=engine(),
            env={"AWS_ACCESS_KEY_ID": "", "HOME": str(folder)})
    refused(2, "is no name of a bucket", where=engine("s3://"))
    # Of the cluster alone: the job says it, and the command passes it on.
    python = python_with(folder, AWS_ACCESS_KEY_ID="", AWS_SHARED_CREDENTIALS_FILE="/nowhere")
    lacking = run(folder / "a", where=engine(python=python), check=False)
    assert lacking.returncode == 2 and "there are no credentials for s3://" in lacking.stderr, lacking
    assert not (folder / "a").exists()


main()
