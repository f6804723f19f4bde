"""A small inference server (Open Inference Protocol) on 127.0.0.1 for tests, run by the test itself.

It serves one model, `m`: the logistic model of tests/cli/small/model.json. What it does wrong is set
by its attributes, between requests or from `on_infer`.
"""

import contextlib
import http.server
import json
import math
import struct
import sys
import threading

COEF, INTERCEPT = (0.5, -0.25, 1.0), 0.125
PACK = {"FP64": "d", "FP32": "f", "INT64": "q", "INT32": "i"}


def probability(row):
    return 1 / (1 + math.exp(-(sum(c * v for c, v in zip(COEF, row)) + INTERCEPT)))


class OipServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.metadata = {"name": "m", "versions": ["1"], "platform": "test",
                         "inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, 3]}],
                         "outputs": [{"name": "p", "datatype": "FP64", "shape": [-1, 1]}]}
        self.extensions = []
        self.ready = 200
        self.token = None           # what every request must carry
        self.classes = 1            # columns of the output; 2: of both classes
        self.datatype = "FP64"      # of the output
        self.chunked = False
        self.shift = 0.0            # added to every probability: another model
        self.on_infer = None        # called with the count so far; may return (status, type, body),
        self.infers = 0             # or raise Drop
        self.rows = 0               # predicted in all
        self.most_rows = 0          # of one request
        self.at_once = 0
        self.most_at_once = 0
        self.forms = set()          # of requests: "json", "binary"

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client may give up
            super().handle_error(request, client_address)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v2/models/m"

    @property
    def model(self):
        return "oip:" + self.url


class Drop(Exception):
    """Close the connection without an answer; `after`: these bytes were sent before."""

    def __init__(self, after=b""):
        super().__init__()
        self.after = after


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, content, kind="application/json", headers=()):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers:
            self.send_header(name, value)
        if self.server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(body), 7):
                piece = body[at:at + 7]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refused(self):
        token = self.server.token
        if token is None or self.headers["Authorization"] == f"Bearer {token}":
            return False
        self.answer(401, {"error": "who are you?"})
        return True

    def do_GET(self):
        server = self.server
        if self.refused():
            return
        if self.path == "/v2":
            self.answer(200, {"name": "tiny", "version": "1", "extensions": server.extensions})
        elif self.path == "/v2/models/m":
            self.answer(200, server.metadata)
        elif self.path == "/v2/models/m/ready":
            self.answer(server.ready, {} if server.ready == 200 else {"error": "loading"})
        else:
            self.answer(404, {"error": "Model not found"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.refused():
            return
        if self.path == "/v2/repository/index":
            self.answer(200, [{"name": "m", "state": "READY"}, {"name": "other"}])
        elif self.path == "/v2/models/m/infer":
            with self.counted():
                self.infer(body)
        else:
            self.answer(404, {"error": "no such address"})

    @contextlib.contextmanager
    def counted(self):
        server = self.server
        with server.lock:
            server.infers += 1
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            yield
        finally:
            with server.lock:
                server.at_once -= 1

    def infer(self, body):
        server = self.server
        try:
            wrong = server.on_infer(server.infers) if server.on_infer else None
        except Drop as drop:
            self.wfile.write(drop.after)
            self.wfile.flush()
            self.close_connection = True
            return
        if wrong:
            status, kind, content = wrong
            self.answer(status, content, kind)
            return
        size = self.headers["Inference-Header-Content-Length"]
        request = json.loads(body[:int(size)] if size else body)
        columns, at = [], int(size or 0)
        for tensor in request["inputs"]:
            rows, count = tensor["shape"][0], math.prod(tensor["shape"])
            if size:
                data = struct.unpack_from(f"<{count}{PACK[tensor['datatype']]}", body, at)
                at += tensor["parameters"]["binary_data_size"]
            else:
                data = tensor["data"]
            assert len(data) == count
            width = count // rows
            columns += [data[c::width] for c in range(width)]
        p = [probability(row) + server.shift for row in zip(*columns)]
        with server.lock:
            server.rows += rows
            server.most_rows = max(server.most_rows, rows)
            server.forms.add("binary" if size else "json")
        data = [v for q in p for v in ((1 - q, q) if server.classes == 2 else (q,))]
        output = {"name": "p", "datatype": server.datatype,
                  "shape": [rows] if server.classes == 1 else [rows, 2]}
        if size:
            raw = struct.pack(f"<{len(data)}{PACK[server.datatype]}", *data)
            output["parameters"] = {"binary_data_size": len(raw)}
            head = json.dumps({"model_name": "m", "outputs": [output]}).encode()
            self.answer(200, head + raw, "application/octet-stream",
                        [("Inference-Header-Content-Length", str(len(head)))])
        else:
            output["data"] = data
            self.answer(200, {"model_name": "m", "outputs": [output]})


@contextlib.contextmanager
def serving():
    server = OipServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
