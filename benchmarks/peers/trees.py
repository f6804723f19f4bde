"""What the peers share that explain XGBoost's trees: the tables, and trees as shap takes them."""

import json
import pathlib

import protocol


def tables(job):
    """Returns (rows, background): doubles, whose values are float32, as XGBoost compares them."""
    rows = protocol.read_table(job["data"], start=job["first_row"], count=job["rows"])
    return rows, protocol.read_table(job["background"])


def dictionary(job):
    """The trees of `model` (its .json) as the dict that shap's and fasttreeshap's TreeExplainer take.

    They go left at x <= threshold, XGBoost at x < threshold: thresholds are one float32 lower.
    """
    import numpy as np

    text = pathlib.Path(job["model"]).with_suffix(".json").read_text()
    trees = []
    for tree in json.loads(text)["learner"]["gradient_booster"]["model"]["trees"]:
        left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
        conditions = np.array(tree["split_conditions"], np.float32)
        leaf = left < 0
        trees.append({
            "children_left": left, "children_right": right,
            "children_default": np.where(np.array(tree["default_left"]) == 1, left, right),
            "features": np.where(leaf, -2, tree["split_indices"]),
            "thresholds": np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64),
            "values": np.where(leaf, conditions, 0).astype(np.float64)[:, None],
            "node_sample_weight": np.array(tree["sum_hessian"], np.float64),
        })
    return {"trees": trees, "input_dtype": np.float32}


def report(job, peer, setup, clock, values, modules):
    """`setup` is the clock of what counts as loading the model, beside the result."""
    protocol.report(job, peer, clock, values, None, None, modules, setup_wall_s=setup.wall_s,
                    setup_cpu_s=setup.cpu_s)
