"""What a user does first with an installed wheel: argument FOLDER, an empty one for outputs.

Run by tests/package/test.sh in environments that have different things beside Windlass.
"""

import json
import os
import subprocess
import sys


def main(folder):
    beside = [name for name in os.environ.get("IMPORT_FIRST", "").split(",") if name]
    for name in beside:
        __import__(name)

    import windlass

    assert os.path.realpath(windlass.__file__).startswith(os.path.realpath(sys.prefix)), (
        windlass.__file__
    )
    for name in (name for name in os.environ.get("IMPORT_AFTER", "").split(",") if name):
        __import__(name)

    import numpy

    background = numpy.arange(40.0).reshape(10, 4) % 7
    rows = background[:3] + 0.5
    weights = numpy.array([1.0, -2.0, 0.5, 3.0])
    found = windlass.Explainer(lambda x: x @ weights, background)(rows)
    assert numpy.allclose(found.values, (rows - background.mean(0)) * weights, atol=1e-12)

    # The command of the same environment, on the files that travel with it.
    command = os.path.join(os.path.dirname(sys.executable), "windlass")
    adult = os.path.join(os.path.dirname(windlass.__file__), "share/windlass/examples/adult")
    environment = {**os.environ, "WINDLASS_HOME": os.path.join(folder, "home")}
    model = "model.onnx?opaque=1" if os.environ.get("WITH_ONNX") else "model.json"
    done = subprocess.run(
        [command, "explain", "--model", f"{adult}/{model}", "--data", f"{adult}/background.parquet",
         "--background", f"{adult}/background.parquet", "--groups", f"{adult}/groups.json",
         "--link", "logit", "--method", "exact", "--out", os.path.join(folder, "out"), "--json"],
        capture_output=True, text=True, env=environment, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["rows"] == 100, done.stdout
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.split()[1] == windlass.__version__, version.stdout
    print(f"ok python {sys.version.split()[0]}, before: {beside or 'nothing'}")


if __name__ == "__main__":
    main(sys.argv[1])
