"""Tables and the store on s3://, with moto's server on 127.0.0.1 (`make test-s3` sets it up).

The Adult job from a bucket gives the bytes that local files give, and one with its store in a
bucket goes on from what is remembered there. A missing bucket or file, refused access and a server
that is down or says nothing each give one line; no secret is kept anywhere.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from s3_server import SECRET, environment, free_port, moto, user_who_may  # noqa: E402
from support import ADULT, explain_adult, main, test, windlass  # noqa: E402

TABLES = [ADULT / "adult.parquet", ADULT / "background.parquet"]
BLOCKS = 40  # 2,560 rows by 64


@contextlib.contextmanager
def answering(answer):
    """A server that gives every request the same answer; None: it takes them and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)

        def serve(client):
            with contextlib.suppress(OSError), client:
                while client.recv(65536):
                    if answer is not None:
                        client.sendall(answer)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def refused(folder, port, data, code, *parts, within=20):
    begun = time.monotonic()
    got = windlass(*explain_adult(data=data), "--out", folder / "out", check=False,
                   env=environment(port))
    took = time.monotonic() - begun
    lines = got.stderr.splitlines()
    assert got.returncode == code and len(lines) == 1, got
    assert all(part in lines[0] for part in (data, *parts)), lines[0]
    assert took < within, f"{took:.1f} s: {lines[0]}"
    assert not (folder / "out").exists()
    no_secret(folder)


def no_secret(folder, secret=SECRET):
    for path in folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def with_store(out, env, *more, store="s3://rows/team/store", **options):
    return windlass(*explain_adult(), "-b", 64, "--out", out, *more,
                    env={**env, "WINDLASS_STORE": store}, **options)


def tasks(out):
    return json.loads((out / "run.json").read_text())["tasks"]


def attributions(out):
    return (out / "attributions.parquet").read_bytes()


@test
def a_bucket_gives_the_bytes_of_local_files(folder):
    windlass(*explain_adult(), "--no-memo", "--out", folder / "local")
    with moto(folder, *TABLES) as port:
        windlass(*explain_adult(data="s3://rows/adult/adult.parquet",
                                background="s3://rows/adult/background.parquet"),
                 "--out", folder / "remote", env=environment(port))
        here = f"?endpoint_override=127.0.0.1:{port}&scheme=http"
        keys = {k: v for k, v in environment(port).items() if "ENDPOINT" not in k}
        windlass(*explain_adult(data="s3://rows/adult/adult.parquet" + here),
                 "--out", folder / "query", env=keys)
        local = (folder / "local/attributions.parquet").read_bytes()
        for name in ("remote", "query"):
            assert (folder / name / "attributions.parquet").read_bytes() == local, name
        no_secret(folder)
        refused(folder, port, "s3://rows/adult/none.parquet", 2, "there is no such file")
        refused(folder, port, "s3://nowhere/adult.parquet", 2, 'there is no bucket "nowhere"')
        refused(folder, port, "s3://rows//adult.parquet", 2, "Empty path component")


@test
def a_server_that_fails_is_named_as_such(folder):
    data = "s3://rows/adult.parquet"
    empty = "HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n"
    refused(folder, free_port(), data, 1, "the server cannot be reached")
    for status, words in ((403, "the server refuses access"), (301, "set AWS_REGION"),
                          (500, "the server failed: UNKNOWN (HTTP status 500)")):
        with answering(empty.format(status).encode()) as port:
            refused(folder, port, data, 1, words)


@test
def a_server_that_says_nothing_is_given_up(folder):
    with answering(None) as port:
        refused(folder, port, "s3://rows/adult.parquet", 1, "no answer within 30 s", within=40)


@test
def an_address_with_a_secret_is_refused(folder):
    for address in (f"s3://rows/a.csv?secret_key={SECRET}",
                    f"s3://rows/a.csv?endpoint_override=http://me:{SECRET}@127.0.0.1"):
        got = windlass(*explain_adult(data=address), "--out", folder / "out", check=False)
        assert got.returncode == 2 and "holds a password" in got.stderr, got
        assert SECRET not in got.stderr
    no_secret(folder)


@test
def a_store_in_a_bucket_remembers(folder):
    windlass(*explain_adult(), "-b", 64, "--no-memo", "--out", folder / "local")
    with moto(folder) as port:
        env = environment(port)
        with_store(folder / "a", env)
        assert tasks(folder / "a")["executed"] == BLOCKS, tasks(folder / "a")
        with_store(folder / "b", env)
        assert tasks(folder / "b")["recalled"] == BLOCKS, tasks(folder / "b")
        assert attributions(folder / "a") == attributions(folder / "b") == attributions(
            folder / "local")
        store = {**env, "WINDLASS_STORE": "s3://rows/team/store"}
        stat = json.loads(windlass("store", "stat", "--json", env=store).stdout)
        assert stat["memo_entries"] == BLOCKS, stat
        told = windlass("store", "stat", env=store).stdout
        assert "s3://rows/team/store" in told, told
        assert "no fault" in windlass("store", "verify", env=store).stdout
        kept = json.loads(windlass("store", "gc", "--limit", 0, "--json", env=store).stdout)
        assert kept["memo_entries_removed"] == 0, "used within the week"
        time.sleep(2.1)  # times are of whole seconds
        gone = json.loads(windlass("store", "gc", "--limit", 0, "--unused-for", "1s", "--json",
                                   env=store).stdout)
        assert gone["memo_entries_removed"] == BLOCKS, gone
        with_store(folder / "c", env)
        assert tasks(folder / "c")["executed"] == BLOCKS, tasks(folder / "c")
        assert not (folder / "home/store").exists()
        no_secret(folder)


@test
def the_tests_of_the_store_hold_in_a_bucket(folder):
    with moto(folder) as port:
        got = subprocess.run([os.environ["STORE_TEST"], "--gtest_filter=*Bucket*"], check=False,
                             capture_output=True, text=True, timeout=600,
                             env={**os.environ, **environment(port),
                                  "WINDLASS_TEST_BUCKET": "s3://rows"})
        assert got.returncode == 0 and "SKIPPED" not in got.stdout, got.stdout


@test
def a_killed_job_goes_on_from_the_bucket(folder):
    windlass(*explain_adult(), "-b", 64, "--no-memo", "--out", folder / "local")
    with moto(folder) as port:
        env = environment(port)
        hold = folder / "hold"
        for number, point in enumerate(("store.bucket.segment@2=kill", "store.bucket.put@2=kill")):
            store = f"s3://rows/killed{number}"
            # The twentieth block waits, so that there is a second put to be killed at.
            points = f"driver.remembered@20=hold:{hold},{point}"
            dead = with_store(folder / "dead", {**env, "WINDLASS_SYNC_POINTS": points},
                              store=store, check=False)
            assert dead.returncode == -9, dead
            assert not (folder / "dead/run.json").exists()
            hold.unlink(missing_ok=True)
            assert "no fault" in windlass("store", "verify",
                                          env={**env, "WINDLASS_STORE": store}).stdout
            out = folder / f"again{number}"
            with_store(out, env, store=store)
            assert 0 < tasks(out)["recalled"] <= 20, tasks(out)
            assert attributions(out) == attributions(folder / "local")


@test
def a_store_that_may_not_be_written_is_one_error(folder):
    with moto(folder) as port:
        # moto refuses every signed list of a prefix with a slash, boto3's as well; what comes
        # before the first list is checked.
        reader = user_who_may(port, "s3:GetObject", "s3:ListBucket")
        got = with_store(folder / "a", reader, check=False)
        assert got.returncode == 1 and len(got.stderr.splitlines()) == 1, got
        assert "s3://rows/team/store/layout.json" in got.stderr, got
        assert "refuses access (AccessDenied)" in got.stderr and "may write it" in got.stderr, got
        assert not (folder / "a").exists()
        no_secret(folder, reader["AWS_SECRET_ACCESS_KEY"])
        wrong = with_store(folder / "a", {**reader, "AWS_SECRET_ACCESS_KEY": SECRET}, check=False)
        assert wrong.returncode == 1 and "SignatureDoesNotMatch" in wrong.stderr, wrong
        no_secret(folder)


@test
def a_place_that_is_none_is_said(folder):
    with moto(folder) as port:
        env = environment(port)
        got = with_store(folder / "a", env, store="s3://nowhere/x", check=False)
        assert got.returncode == 2 and 'there is no bucket "nowhere"' in got.stderr, got
        got = with_store(folder / "a", env, store=f"s3://me:{SECRET}@rows/x", check=False)
        assert got.returncode == 2 and "holds a password" in got.stderr, got
        assert SECRET not in got.stderr, got
        got = windlass(*explain_adult(), "--out", folder / "a", check=False,
                       env={**env, "WINDLASS_HOME": "s3://rows/home"})
        assert got.returncode == 2 and "WINDLASS_STORE names" in got.stderr, got
        bare = {"AWS_ACCESS_KEY_ID": "", "HOME": str(folder)}
        got = with_store(folder / "a", {**env, **bare}, check=False)
        assert got.returncode == 2 and "set AWS_ACCESS_KEY_ID" in got.stderr, got
    begun = time.monotonic()
    got = with_store(folder / "a", environment(free_port()), check=False)
    assert got.returncode == 1 and "the server cannot be reached" in got.stderr, got
    assert time.monotonic() - begun < 30
    assert not (folder / "a").exists()


main()
