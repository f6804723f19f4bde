"""Tables on s3://, read from moto's server on 127.0.0.1 (`make test-s3` sets it up).

The Adult job from a bucket gives the bytes that local files give; a missing bucket or file, refused
access and a server that is down or says nothing each give one line; no secret is kept anywhere.
"""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import ADULT, explain_adult, main, test, windlass  # noqa: E402

SECRET = "HUSHHUSH"
MOTO = pathlib.Path(os.environ["MOTO_BIN"])  # the folder of moto's programs
TABLES = [ADULT / "adult.parquet", ADULT / "background.parquet"]
# boto3 tries again while the server starts.
FILL = """
import boto3, botocore.config, pathlib, sys
config = botocore.config.Config(retries={"max_attempts": 20, "mode": "standard"})
s3 = boto3.client("s3", config=config)
s3.create_bucket(Bucket="rows")
for path in sys.argv[1:]:
    s3.upload_file(path, "rows", "adult/" + pathlib.Path(path).name)
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(port):
    return {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}


@contextlib.contextmanager
def moto(folder):
    """A server with the Adult tables in the bucket `rows`; gives its port."""
    port = free_port()
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with open(folder / "moto.log", "wb") as log:
        server = subprocess.Popen([MOTO / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
                                  env=clean, stdout=log, stderr=log)
    try:
        subprocess.run([MOTO / "python", "-c", FILL, *map(str, TABLES)], check=True, timeout=120,
                       env={**clean, **environment(port)})
        yield port
    finally:
        server.terminate()
        server.wait()


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


def no_secret(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


@test
def a_bucket_gives_the_bytes_of_local_files(folder):
    windlass(*explain_adult(), "--no-memo", "--out", folder / "local")
    with moto(folder) as port:
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


main()
