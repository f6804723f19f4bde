"""`windlass cluster` against a real Kubernetes, KubeRay and Ray; test.sh brings them up.

The tests go on where the ones before them stopped. All but the operator's coming and going is done
as a ServiceAccount that has deploy/role.yaml in its namespace and nothing else.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "invariance"))
from invariance import outputs  # noqa: E402
from support import EXPLAIN_ADULT, ROOT, main, test, windlass  # noqa: E402

IMAGE = os.environ["RAY_IMAGE"]
ADMIN = os.environ["KUBECONFIG"]
MANIFEST = os.environ["KUBERAY_MANIFEST"]
NAMESPACE = "ml"


def small(head_cpu="1"):
    """What fits on the node beside the operator and DNS, with up to two workers."""
    return ["--image", IMAGE, "--head-cpu", head_cpu, "--head-memory", "2Gi", "--worker-cpu",
            "300m", "--worker-memory", "1Gi"]


SMALL = small()
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="windlass-kubernetes-"))


def kubectl(*arguments, check=True, text=None):
    result = subprocess.run(["kubectl", *map(str, arguments)], capture_output=True, text=True,
                            input=text, timeout=180, check=False)
    assert result.returncode == 0 or not check, result.stderr
    return result.stdout


def kubeconfig_of(account):
    """A kubeconfig that is this ServiceAccount's and nobody else's."""
    token = kubectl("-n", NAMESPACE, "create", "token", account, "--duration=3h").strip()
    path = FOLDER / f"{account}.kubeconfig"
    text = re.sub(r"\{token: [^}]*\}", "{token: " + token + "}", pathlib.Path(ADMIN).read_text())
    path.write_text(text.replace("namespace: default", f"namespace: {NAMESPACE}"))
    path.chmod(0o600)
    return path


def user(*arguments, account="windlass", **how):
    """The command as a ServiceAccount would run it."""
    return windlass("cluster", *arguments, env={"KUBECONFIG": str(FOLDER / f"{account}.kubeconfig")},
                    timeout=600, **how)


def administrator(*arguments, **how):
    return windlass("cluster", *arguments, "--namespace", NAMESPACE, timeout=600, **how)


def left_of(cluster):
    """Everything in the namespace that the cluster made."""
    kinds = "pods,services,rayclusters,serviceaccounts,roles,rolebindings,jobs,secrets,configmaps"
    names = kubectl("-n", NAMESPACE, "get", kinds, "-o", "name").split()
    return [name for name in names if name.split("/")[1].startswith(cluster)]


def containers():
    return subprocess.run(
        ["ctr", "-a", os.environ["CONTAINERD"], "-n", "k8s.io", "containers", "ls"],
        capture_output=True, text=True, check=True).stdout.count(IMAGE)


def wait_for(what, seconds, condition):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.5)
    return value


def fails(result, *texts):
    assert result.returncode != 0, result.stdout
    for text in texts:
        assert text in result.stderr, f"{text!r} is not in: {result.stderr}"


@test
def a_user_may_not_put_the_operator_in(_):
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")  # of a run before
    kubectl("create", "namespace", NAMESPACE)
    kubectl("apply", "-n", NAMESPACE, "-f", ROOT / "deploy/role.yaml")
    kubectl("-n", NAMESPACE, "create", "serviceaccount", "nobody")
    for account in ("windlass", "nobody"):
        kubeconfig_of(account)
    result = user("start", "demo", *SMALL, "--operator-manifest", MANIFEST, check=False)
    fails(result, f"system:serviceaccount:{NAMESPACE}:windlass may not")
    assert user("list").stdout.split("\n")[0].startswith("NAME"), "no operator, no clusters"


@test
def the_operator_comes_by_a_manifest(_):
    result = administrator("start", "first", *SMALL, "--workers", "0", "--operator-manifest",
                           MANIFEST, "--json")
    started = json.loads(result.stdout)
    assert started["operator_put_in"] and started["ready"], started
    assert [pod["node_type"] for pod in started["pods"]] == ["head"]
    assert "putting in the KubeRay operator from" in result.stderr
    administrator("stop", "first")
    assert not left_of("first"), left_of("first")


@test
def a_user_starts_a_cluster(_):
    result = user("start", "demo", *SMALL, "--workers", "1", "--json")
    started = json.loads(result.stdout)
    assert not started["operator_put_in"], "an operator that came by other means is used"
    assert started["ready"] and started["state"] == "ready", started
    assert started["workers"] == {"wanted": 1, "least": 1, "most": 1, "ready": 1}
    assert "1 of 1 workers ready" in result.stderr, "progress"
    assert "deploy/nodes.yaml" in result.stderr, "sizes could not be checked, and that is said"
    again = json.loads(user("start", "demo", *SMALL, "--workers", "1", "--json").stdout)
    assert again["pods"] == started["pods"], "starting what runs does nothing"
    fails(user("start", "demo", *small(head_cpu="900m"), check=False),
          "cluster demo runs with other settings")


@test
def ray_runs_in_it(_):
    head = kubectl("-n", NAMESPACE, "get", "pods", "-l",
                   "ray.io/cluster=demo,ray.io/node-type=head", "-o", "name").strip()
    status = kubectl("-n", NAMESPACE, "exec", head, "-c", "ray-head", "--", "python", "-c",
                     "import ray; ray.init(log_to_driver=False); "
                     "print(sum(node['Alive'] for node in ray.nodes()), ray.__version__)")
    assert status.split() == ["2", os.environ["RAY_VERSION"]], status


@test
def inspect_says_where_it_is(_):
    text = user("inspect", "demo").stdout
    pods = json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-l", "ray.io/cluster=demo", "-o",
                              "json"))["items"]
    assert len(pods) == 2
    for pod in pods:
        row = [pod["metadata"]["name"], pod["metadata"]["labels"]["ray.io/node-type"], "Running",
               "yes", "0", pod["status"]["podIP"], "node1"]
        assert re.search(r"\s+".join(map(re.escape, row)), text), (row, text)
    endpoint = re.search(r"endpoint\s+(http://\S+:8265)", text)[1]
    answer = subprocess.run(
        ["nsenter", "--net=" + os.environ["NODE_NAMESPACE"], "curl", "-sf", "--max-time", "20",
         endpoint + "/api/version"], capture_output=True, text=True, check=True).stdout
    assert json.loads(answer)["ray_version"] == os.environ["RAY_VERSION"]
    assert f"http://demo-head-svc.{NAMESPACE}.svc:8265" in text
    fails(user("inspect", "dem", check=False), 'there is no cluster "dem"; did you mean "demo"?')


@test
def list_shows_it(_):
    lines = user("list").stdout.splitlines()
    assert len(lines) == 2 and re.match(rf"demo\s+{NAMESPACE}\s+ready\s+1/1\s", lines[1]), lines
    assert [c["name"] for c in json.loads(user("list", "--json").stdout)] == ["demo"]
    fails(user("list", "--all-namespaces", check=False), "may not list rayclusters",
          "in the whole cluster: an administrator can allow it")
    assert "demo" in windlass("cluster", "list", "-A").stdout


@contextlib.contextmanager
def dashboard(*arguments):
    process = subprocess.Popen(
        [os.environ["WINDLASS"], "cluster", "dashboard", *arguments],
        env={**os.environ, "KUBECONFIG": str(FOLDER / "windlass.kubeconfig")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def get(url):
    # No proxy stands between this machine and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return None


@test
def the_dashboard_comes_here_and_survives_its_head(_):
    with dashboard("demo", "--port", "0", "--json") as process:
        url = json.loads(process.stdout.readline())["url"]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        before = get(url + "/api/version")
        assert before["ray_version"] == os.environ["RAY_VERSION"], before
        selector = "ray.io/cluster=demo,ray.io/node-type=head"
        kubectl("-n", NAMESPACE, "delete", "pods", "-l", selector, "--force", "--grace-period=0")
        wait_for("an answer of another head", 180, lambda: (
            get(url + "/api/version") or before)["session_name"] != before["session_name"])
        process.send_signal(2)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0, (process.returncode, errors)
        assert "the head is lost; waiting for the next one" in errors, errors
    fails(user("dashboard", "demoo", check=False), 'did you mean "demo"?')


@test
def workers_come_and_go(_):
    result = user("scale", "demo", "--workers", "2", "--json")
    scaled = json.loads(result.stdout)
    assert scaled["ready"] and scaled["workers"]["ready"] == 2, scaled
    assert len(scaled["pods"]) == 3
    scaled = json.loads(user("scale", "demo", "--workers", "1", "--json").stdout)
    assert scaled["ready"] and len(scaled["pods"]) == 2, scaled
    fails(user("scale", "demo", "--workers", "1:2", check=False),
          "was started without an autoscaler")


@test
def nothing_is_left_of_it(_):
    assert user("stop", "demo").stdout == "Stopped demo: no Pod and no Service of it is left.\n"
    assert not left_of("demo"), left_of("demo")
    wait_for("the end of its containers", 60, lambda: containers() == 0)
    fails(user("stop", "demo", check=False), 'there is no cluster "demo"')


STORE = pathlib.Path("/var/tmp/windlass-kubernetes-store")
# Long enough for a Pod to be killed in the middle of it.
LONG = [*EXPLAIN_ADULT, "--method", "permutation", "--nsamples", "400000", "-b", "8"]


@contextlib.contextmanager
def jobs_engine():
    """What --engine is through the dashboard's forwarding, as the ServiceAccount."""
    with dashboard("jobs", "--port", "0", "--json") as process:
        engine = json.loads(process.stdout.readline())["engine"]
        yield engine + ("&" if "?" in engine else "?") + "store=/store"


class Explaining:
    """A job of this machine's command on the Pods, while it runs."""

    def __init__(self, engine, out, arguments):
        self.engine = engine
        self._process = subprocess.Popen(
            [os.environ["WINDLASS"], *map(str, arguments), "--engine", engine, "-w", "2",
             "--out", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_for(self, done):
        """Until this part of it is done; gives the job."""
        def looked():
            assert self._process.poll() is None, self._process.communicate()
            listed = windlass("job", "list", "--engine", self.engine, "--json", check=False).stdout
            for job in json.loads(listed) if listed else []:
                if job["state"] == "running" and job["total"] and job["done"] > done * job["total"]:
                    return job
            return None
        return wait_for(f"{done:.0%} of a job", 240, looked)

    def end(self):
        out, errors = self._process.communicate(timeout=600)
        assert self._process.returncode == 0, errors
        return errors


def pods_of(cluster, node_type):
    return set(kubectl("-n", NAMESPACE, "get", "pods", "-l",
                       f"ray.io/cluster={cluster},ray.io/node-type={node_type}", "-o",
                       "name").split())


def pod_of(node_type):
    return sorted(pods_of("jobs", node_type))[0]


def kill(pod):
    kubectl("-n", NAMESPACE, "delete", pod, "--force", "--grace-period=0")


def for_jobs():
    """What a cluster is started with that has Windlass and keeps its store when its head is lost."""
    shutil.rmtree(STORE, ignore_errors=True)  # of another run, which would leave nothing to compute
    STORE.mkdir()
    STORE.chmod(0o777)  # the Pods' user has another number
    values = FOLDER / "jobs.yaml"
    values.write_text(f"""
head:
  rayStartParams: {{num-cpus: 0}}
  volumes: [{{name: store, hostPath: {{path: {STORE}}}}}]
  volumeMounts: [{{name: store, mountPath: /store}}]
""")
    return ["-f", values, "--image", os.environ["WINDLASS_IMAGE"], "--ray-version",
            os.environ["RAY_VERSION"], "--head-cpu", "700m", "--head-memory", "3Gi",
            "--worker-cpu", "400m", "--worker-memory", "1Gi"]


def bench_command(cluster, *arguments):
    return ["bench", "explain", "--cluster", cluster, "--cluster-options", "store=/store", "-b",
            "256", "--warm-up", "0", *map(str, arguments)]


def bench(cluster, *arguments, **how):
    return windlass(*bench_command(cluster, *arguments), timeout=900,
                    env={"KUBECONFIG": str(FOLDER / "windlass.kubeconfig")}, **how)


@test
def bench_starts_a_cluster_measures_both_modes_and_stops_it(folder):
    result = bench("sweep", *for_jobs(), "-w", "1", "2", "--mode", "both", "--nruns", "2", "--out",
                   folder / "results", "--json")
    document = json.loads(result.stdout)
    assert [(s["workers"], s["mode"]) for s in document["samples"]] == [
        (workers, mode) for workers in (1, 2) for _ in range(2) for mode in ("pool", "serve")]
    assert document["mode"] == "both" and document["engine"] == "cluster sweep", document
    for sample in document["samples"]:
        assert sample["rows"] == 2560 and sample["wall_s"] > 0, sample
        assert sample["tasks"] == (2560 if sample["mode"] == "serve" else 10), sample
    assert "stopping cluster sweep, which the sweep started" in result.stderr, result.stderr
    assert not left_of("sweep"), left_of("sweep")
    if artifacts := os.environ.get("ARTIFACTS"):
        shutil.copytree(folder / "results", artifacts, dirs_exist_ok=True)


@test
def bench_interrupted_stops_what_it_started(folder):
    process = subprocess.Popen(
        [os.environ["WINDLASS"], *map(str, bench_command(
            "sweep", *for_jobs(), "-w", "1", "--out", folder / "results"))],
        env={**os.environ, "KUBECONFIG": str(FOLDER / "windlass.kubeconfig")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for("the cluster's Pods", 60, lambda: pods_of("sweep", "head"))
    process.send_signal(2)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, (process.returncode, errors)
    assert not left_of("sweep"), left_of("sweep")
    assert not (folder / "results").exists(), "nothing was measured"


@test
def a_cluster_for_jobs(_):
    started = json.loads(user("start", "jobs", *for_jobs(), "--workers", "2", "--json").stdout)
    assert started["ready"] and started["workers"]["ready"] == 2, started


@test
def explain_on_the_pods_gives_the_local_bytes(folder):
    with jobs_engine() as engine:
        windlass(*EXPLAIN_ADULT, "--engine", engine, "-w", "2", "--out", folder / "pods",
                 timeout=600)
        windlass(*EXPLAIN_ADULT, "--out", folder / "local")
        assert outputs(folder / "pods") == outputs(folder / "local")
        run = json.loads((folder / "pods/run.json").read_text())
        assert run["workers"] == 2, run
        listed = json.loads(windlass("job", "list", "--engine", engine, "--json").stdout)
        assert [job["state"] for job in listed] == ["succeeded"], listed
        log = windlass("job", "logs", listed[0]["id"], "--engine", engine).stdout
        assert listed[0]["id"] in log, log
        shown = windlass("job", "show", listed[0]["id"], "--engine", engine).stdout
        assert "succeeded" in shown, shown


@test
def bench_grows_the_cluster(folder):
    before = pods_of("jobs", "worker")
    result = bench("jobs", "-w", "1", "2", "--nruns", "2", "--json", "--out", folder / "results")
    samples = json.loads(result.stdout)["samples"]
    assert [s["workers"] for s in samples] == [1, 1, 2, 2] and samples[0]["rows"] == 2560, samples
    assert json.loads(user("inspect", "jobs", "--json").stdout)["workers"]["wanted"] == 2
    assert not before & pods_of("jobs", "worker"), "all workers are new ones"
    fails(bench("jbs", "--out", folder / "results", check=False), 'did you mean "jobs"?',
          "say which image has Windlass")


@test
def a_worker_pod_killed_in_a_job(folder):
    windlass(*LONG, "--out", folder / "local")
    with jobs_engine() as engine:
        job = Explaining(engine, folder / "pods", LONG)
        job.wait_for(0.1)
        kill(pod_of("worker"))
        job.end()
    assert outputs(folder / "pods") == outputs(folder / "local")


@test
def the_head_pod_killed_in_a_job(folder):
    arguments = [*LONG, "--seed", "7"]
    windlass(*arguments, "--out", folder / "local")
    with jobs_engine() as engine:
        job = Explaining(engine, folder / "pods", arguments)
        before = job.wait_for(0.3)
        kill(pod_of("head"))
        said = job.end()
        assert "forgotten" in said or "forgot" in said, said
        after = json.loads(windlass("job", "list", "--engine", engine, "--json").stdout)[0]
    assert after["restarts"] == 1, after
    assert outputs(folder / "pods") == outputs(folder / "local")
    recalled = json.loads((folder / "pods/run.json").read_text())["tasks"]["recalled"]
    assert recalled >= 0.2 * before["total"] / 8, (recalled, before)
    user("stop", "jobs")
    assert not left_of("jobs"), left_of("jobs")


@test
def a_values_file_of_the_chart(_):
    values = FOLDER / "values.yaml"
    values.write_text(f"""
image: {{repository: {IMAGE.rsplit(":", 1)[0]}, tag: {IMAGE.rsplit(":", 1)[1]}}}
head:
  rayVersion: {os.environ["RAY_VERSION"]}
  nodeSelector: {{kubernetes.io/hostname: node1}}
  rayStartParams: {{num-cpus: 1}}
  securityContext: {{allowPrivilegeEscalation: false}}
  ressources: {{}}
  resources:
    limits: {{cpu: "1", memory: 2Gi}}
    requests: {{cpu: 500m, memory: 2Gi}}
worker:
  groupName: small
  replicas: 3
  minReplicas: 0
  maxReplicas: 3
  tolerations: [{{key: dedicated, operator: Exists}}]
  resources:
    limits: {{cpu: 300m, memory: 1Gi}}
    requests: {{cpu: 300m, memory: 1Gi}}
""")
    result = user("start", "chart", "-f", values, "--workers", "1", "--json")
    assert json.loads(result.stdout)["ready"]
    assert 'head.ressources is not known and does nothing; did you mean "resources"?' in result.stderr
    assert "resources.requests.cpu is 500m, but limits.cpu is 1" in result.stderr
    pod = json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-l", "ray.io/group=small", "-o",
                             "json"))["items"][0]["spec"]
    assert {"key": "dedicated", "operator": "Exists"} in pod["tolerations"]
    user("stop", "chart")
    assert not left_of("chart"), left_of("chart")


@test
def ray_decides_between_two_numbers(_):
    result = user("start", "auto", *small(head_cpu="800m"), "--workers", "1:2", "--json")
    started = json.loads(result.stdout)
    assert started["ready"] and started["autoscaled"], started
    assert started["workers"]["least"] == 1 and started["workers"]["most"] == 2
    fails(user("scale", "auto", "--workers", "3:2", check=False), "MIN:MAX needs MIN at most MAX")
    user("stop", "auto")
    assert not left_of("auto"), left_of("auto")


@test
def what_cannot_be_placed_is_said(_):
    result = user("start", "large", "--image", IMAGE, "--head-cpu", "64", "--timeout", "15s",
                  check=False)
    fails(result, "cluster large was not ready within", "no node can take it",
          "Insufficient cpu", "windlass cluster stop large")
    user("stop", "large")
    # Someone who may list the nodes is warned before.
    result = administrator("start", "large", "--image", IMAGE, "--head-cpu", "64", "--workers", "9",
                           "--timeout", "5s", check=False)
    fails(result, "the head asks for 64 CPU", "ask for at most 1 CPU",
          "10 agents (the head and its workers) are more than the nodes there are now, 1")
    administrator("stop", "large")
    assert not left_of("large")


@test
def an_unknown_image_is_said(_):
    result = user("start", "none", "--image", "registry.local/none:1", "--ray-version", "2.60.0",
                  "--timeout", "3m", check=False)
    fails(result, "the image registry.local/none:1 cannot be pulled", "registry.local",
          "windlass cluster stop none")
    assert "not ready within" not in result.stderr, "it is given up before its time is over"
    user("stop", "none")


@test
def a_crash_is_said_with_its_last_words(_):
    values = FOLDER / "crash.yaml"
    values.write_text("head: {rayStartParams: {no-such-option: 1}}\n")
    result = user("start", "crash", "-f", values, *SMALL, "--timeout", "4m", check=False)
    fails(result, "container ray-head crashes again and again", "exit code",
          "its log ends with:", "no-such-option", "windlass cluster stop crash")
    user("stop", "crash")


@test
def a_missing_permission_is_said(_):
    fails(user("start", "demo", *SMALL, account="nobody", check=False),
          f"system:serviceaccount:{NAMESPACE}:nobody may not get rayclusters in namespace "
          f"{NAMESPACE}: ask for what deploy/role.yaml grants")
    fails(user("list", account="nobody", check=False), "may not list rayclusters")
    fails(user("list", "--namespace", "default", check=False),
          "may not list rayclusters in namespace default")
    fails(user("list", "--context", "tset", check=False),
          'context "tset" does not exist; did you mean "test"?')


@test
def what_kubernetes_refuses_is_passed_on(_):
    values = FOLDER / "refused.yaml"
    values.write_text("head: {affinity: {nodeAfinity: {}}}\n")
    fails(user("start", "demo", "-f", values, check=False), "unknown field", "nodeAfinity")
    assert not left_of("demo")


@test
def the_operator_goes_as_it_came(_):
    fails(administrator("stop", "demo", "--operator", check=False), "did not come by Helm")
    administrator("start", "last", *SMALL, "--workers", "0")
    fails(administrator("stop", "demo", "--operator", "--operator-manifest", MANIFEST, check=False),
          "the KubeRay operator is still needed", f"last in namespace {NAMESPACE}")
    result = administrator("stop", "last", "--operator", "--operator-manifest", MANIFEST)
    assert result.stdout.endswith("Took the KubeRay operator out.\n"), result.stdout
    assert kubectl("get", "--raw", "/apis/ray.io/v1", check=False) == ""
    assert "kuberay" not in kubectl("get", "deployments,pods", "-A", "-o", "name")


def make_chart():
    """What the manifest has, as a chart of the name that KubeRay's own has."""
    chart = FOLDER / "chart"
    (chart / "crds").mkdir(parents=True)
    (chart / "templates").mkdir()
    version = os.environ["KUBERAY_VERSION"]
    (chart / "Chart.yaml").write_text(
        f"apiVersion: v2\nname: kuberay-operator\nversion: {version}\n")
    for crd in pathlib.Path(os.environ["KUBERAY_CRDS"]).glob("*.yaml"):
        (chart / "crds" / crd.name).write_text(crd.read_text())
    rest = [part for part in pathlib.Path(MANIFEST).read_text().split("\n---\n")
            if "kind: CustomResourceDefinition" not in part]
    text = "\n---\n".join(rest).replace("namespace: default", "namespace: {{ .Release.Namespace }}")
    (chart / "templates/operator.yaml").write_text(text)
    return chart


@test
def the_operator_comes_and_goes_by_helm(_):
    started = administrator("start", "helm", *SMALL, "--workers", "0", "--operator-chart",
                            make_chart(), "--json")
    assert json.loads(started.stdout)["operator_put_in"], started.stdout
    assert "kuberay-operator" in subprocess.run(["helm", "list", "-n", NAMESPACE], check=True,
                                                capture_output=True, text=True).stdout
    administrator("stop", "helm", "--operator")
    assert kubectl("get", "--raw", "/apis/ray.io/v1", check=False) == ""
    assert "kuberay" not in kubectl("get", "deployments,pods,secrets", "-A", "-o", "name")


main()
