"""A service that a test runs, and a client of it."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess

from support import ADULT, WINDLASS

PATIENT = 30  # seconds that a test waits for what must happen
ADULT_ARGUMENTS = ["--model", ADULT / "model.json", "--background", ADULT / "background.parquet",
                   "--groups", ADULT / "groups.json", "--link", "logit", "--name", "adult"]


class Service:
    def __init__(self, process, url):
        self.process = process
        self.url = url
        self.port = int(url.split(":")[2].split("/")[0])
        self.path = "/v2/models/" + url.rsplit("/", 1)[1]
        self.headers = {}  # of every request

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENT)

    def ask(self, method, path, body=None, headers=None, connection=None):
        """Status, headers and body of the answer."""
        connection = connection or self.connect()
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        sent = {**({"Content-Type": "application/json"} if body else {}), **self.headers,
                **(headers or {})}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def post(self, operation, body, **more):
        return self.ask("POST", f"{self.path}/{operation}", body, **more)

    def outputs(self, operation, body, **more):
        status, _, answer = self.post(operation, body, **more)
        assert status == 200, (status, answer)
        return {o["name"]: o for o in json.loads(answer)["outputs"]}

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENT)

    def stop(self, signal_number=signal.SIGTERM):
        self.process.send_signal(signal_number)
        self.process.wait(PATIENT)
        return self.process.returncode


@contextlib.contextmanager
def serving(*arguments, env=None, code=0):
    """A service of these arguments; ends it, and wants it to end well."""
    process = subprocess.Popen(
        [WINDLASS, "serve", "explain", "--port", "0", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
    try:
        lines = []
        while not (found := re.search(r"serving at (http://[^\s,]+)", "".join(lines))):
            lines.append(process.stderr.readline())
            assert lines[-1], lines
        service = Service(process, found[1])
        yield service
        if process.poll() is None:
            assert service.stop() == code, process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def rows_of(table, first, count):
    names = table.column_names
    columns = [table[name].slice(first, count).to_pylist() for name in names]
    return [[column[r] for column in columns] for r in range(count)]


def tensor(rows, name="rows"):
    return {"inputs": [{"name": name, "shape": [len(rows), len(rows[0])], "datatype": "FP64",
                        "data": [value for row in rows for value in row]}]}
