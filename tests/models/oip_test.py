"""Models behind an inference server: the whole command against a small one on 127.0.0.1.

`make test-oip` does the same with MLServer.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ["NO_PROXY"] = "127.0.0.1"
from oip_server import Drop, serving  # noqa: E402
from small_job import tasks, values  # noqa: E402
from support import ROOT, WINDLASS, main, test, windlass  # noqa: E402

SMALL = ROOT / "tests/cli/small"
ROWS, BACKGROUND = 3, 2  # of data.csv, each a task of its own below; of background.csv
PATIENT = 30  # seconds that a test waits for what must happen


def arguments(model, out, *more):
    return ["explain", "--model", model, "--data", SMALL / "data.csv", "--background",
            SMALL / "background.csv", "--method", "exact", "--quiet", "-b", "1", "-w", "1",
            "--out", out, *more]


def explain(model, out, *more, **options):
    return windlass(*arguments(model, out, *more), **options)


def assert_close(got, wanted, most=1e-12):
    for one, two in zip(got, wanted, strict=True):
        assert len(one) == len(two)
        assert all(abs(a - b) <= most for a, b in zip(one, two)), (got, wanted)


def refused(folder, model, code, *parts, env=None):
    got = explain(model, folder / "refused", check=False, env=env)
    lines = got.stderr.splitlines()
    assert got.returncode == code and len(lines) == 1 and not got.stdout, got
    for part in parts:
        assert part in lines[0], lines[0]
    assert not (folder / "refused").exists()
    return lines[0]


@test
def every_form_gives_the_values_of_the_local_model(folder):
    explain(f"{SMALL / 'model.json'}?opaque=1", folder / "local", "--no-memo")
    local = values(folder / "local")

    def check(server, options, form, most=1e-12):
        server.forms.clear()
        explain(server.model + options, folder / "out", "--no-memo")
        assert server.forms == {form}, server.forms
        assert_close(values(folder / "out"), local, most)

    with serving() as server:
        check(server, "", "json")
        check(server, "?binary=1", "binary")
        server.extensions = ["binary_tensor_data"]
        check(server, "", "binary")
        check(server, "?binary=0", "json")
        server.chunked = True
        check(server, "", "binary")
        server.datatype = "FP32"
        check(server, "", "binary", 1e-6)
        check(server, "?binary=0", "json", 1e-6)
        server.datatype = "FP64"
        server.metadata["inputs"] = [{"name": n, "datatype": "FP64", "shape": [-1]}
                                     for n in ("age", "hours", "sex")]
        check(server, "", "binary")
        check(server, "?binary=0", "json")
        server.metadata.update(inputs=[], outputs=[])  # as MLServer often does
        check(server, "?output=p", "binary")
        check(server, "?binary=0", "json")


@test
def names_of_inputs_choose_the_columns(folder):
    with serving() as server:
        server.metadata["inputs"] = [{"name": n, "datatype": "FP64", "shape": [-1, 1]}
                                     for n in ("age", "hours", "sexx")]
        refused(folder, server.model, 2, 'column "sexx"')


@test
def requests_are_as_large_and_as_many_as_allowed(folder):
    meeting = threading.Barrier(3)

    def together(count):
        if 2 < count <= 5:  # after both introductions, three at the same time
            meeting.wait(PATIENT)

    with serving() as server:
        server.on_infer = together
        explain(server.model + "?batch=4&concurrency=3", folder / "out")
        assert server.most_rows == 4 and server.most_at_once == 3, vars(server)


@test
def two_classes_and_another_output(folder):
    with serving() as server:
        server.classes = 2
        server.metadata["outputs"] = [{"name": "label", "datatype": "INT64", "shape": [-1]},
                                      {"name": "p", "datatype": "FP64", "shape": [-1, 2]}]
        refused(folder, server.model, 2, "several outputs: label, p; choose one with ?output=NAME")
        refused(folder, server.model + "?output=q", 2, 'no output "q"; did you mean "p"?')
        explain(server.model + "?output=p", folder / "out", "--link", "logit", "--class", "1")
        explain(f"{SMALL / 'model.json'}?opaque=1", folder / "local", "--link", "logit")
        assert_close(values(folder / "out"), values(folder / "local"), 1e-9)


@test
def failures_that_pass_are_tried_again(folder):
    def fail_at_times(count):
        if count % 2 == 1:
            if count % 4 == 1:
                raise Drop(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            return 503, "text/plain", b"warming up"
        return None

    with serving() as server:
        server.on_infer = fail_at_times
        explain(server.model, folder / "out")
        asked = server.infers
        server.on_infer = None
        explain(server.model, folder / "again", "--no-memo")
        assert asked == 2 * (server.infers - asked), (asked, server.infers)
        assert values(folder / "out") == values(folder / "again")


@test
def a_server_that_dies_half_way_costs_only_what_is_missing(folder):
    with serving() as server:
        explain(server.model, folder / "whole", "--no-memo")
        per_row = (server.infers - 3) // ROWS  # besides introductions and the background

        def die(count):
            if count > first + 3 + per_row:  # in the second row
                raise Drop
            return None

        first = server.infers
        server.on_infer = die
        line = refused(folder, server.model + "?retries=1", 1, "the connection was lost",
                       "2 times in a row", "what was finished is kept")
        assert line.startswith("windlass: " + server.model + ": "), line
        whole = values(folder / "whole")
    with serving() as server:  # it is back, at another port, and the user more patient
        explain(server.model + "?timeout=120&retries=9", folder / "out")
        assert tasks(folder / "out") == (ROWS - 1, 1), tasks(folder / "out")
        assert values(folder / "out") == whole
        before = server.rows
        explain(server.model, folder / "again")
        assert tasks(folder / "again") == (0, ROWS)
        assert server.rows == before + 2 * BACKGROUND, "only introductions ask again"


@test
def another_model_of_the_same_name_is_not_answered_from_memory(folder):
    with serving() as server:
        explain(server.model, folder / "one")
        server.shift = 1e-9
        explain(server.model, folder / "two")
        assert tasks(folder / "two") == (ROWS, 0)
        server.shift = 0
        server.metadata["versions"] = ["2"]
        explain(server.model, folder / "three")
        assert tasks(folder / "three") == (ROWS, 0)


@test
def a_slow_server_is_given_up(folder):
    done = threading.Event()
    with serving() as server:
        server.on_infer = lambda count: done.wait(PATIENT) and None
        refused(folder, server.model + "?timeout=0.2&retries=0", 1, "no answer within 0.2 s",
                "?timeout=SECONDS")
        done.set()
        explain(server.model + "?timeout=60", folder / "out")


@test
def ctrl_c_is_heard_while_the_server_is_silent(folder):
    asked, done = threading.Event(), threading.Event()

    def silent(count):
        asked.set()
        done.wait(PATIENT)

    with serving() as server:
        server.on_infer = silent
        process = subprocess.Popen([WINDLASS, *map(str, arguments(server.model, folder / "out"))],
                                   stderr=subprocess.PIPE, text=True)
        assert asked.wait(PATIENT)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENT)
        done.set()
        assert process.returncode == 130 and "interrupted" in said, (process.returncode, said)
        assert not (folder / "out").exists()


@test
def answers_that_are_no_predictions_are_refused_in_one_line(folder):
    def answering(server, body, kind="application/json", status=200):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        server.on_infer = lambda count: (status, kind, content)

    def output(**changes):
        return {"outputs": [{"name": "p", "datatype": "FP64", "shape": [2], "data": [1, 2],
                             **changes}]}

    with serving() as server:
        for body, words in (
                (b"<html><title>Sign in</title></html>", "HTML instead of JSON"),
                (b"", "an empty answer"),
                (b'{"outputs": [', "not valid JSON"),
                (b'{"outputs": [{"name": "p", "datatype": "FP64", "shape": [2], "data": [NaN, 1]}]}',
                 "NaN at byte"),
                ({"ok": True}, 'JSON without "outputs"'),
                (output(shape=[4], data=[1, 2, 3, 4]), "shape [4], but 2 rows were sent"),
                (output(datatype="BYTES"), '"p" is BYTES of shape [2]; numbers'),
                (output(data=[1]), "has 1 numbers"),
                (output(name="q"), 'no output "p"')):
            answering(server, body)
            refused(folder, server.model, 2, server.model, words)
        answering(server, {"error": "wrong shape"}, status=400)
        refused(folder, server.model, 2, "refuses to predict 2 rows, status 400 (wrong shape)")
        answering(server, {"error": "cuda"}, status=500)
        refused(folder, server.model + "?retries=1", 1, "status 500 (cuda), 2 times in a row")
        server.on_infer = None
        refused(folder, server.model.replace("/models/m", "/models/othe"), 2, 'knows no model "othe"',
                'did you mean "other"?')
        server.ready = 503
        refused(folder, server.model + "?retries=0", 1, "status 503 (loading)")
        gone = server.model
    refused(folder, gone + "?retries=0", 1, "the server cannot be reached")


@test
def a_token_is_given_by_where_it_is_and_kept_nowhere(folder):
    secret = "HUSHHUSH"
    (folder / "token").write_text(secret + "\n")
    with serving() as server:
        server.token = secret
        refused(folder, server.model, 2, "the server refuses access, status 401 (who are you?)")
        explain(server.model + "?token=env:OIP_TOKEN", folder / "out", env={"OIP_TOKEN": secret})
        explain(server.model + f"?token=file:{folder / 'token'}", folder / "again")
        assert tasks(folder / "again") == (0, ROWS)
        refused(folder, server.model + "?token=env:OIP_TOKEN", 2, "no such environment variable")
        line = refused(folder, server.model + "?token=" + secret, 2, "holds a password")
        assert secret not in line
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "token":
            assert secret.encode() not in path.read_bytes(), path


@test
def a_model_that_only_predicts_has_no_margin(folder):
    with serving() as server:
        got = explain(server.model, folder / "out", "--output", "margin", check=False)
        assert got.returncode == 2 and "needs a model that shows its margin" in got.stderr, got


main()
