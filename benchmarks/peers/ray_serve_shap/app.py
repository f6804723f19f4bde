"""Peer: the published design on Ray Serve: replicas that hold shap's KernelExplainer, single rows
put together by Ray Serve (its mode 'ray') or sent as they come. `app.py PORT REPLICAS`; POST /infer
and /explain take {"array": [[row], ...]}, as there. Prints "ready" and serves until SIGTERM.

https://github.com/alexcoca/DistributedKernelShap, written anew for Ray 2: batches by
`serve.batch`, at most 10 rows, 10 ms; the model is the same, in NumPy, and gives one class, which
spares shap the second regression.
"""

import json
import pathlib
import signal
import sys
import threading
import warnings

ADULT = pathlib.Path(__file__).resolve().parents[3] / "examples" / "adult"
MOST_ROWS, WAIT_SECONDS = 10, 0.01


def deployment(replicas):
    from ray import serve

    @serve.deployment(num_replicas=replicas, max_ongoing_requests=100,
                      ray_actor_options={"num_cpus": 1})
    class Explainer:
        def __init__(self):
            import numpy as np
            import pyarrow.parquet as pq
            import shap
            from shap.utils._legacy import DenseData

            warnings.filterwarnings("ignore", module="shap")
            model = json.loads((ADULT / "model.json").read_text())
            coef, intercept = np.ravel(model["coef"]), np.ravel(model["intercept"])[0]
            table = pq.read_table(ADULT / "background.parquet")
            names = table.column_names
            background = np.stack([table[name].to_numpy() for name in names], axis=1)
            groups = json.loads((ADULT / "groups.json").read_text())
            members = [[names.index(c) if isinstance(c, str) else c for c in columns]
                       for columns in groups.values()]

            def predict(x):
                return 1 / (1 + np.exp(-(x @ coef + intercept)))

            self._np, self._predict = np, predict
            self._explainer = shap.KernelExplainer(
                predict, DenseData(background, list(groups), members), link="logit")

        @serve.batch(max_batch_size=MOST_ROWS, batch_wait_timeout_s=WAIT_SECONDS)
        async def infer(self, rows):
            return self._predict(self._np.concatenate(rows)).tolist()

        @serve.batch(max_batch_size=MOST_ROWS, batch_wait_timeout_s=WAIT_SECONDS)
        async def explain(self, rows):
            found = self._explainer.shap_values(self._np.concatenate(rows), l1_reg=0, silent=True)
            return self._np.asarray(found).tolist()

        async def __call__(self, request):
            rows = self._np.asarray((await request.json())["array"], dtype=float)
            work = self.infer if request.url.path == "/infer" else self.explain
            return {"data": await work(rows)}

    return Explainer


def main():
    port, replicas = int(sys.argv[1]), int(sys.argv[2])
    import ray
    from ray import serve

    ray.init(address="local", include_dashboard=False, log_to_driver=False, num_cpus=replicas)
    serve.start(http_options={"host": "127.0.0.1", "port": port},
                logging_config={"log_level": "WARNING", "enable_access_log": False})
    serve.run(deployment(replicas).bind(), route_prefix="/")
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    print("ready", flush=True)
    stopped.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
