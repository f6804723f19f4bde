#!/usr/bin/env python3
"""Writes model.onnx, the double-precision ONNX form of model.json.

    python export_onnx.py

Needs numpy, pyarrow, onnx and onnxruntime; checks with onnxruntime that the graph predicts what the
coefficients say. Gemm and Sigmoid are used because the linear operators of ai.onnx.ml work in
single precision, which would cost an exact explanation half of its digits.
"""

import json
import os
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper

OPSET = 13
IR_VERSION = 8
TOLERANCE = 1e-15  # of a probability


def build(model):
    """Returns the graph: x [N, columns] -> Gemm -> Sigmoid -> probability [N, 1], all double."""
    coef = np.array(model["coef"], dtype=np.float64).reshape(-1, 1)
    intercept = np.array([model["intercept"]], dtype=np.float64)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "coef", "intercept"], ["margin"], name="margin"),
         helper.make_node("Sigmoid", ["margin"], ["probability"], name="probability")],
        "adult_logistic_regression",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["N", len(coef)])],
        [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, ["N", 1])],
        [numpy_helper.from_array(coef, "coef"), numpy_helper.from_array(intercept, "intercept")],
        doc_string="Logistic regression of the UCI Adult data: probability that a person's income "
                   "is above 50K a year, from 49 standardised and one-hot columns.")
    onnx_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)],
                                   producer_name="windlass examples/adult/export_onnx.py",
                                   doc_string=graph.doc_string)
    onnx_model.ir_version = IR_VERSION
    helper.set_model_props(onnx_model, {"columns": json.dumps(model["columns"]),
                                        "output": model["outputs"][0]})
    onnx.checker.check_model(onnx_model, full_check=True)
    return onnx_model


def main():
    here = pathlib.Path(__file__).resolve().parent
    model = json.loads((here / "model.json").read_text())
    content = build(model).SerializeToString(deterministic=True)

    table = pq.read_table(here / "adult.parquet", columns=model["columns"])
    rows = np.stack([column.to_numpy() for column in table.columns], axis=1)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = session.run(["probability"], {"x": rows})[0][:, 0]
    margin = rows @ np.array(model["coef"]) + model["intercept"]
    error = np.max(np.abs(found - 1 / (1 + np.exp(-margin))))
    if not error <= TOLERANCE:
        sys.exit(f"onnxruntime's probabilities differ from the coefficients' by {error}")

    beside = here / "model.onnx.part"
    beside.write_bytes(content)
    os.replace(beside, here / "model.onnx")
    print(f"model.onnx: {len(content)} bytes, probabilities within {error:.1e} "
          f"over {len(rows)} rows")


if __name__ == "__main__":
    main()
