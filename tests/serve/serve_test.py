"""`windlass serve explain` over real sockets of this machine, with clients of every kind."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import struct
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ["NO_PROXY"] = "127.0.0.1"
from service import ADULT_ARGUMENTS, PATIENT, Service, rows_of, serving, tensor  # noqa: E402
from support import ADULT, EXPLAIN_ADULT, ROOT, main, test, windlass  # noqa: E402

import pyarrow.parquet as pq  # noqa: E402

SMALL = ROOT / "tests/cli/small"


def wait_for(condition):
    until = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.005)


@test
def gives_the_bytes_of_the_command(folder):
    windlass(*EXPLAIN_ADULT, "--out", folder / "out")
    wanted = pq.read_table(folder / "out/attributions.parquet")
    groups = list(json.loads((ADULT / "groups.json").read_text()))
    data = pq.read_table(ADULT / "adult.parquet")
    with serving(*ADULT_ARGUMENTS, "--batch-wait", "5ms") as service:
        def check(first, count):
            got = service.outputs("explain", tensor(rows_of(data, first, count)))
            assert got["groups"]["data"] == groups
            assert got["attributions"]["shape"] == [count, 1, len(groups)]
            values = got["attributions"]["data"]
            for r in range(count):
                for g, name in enumerate(groups):
                    assert values[r * len(groups) + g] == wanted[name][first + r].as_py()
                assert got["prediction"]["data"][r] == wanted["prediction"][first + r].as_py()
                assert got["base_value"]["data"][0] == wanted["base_value"][first + r].as_py()

        check(0, 64)  # a mini-batch
        failures = []

        def client(number):
            try:
                for i in range(20):
                    check(number * 20 + i, 1)
            except Exception as error:  # told by the test's own thread
                failures.append(error)

        clients = [threading.Thread(target=client, args=(n,)) for n in range(16)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        assert not failures, failures[0]
        _, _, metrics = service.ask("GET", "/metrics")
        rows = re.search(r'windlass_rows_total{operation="explain"} (\d+)', metrics.decode())
        assert int(rows[1]) == 64 + 16 * 20


@test
def is_a_model_of_our_own(folder):
    """oip: at our own server gives the bytes of the model itself, in JSON and in binary."""
    common = ["--data", SMALL / "data.csv", "--background", SMALL / "background.csv", "--method",
              "exact", "--quiet", "--no-memo"]
    windlass("explain", "--model", f"{SMALL / 'model.json'}?opaque=1", *common, "--out",
             folder / "direct")
    with serving("--model", SMALL / "model.json", "--background", SMALL / "background.csv",
                 "--name", "small", "--token", "env:SECRET", env={"SECRET": "hush"}) as service:
        for binary in ("auto", "0"):
            out = folder / f"served-{binary}"
            windlass("explain", "--model",
                     f"oip:{service.url}?token=env:SECRET&batch=3&binary={binary}", *common,
                     "--out", out, env={"SECRET": "hush"})
            tables = [pq.read_table(where / "attributions.parquet").drop_columns("output")
                      for where in (folder / "direct", out)]  # what the output is called differs
            assert tables[0].equals(tables[1])
        got = windlass("explain", "--model", f"oip:{service.url}", *common, "--out",
                       folder / "no", check=False)
        assert "refuses access" in got.stderr, got.stderr


@test
def wants_its_token(_):
    with serving(*ADULT_ARGUMENTS, "--token", "env:SECRET", env={"SECRET": "hush"}) as service:
        status, headers, _ = service.ask("GET", "/v2")
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert service.ask("GET", "/metrics", headers={"Authorization": "Bearer x"})[0] == 401
        assert service.ask("GET", "/v2", headers={"Authorization": "Bearer hush"})[0] == 200
        assert service.ask("GET", "/v2/health/ready")[0] == 200  # a probe
    got = windlass("serve", "explain", *ADULT_ARGUMENTS, "--token", "hush", check=False)
    assert got.returncode == 2 and "hush" not in got.stderr, got.stderr


@test
def takes_no_harm_from_bad_clients(_):
    with serving(*ADULT_ARGUMENTS, "--max-body", "100kB") as service:
        head = f"POST {service.path}/infer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

        def says(request, status):
            with service.socket() as client:
                with contextlib.suppress(OSError):  # it need not read to the end
                    client.sendall(request.encode())
                answer = client.recv(4096).decode()
                assert answer.startswith(f"HTTP/1.1 {status} "), answer
                assert "error" in answer, answer

        says("\x16\x03\x01 hello\r\n\r\n", 400)
        says(head + "Content-Length: 100001\r\n\r\n", 413)
        says(head + "Transfer-Encoding: chunked\r\n\r\n" + 60 * ("1000\r\n" + 4096 * " " + "\r\n"),
             413)
        says(head + "X: " + 20000 * "x" + "\r\n\r\n", 431)
        says(head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400)
        says(head + "Content-Length: 2\r\n\r\n{}", 400)
        says(head + "Content-Length: 5\r\n\r\n[[[[[", 400)
        says(head + f"Content-Length: 4000\r\n\r\n{4000 * '['}", 400)
        for partial in ("POST /v2", head, head + "Content-Length: 100\r\n\r\n{\"inputs\": ["):
            with service.socket() as client:  # vanishes
                client.sendall(partial.encode())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        row = rows_of(pq.read_table(ADULT / "adult.parquet"), 0, 1)
        assert len(service.outputs("infer", tensor(row))["predict"]["data"]) == 1
        # A body in chunks, and an early end of what the client sends.
        text = json.dumps(tensor(row))
        with service.socket() as client:
            client.sendall((head + f"Transfer-Encoding: chunked\r\n\r\n{len(text):x}\r\n{text}\r\n0"
                            "\r\n\r\n").encode())
            client.shutdown(socket.SHUT_WR)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 "), "half-closed"


@test
def answers_pipelined_requests_in_their_order(_):
    data = pq.read_table(ADULT / "adult.parquet")
    with serving(*ADULT_ARGUMENTS) as service:
        wanted = service.outputs("infer", tensor(rows_of(data, 0, 20)))["predict"]["data"]
        requests = b""
        for r in range(20):
            operation = "explain" if r % 3 == 0 else "infer"
            body = json.dumps({**tensor(rows_of(data, r, 1)), "id": str(r)}).encode()
            requests += (f"POST {service.path}/{operation} HTTP/1.1\r\nHost: x\r\nContent-Type: "
                         f"application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
        with service.socket() as client:
            client.sendall(requests)
            reader = client.makefile("rb")
            for r in range(20):
                length = 0
                assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
                while (line := reader.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answer = json.loads(reader.read(length))
                assert answer["id"] == str(r)
                if r % 3:
                    assert answer["outputs"][0]["data"] == [wanted[r]]


@test
def says_503_when_the_queue_is_full(folder):
    hold = folder / "hold"
    row = tensor(rows_of(pq.read_table(ADULT / "adult.parquet"), 0, 1))
    with serving(*ADULT_ARGUMENTS, "--replicas", "1", "--queue", "1",
                 env={"WINDLASS_SYNC_POINTS": f"serve.batch=hold:{hold}"}) as service:
        statuses = []
        clients = []
        for _ in range(2):
            clients.append(threading.Thread(
                target=lambda: statuses.append(service.post("infer", row)[0])))
            clients[-1].start()
            wait_for(hold.exists)
        wait_for(lambda: b"windlass_queue_length 1" in service.ask("GET", "/metrics")[2])
        status, headers, body = service.post("infer", row)
        assert (status, headers["Retry-After"]) == (503, "1"), body
        hold.unlink()
        for client in clients:
            client.join()
        assert statuses == [200, 200], statuses


@test
def finishes_what_it_accepted(folder):
    hold = folder / "hold"
    row = tensor(rows_of(pq.read_table(ADULT / "adult.parquet"), 0, 1))
    with serving(*ADULT_ARGUMENTS, "--replicas", "1",
                 env={"WINDLASS_SYNC_POINTS": f"serve.batch=hold:{hold}"}) as service:
        answers = []

        def client():
            connection = service.connect()
            answers.append(service.post("infer", row, connection=connection))

        clients = [threading.Thread(target=client) for _ in range(8)]
        for thread in clients:
            thread.start()
        wait_for(lambda: b"windlass_requests_in_flight 8" in service.ask("GET", "/metrics")[2])
        assert hold.exists()
        assert service.stop(signal.SIGINT) == 0  # which lets go of the held one, too
        for thread in clients:
            thread.join()
        assert [status for status, _, _ in answers] == 8 * [200], answers
        assert '"requests"' in service.process.stdout.read()


@test
def is_a_job(_):
    begun = windlass("serve", "explain", "--port", "0", *ADULT_ARGUMENTS, "--detach", "--json")
    job = json.loads(begun.stdout)["job"]
    log = windlass("job", "logs", job).stdout
    url = re.search(r"http://\S+", log)[0]
    service = Service(None, url)
    assert service.ask("GET", service.path)[0] == 200
    listed = json.loads(windlass("job", "list", "--json").stdout)
    assert [(j["id"], j["kind"], j["state"]) for j in listed] == [(job, "serve_explain", "running")]
    windlass("job", "stop", job)
    assert json.loads(windlass("job", "show", job, "--json").stdout)["state"] == "succeeded"


@test
def says_what_is_wrong_at_the_start(_):
    def refused(*arguments):
        got = windlass("serve", "explain", *arguments, check=False)
        assert got.returncode in (1, 2) and len(got.stderr.splitlines()) == 1, got
        return got.stderr

    with serving(*ADULT_ARGUMENTS) as service:
        assert "in use" in refused(*ADULT_ARGUMENTS, "--port", service.port)
    assert "--model is required" in refused()
    assert "no background" in refused("--model", ADULT / "model.json")
    assert "not an IP address" in refused(*ADULT_ARGUMENTS, "--address", "nowhere")
    assert "batch_wait" in refused(*ADULT_ARGUMENTS, "--batch-wait", "soon")
    assert "max_body" in refused(*ADULT_ARGUMENTS, "--max-body", "much")
    assert "name is" in refused(*ADULT_ARGUMENTS[:-1], "a/b")


main()
