"""--engine http://: whole jobs over the Jobs API of a real Ray of this machine, from a command that
has neither Ray nor Python; and windlass job for what runs there."""

import atexit
import contextlib
import io
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "invariance")]
from invariance import outputs  # noqa: E402
from ray_cluster import (  # noqa: E402
    BIN, ENVIRONMENT, NO_PLUGINS, Cluster, command_line, free_port, of_session, plugin_of,
    product_job, wait_for)
from rest_jobs import local, python_with, tasks  # noqa: E402
from support import ADULT, EXPLAIN_ADULT, ROOT, WINDLASS, explain_adult, main, test  # noqa: E402
from support import windlass as command  # noqa: E402

BLOCKS = 40  # 2,560 rows by 64
TOKEN = "a-token-that-nobody-may-see-0123456789abcdef"
PACKAGE = os.environ["PYTHONPATH"]
del os.environ["PYTHONPATH"]  # the command needs no Python, only the cluster does
os.environ["WINDLASS_PYTHON"] = "/nowhere/python"
os.environ["RAY_AUTH_TOKEN"] = TOKEN
cluster = Cluster(cpus=(2,), dashboard=True, environment={
    **ENVIRONMENT, **NO_PLUGINS, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "PYTHONPATH": PACKAGE,
    "PATH": f"{BIN}:{os.environ['PATH']}", "WINDLASS_HOME": "/nowhere/else"})
atexit.register(cluster.close)
gateway_port = free_port()
gateway = f"http://127.0.0.1:{gateway_port}"
store = cluster.folder + "/store"  # outlives the head, as a volume would


def engine(**options):
    """The cluster with its results through the gateway, unless options say shared=..."""
    if "shared" not in options:
        options = {"gateway-port": gateway_port, "store": store, **options}
    return cluster.url + "?" + "&".join(f"{key}={value}" for key, value in options.items())


def run(out, *more, where=None, arguments=EXPLAIN_ADULT, **options):
    return command(*arguments, "-w", 2, "-b", 64, "--engine", where or engine(), "--out", out,
                   *more, **options)


def background(out, *more, where=None):
    return subprocess.Popen(
        [WINDLASS, *map(str, EXPLAIN_ADULT), "-w", "2", "-b", "64", "--engine", where or engine(),
         "--out", str(out), *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def jobs(verb, *more, where=None, **options):
    return command("job", verb, *more, "--engine", where or engine(), **options)


def shown(job, **options):
    return json.loads(jobs("show", job, "--json", **options).stdout)


def listed():
    return {job["id"]: job for job in json.loads(jobs("list", "--json").stdout)}


def drivers():
    return [pid for pid in of_session_and_children(cluster.nodes[0].pid)
            if "--submitted" in command_line(pid) and "windlass" in command_line(pid)]


def of_session_and_children(leader):
    """Ray gives each job a session of its own."""
    known = set(of_session(leader))
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if entry.name.isdigit():
                stat = (entry / "stat").read_text()
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in known} - known
        known |= more
        grown = bool(more)
    return known


@test
def the_local_bytes_through_the_gateway(folder):
    first = run(folder / "a", "--no-memo")
    assert "Traceback" not in first.stderr, first
    made = json.loads((folder / "a/run.json").read_text())
    assert made["engine"] == "ray" and made["workers"] == 2, made
    [record] = json.loads(command("job", "list", "--json").stdout)
    assert record["state"] == "succeeded" and record["done"] == 2560, record
    assert listed()[record["id"]]["state"] == "succeeded"
    assert outputs(folder / "a") == local(folder)


@test
def the_local_bytes_through_a_shared_folder(folder):
    shared = folder / "shared"
    shared.mkdir()
    data = shared / "rows.parquet"
    data.write_bytes((ADULT / "adult.parquet").read_bytes())
    arguments = explain_adult(data=data)
    where = engine(shared=shared)
    run(folder / "a", where=where, arguments=arguments)
    command(*arguments, "--out", folder / "b", "--no-memo")
    assert outputs(folder / "a") == outputs(folder / "b")
    assert not list((shared / "windlass/outputs").iterdir()), "what was fetched is not kept"
    run(folder / "c", where=where, arguments=arguments)
    assert tasks(folder / "c")["recalled"] == BLOCKS, tasks(folder / "c")
    details = json.loads(jobs("list", "--json", where=where).stdout)[0]
    assert details["done"] == 2560, details


@test
def a_token_is_asked_for_and_kept(folder):
    lacking = run(folder / "a", check=False, env={"RAY_AUTH_TOKEN": "", "HOME": str(folder)})
    assert lacking.returncode == 2 and "asks for a token" in lacking.stderr, lacking
    wrong = run(folder / "a", check=False, env={"RAY_AUTH_TOKEN": "wrong"})
    assert wrong.returncode == 2 and "refuses the token from RAY_AUTH_TOKEN" in wrong.stderr, wrong
    assert not (folder / "a").exists()
    token = folder / "token"
    token.write_text(TOKEN + "\n")
    run(folder / "a", where=engine(token=f"file:{token}"), env={"RAY_AUTH_TOKEN": "wrong"})
    (folder / ".ray").mkdir()
    (folder / ".ray/auth_token").write_text(TOKEN)
    run(folder / "b", where=engine(header="X-Nothing:env:USER"),
        env={"RAY_AUTH_TOKEN": "", "HOME": str(folder), "USER": "me"})
    literal = run(folder / "c", where=engine(token=TOKEN), check=False)
    assert literal.returncode == 2 and TOKEN not in literal.stderr, literal
    for path in [*pathlib.Path(os.environ["WINDLASS_HOME"]).rglob("*"),
                 *(folder / "a").rglob("*"), *pathlib.Path(store).rglob("*")]:
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path


class Proxy:
    """Passes connections on to the dashboard, with TLS where a certificate is given."""

    def __init__(self, certificate=None):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = []
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client):
        with contextlib.suppress(OSError):
            if self._context:
                client = self._context.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", int(cluster.url.rpartition(":")[2])))
            self._open += [client, server]
            back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
            back.start()
            self._copy(client, server)

    @staticmethod
    def _copy(source, sink):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def close(self):
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@test
def tls_with_certificates_of_its_own(folder):
    certificate = folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-keyout", certificate, "-out", folder / "ca.pem", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    with open(certificate, "a") as file:
        file.write((folder / "ca.pem").read_text())
    proxy = Proxy(certificate)
    secure = f"https://127.0.0.1:{proxy.port}?gateway={gateway}&gateway-port={gateway_port}&store={store}"
    distrusted = run(folder / "a", where=secure, check=False)
    assert distrusted.returncode == 1 and "certificate" in distrusted.stderr, distrusted
    run(folder / "a", "--no-memo", where=f"{secure}&ca={folder}/ca.pem")
    assert outputs(folder / "a") == local(folder)
    proxy.close()


@test
def a_cluster_that_falls_silent_keeps_the_job(folder):
    proxy, hold = Proxy(), folder / "hold"
    python = python_with(folder, WINDLASS_SYNC_POINTS=f"explain.block@5=hold:{hold}")
    process = background(folder / "a", where=f"http://127.0.0.1:{proxy.port}?gateway-port={gateway_port}&"
                                             f"store={store}&python={python}&patience=3")
    wait_for(hold.exists, 120, "the job's fifth block")
    proxy.close()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1, (process.returncode, errors)
    said = re.search(r"has not answered for 3 s; job (\S+) may go on there: windlass job show \1 "
                     "--engine http", errors)
    assert said, errors
    assert not (folder / "a").exists()
    hold.unlink()
    jobs("wait", said[1], "--quiet")
    jobs("fetch", said[1], "--out", folder / "a")
    assert outputs(folder / "a") == local(folder)


@test
def python_asks_a_cluster_as_well(folder):
    spec = {"kind": "explain", "model": str(ADULT / "model.json"), "link": "logit",
            "data": str(ADULT / "adult.parquet"), "groups": str(ADULT / "groups.json"),
            "background": str(ADULT / "background.parquet")}
    program = (f"import json, sys, windlass\ntold = windlass.run({spec!r}, {str(folder / 'a')!r}, "
               f"engine={engine()!r}, workers=2, batch=64)\nprint(json.dumps(told))\n"
               f"windlass.run({spec!r}, {str(folder / 'b')!r}, engine={engine()!r}, workers=2)\n")
    told = subprocess.run([BIN / "python", "-c", program], capture_output=True, text=True,
                          timeout=300, env={**os.environ, "PYTHONPATH": PACKAGE}, check=False)
    assert told.returncode == 0, told
    assert json.loads(told.stdout)["result"]["rows"] == 2560, told
    assert outputs(folder / "a") == outputs(folder / "b") == local(folder)


@test
def another_build_is_refused(folder):
    other = python_with(folder, WINDLASS_COMMAND_BUILD="0123456789abcdef")
    refused = run(folder / "a", where=engine(python=other), check=False)
    assert refused.returncode == 2, refused
    assert re.search(r"command is build 0123456789abcdef, but the package windlass of .*python3? "
                     r"\(Python 3\.\d+\.\d+\) is build [0-9a-f]{16}", refused.stderr), refused
    none = run(folder / "a", where=engine(python="/nowhere/python"), check=False)
    assert none.returncode == 2 and "no such Python" in none.stderr, none
    bare = folder / "bare"
    bare.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec {BIN}/python "$@"\n')
    bare.chmod(0o755)
    lacking = run(folder / "a", where=engine(python=bare), check=False)
    assert lacking.returncode == 2 and "has no windlass" in lacking.stderr, lacking


@test
def a_wheel_travels_with_the_job(folder):
    """An archive as a wheel is one, of the package in the build tree."""
    wheel = folder / "windlass-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in pathlib.Path(PACKAGE, "windlass").rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, "windlass/" + str(path.relative_to(PACKAGE + "/windlass")))
    bare = folder / "bare"  # all but the build tree's package
    bare.write_text("#!/bin/sh\nexport PYTHONPATH=$(echo $PYTHONPATH | sed 's|"
                    f"{PACKAGE}||')\nexec {BIN}/python \"$@\"\n")
    bare.chmod(0o755)
    run(folder / "a", "--no-memo", where=engine(python=bare, wheel=wheel))
    assert outputs(folder / "a") == local(folder)
    no_wheel = run(folder / "b", where=engine(wheel=ADULT / "model.json"), check=False)
    assert no_wheel.returncode == 2 and "a wheel (.whl)" in no_wheel.stderr, no_wheel


@test
def a_job_that_fails_passes_its_exit_code_on(folder):
    model = folder / "model.json"
    model.write_text('{"format": "windlass-linear", "nonsense": 1}')
    there = run(folder / "a", arguments=explain_adult(model=model), check=False)
    here = command(*explain_adult(model=model), "--out", folder / "b", check=False)
    assert there.returncode == here.returncode == 2, (there, here)
    assert str(model) in there.stderr and "inputs/" not in there.stderr, there
    assert here.stderr.removeprefix("windlass: ").strip() in there.stderr, (here, there)
    assert not (folder / "a").exists()
    missing = run(folder / "a", arguments=explain_adult(data=folder / "none.csv"), check=False)
    assert missing.returncode == 2 and "no such file on this machine" in missing.stderr, missing


@test
def detached_listed_shown_followed_fetched_and_pruned(folder):
    hold = folder / "hold"
    python = python_with(folder, WINDLASS_SYNC_POINTS=f"explain.block@5=hold:{hold}")
    job = run(folder / "a", "--detach", where=engine(python=python)).stdout.strip()
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", job), job
    assert command("job", "list", "--json").stdout.strip() == "[]", "it is the cluster's alone"
    wait_for(hold.exists, 120, "the job's fifth block")
    assert listed()[job]["state"] == "running"
    info = shown(job)
    assert info["state"] == "running" and info["done"] < info["total"] == 2560, info
    assert info["spec"]["model"] == str(ADULT / "model.json"), info["spec"]
    early = jobs("fetch", job, check=False)
    assert early.returncode == 2 and "has not ended yet" in early.stderr, early
    late = jobs("wait", job, "--timeout", 0.5, check=False)
    assert late.returncode == 1 and "has not ended within 0.5 s" in late.stderr, late
    hold.unlink()
    assert jobs("wait", job[:-3], "--quiet").returncode == 0
    followed = jobs("logs", "-f", job)
    assert "Running entrypoint" in followed.stdout, followed
    jobs("fetch", job)
    assert outputs(folder / "a") == local(folder)
    jobs("fetch", job, "--out", folder / "b", "--json")
    assert outputs(folder / "b") == outputs(folder / "a")
    unknown = jobs("show", "20200101-000000-abcdef", check=False)
    assert unknown.returncode == 2 and "knows no job" in unknown.stderr, unknown
    ended = {one for one, told in listed().items() if told["exit_code"] is not None}
    removed = json.loads(jobs("prune", "--older-than", 0, "--json").stdout)["removed"]
    assert set(removed) == ended and job in ended, removed
    assert not listed() and not list(pathlib.Path(store, "outputs").iterdir())


@test
def a_pending_job_says_what_it_waits_for_and_is_stopped(folder):
    out = command(*EXPLAIN_ADULT, "-w", 8, "--engine", engine(start=300), "--out", folder / "a",
                  "--no-memo", "--detach").stdout
    job = out.strip()
    wait_for(lambda: (told := shown(job))["state"] == "pending" and told["waits_for"] ==
             "workers: 2 of 8 (-w 8) have started; 2 of the cluster's 2 CPUs are in use", 120,
             "two of eight workers")  # Ray counts what is in use a little later
    assert listed()[job]["state"] == "pending"
    words = jobs("show", job).stdout
    assert "waits for" in words and "-w 8" in words, words
    stopped = jobs("stop", job)
    assert "was stopped" in stopped.stdout, stopped
    info = shown(job)
    assert info["state"] == "cancelled" and info["exit_code"] == 130, info
    assert jobs("wait", job, check=False).returncode == 130


@test
def an_interrupt_stops_the_job(folder):
    hold = folder / "hold"
    python = python_with(folder, WINDLASS_SYNC_POINTS=f"explain.block@5=hold:{hold}")
    process = background(folder / "a", where=engine(python=python))
    wait_for(hold.exists, 120, "the job's fifth block")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, (process.returncode, errors)
    assert "to stop, and waits until it has" in errors, errors
    [record] = json.loads(command("job", "list", "--json").stdout)
    assert record["state"] == "cancelled", record
    assert listed()[record["id"]]["state"] == "cancelled", listed()
    assert not (folder / "a").exists() and not drivers()


@test
def the_driver_killed_and_run_again(folder):
    python = python_with(folder, WINDLASS_SYNC_POINTS="driver.remembered@17=kill")
    fresh = folder / "fresh"
    fresh.mkdir()
    dead = run(folder / "a", where=engine(shared=fresh, python=python), check=False)
    assert dead.returncode == 1 and "its driver was killed by SIGKILL" in dead.stderr, dead
    assert re.search(r"died: its driver was killed by SIGKILL \(out of memory\?\) at \d+ %",
                     dead.stderr), dead
    [job] = [told for told in json.loads(jobs("list", "--json", where=engine(shared=fresh)).stdout)
             if told["state"] == "died"]
    assert job["resumable"] and job["exit_code"] == 1, job
    run(folder / "a", where=engine(shared=fresh))
    assert (tasks(folder / "a")["recalled"], tasks(folder / "a")["executed"]) == (17, BLOCKS - 17)
    assert outputs(folder / "a") == local(folder)
    command("run", "--job", job["id"], "-w", 2, "--quiet", "--engine", engine(shared=fresh),
            "--out", folder / "again")
    assert outputs(folder / "again") == outputs(folder / "a")


@test
def a_task_that_failed_there_runs_again_here(folder):
    python = python_with(folder, WINDLASS_WORKER_SYNC_POINTS="engine.task.start=fail")
    arguments = [*EXPLAIN_ADULT, "--method", "permutation", "--nsamples", "500"]  # not remembered
    failed = run(folder / "a", where=engine(python=python), arguments=arguments, check=False)
    assert failed.returncode == 1, failed
    log = jobs("logs", json.loads(command("job", "list", "--json").stdout)[0]["id"]).stdout
    task = re.search(r"windlass task replay ([0-9a-f]{16})", failed.stderr + log)[1]
    assert command("task", "replay", task, check=False).returncode == 2, "it is not kept here"
    told = json.loads(command("task", "replay", task, "--engine", engine(), "--json").stdout)
    assert told["task"] == task and told["result_bytes"] > 0, told
    unknown = command("task", "replay", "0" * 16, "--engine", engine(), check=False)
    assert unknown.returncode == 2 and "no failed task" in unknown.stderr, unknown


@test
def a_plugin_travels_with_the_job(folder):
    plugin = plugin_of(folder)
    without = run(folder / "a", arguments=product_job(folder), check=False)
    assert without.returncode == 2 and "is not installed" in without.stderr, without
    run(folder / "a", arguments=["--plugin", plugin, *product_job(folder)])
    command(*product_job(folder), "--no-memo", "--out", folder / "b")
    assert outputs(folder / "a") == outputs(folder / "b")


@test
def a_service_runs_there_until_it_is_interrupted(folder):
    port = free_port()
    process = subprocess.Popen(
        [WINDLASS, "serve", "explain", "--model", ADULT / "model.json", "--background",
         ADULT / "background.parquet", "--name", "adult", "--port", str(port), "--replicas", "1",
         "--engine", engine()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}/v2/models/adult"

    def ready():
        assert process.poll() is None, process.communicate()
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(url + "/ready", timeout=5).status == 200
        return False
    wait_for(ready, 180, "the service")
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, (process.returncode, errors)
    assert f"serving at {url}" in errors, errors


@test
def the_gateway_gives_nothing_to_strangers(_):
    run_json = urllib.request.Request(gateway + "/v1/jobs")
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        run_json.headers = headers
        try:
            urllib.request.urlopen(run_json, timeout=30)
            raise AssertionError("a stranger was answered")
        except urllib.error.HTTPError as error:
            assert error.code in (401, 403), error
    [told] = [json.loads(text) for text in [raw_jobs()]]
    token = next(job["runtime_env"]["env_vars"]["WINDLASS_GATEWAY_TOKEN"] for job in told
                 if "windlass_gateway" in (job["metadata"] or {}) and job["status"] == "RUNNING")
    for path in ("/v1/tasks/0123456789abcdef", "/v1/tasks/", "/v1/jobs/../../etc", "/v1/jobs/x/outputs/..%2f..%2fjob.json", "/etc/passwd",
                 "/v1/jobs/none/outputs/run.json", "/v1/jobs/a.b", "/v1/jobs//result"):
        request = urllib.request.Request(gateway + path,
                                         headers={"Authorization": f"Bearer {token}"})
        try:
            urllib.request.urlopen(request, timeout=30)
            raise AssertionError(f"{path} was given")
        except urllib.error.HTTPError as error:
            assert error.code in (400, 404), (path, error)


def raw_jobs():
    request = urllib.request.Request(cluster.url + "/api/jobs/",
                                     headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


@test
def what_is_no_cluster_is_said(folder):
    nobody = run(folder / "a", where="http://127.0.0.1:1", check=False)
    assert nobody.returncode == 1 and "the cluster at http://127.0.0.1:1" in nobody.stderr, nobody
    other = run(folder / "a", where=gateway, check=False)
    assert other.returncode == 2 and re.search("no.* Ray's dashboard|token", other.stderr), other
    client = run(folder / "a", where="ray://127.0.0.1:10001", check=False)
    assert client.returncode == 2 and "Ray Client" in client.stderr, client
    assert "http://HOST:8265" in client.stderr, client
    unknown = run(folder / "a", where="rai", check=False)
    assert unknown.returncode == 2 and 'did you mean "ray"' in unknown.stderr, unknown
    unknown = run(folder / "a", where="spark", check=False)
    assert "ray" in unknown.stderr and "http(s)://HOST:8265" in unknown.stderr, unknown
    option = run(folder / "a", where=cluster.url + "?tokn=env:X", check=False)
    assert option.returncode == 2 and 'did you mean "token"' in option.stderr, option
    user = run(folder / "a", where="http://me:secret@host:8265", check=False)
    assert user.returncode == 2 and "secret" not in user.stderr, user
    assert not (folder / "a").exists()


def replace_the_head():
    killed = list(of_session_and_children(cluster.nodes[0].pid))
    cluster.kill_node(0)
    for pid in killed:  # what has a session of its own
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@test
def a_job_left_to_a_cluster_that_forgot_it_is_submitted_again(folder):
    hold = folder / "hold"
    arguments = [*EXPLAIN_ADULT, "--seed", "3", "--method", "permutation", "--nsamples", "500"]
    python = python_with(folder, WINDLASS_SYNC_POINTS=f"explain.block@5=hold:{hold}")
    job = run(folder / "a", "--detach", where=engine(python=python),
              arguments=arguments).stdout.strip()
    wait_for(hold.exists, 120, "the job's fifth block")
    replace_the_head()
    hold.unlink(missing_ok=True)
    cluster.start_node(0, 2)
    info = shown(job)
    assert info["state"] == "died" and "has forgotten it, as its head was replaced" in info["error"]
    assert f"windlass job wait {job}" in info["error"] and listed()[job]["state"] == "died", info
    waiting = subprocess.Popen(
        [WINDLASS, "job", "wait", job, "--engine", engine()], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: hold.exists() or waiting.poll() is not None, 120, "its second try")
    hold.unlink(missing_ok=True)
    _, errors = waiting.communicate(timeout=240)
    assert waiting.returncode == 0 and "submits it again" in errors, (waiting.returncode, errors)
    again = listed()[f"{job}-r1"]
    assert job not in listed() and again["restarts"] == 1, listed()
    jobs("fetch", job)  # what its id begins
    assert tasks(folder / "a")["recalled"] >= 4, tasks(folder / "a")
    command(*arguments, "-b", 64, "--no-memo", "--out", folder / "local")
    assert outputs(folder / "a") == outputs(folder / "local")


@test
def a_head_that_is_replaced_forgets_and_the_job_goes_on(folder):
    """Last: it takes longest."""
    hold = folder / "hold"
    python = python_with(folder, WINDLASS_SYNC_POINTS=f"explain.block@20=hold:{hold}")
    process = background(folder / "a", where=engine(python=python))
    errors = io.StringIO()
    reader = threading.Thread(target=lambda: [errors.write(line) for line in process.stderr],
                              daemon=True)
    reader.start()
    wait_for(hold.exists, 120, "the job's twentieth block")
    replace_the_head()
    hold.unlink(missing_ok=True)
    cluster.start_node(0, 2)
    # The second try holds there as well, having gone on from what was remembered.
    wait_for(lambda: "submits it again" in errors.getvalue() or process.poll() is not None, 300,
             "the command to notice")
    wait_for(lambda: hold.exists() or process.poll() is not None, 300, "its second try")
    hold.unlink(missing_ok=True)
    process.wait(timeout=300)
    reader.join(timeout=30)
    assert process.returncode == 0, errors.getvalue()
    assert "has forgotten job" in errors.getvalue() and "its head was replaced" in errors.getvalue()
    assert outputs(folder / "a") == local(folder)
    assert tasks(folder / "a")["recalled"] >= 19, tasks(folder / "a")
    [job] = listed().values()
    assert job["restarts"] == 1 and job["id"].endswith("-r1"), job
    assert "RESTARTS" in jobs("list").stdout


main()
