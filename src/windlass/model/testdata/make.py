"""Makes the ONNX models of the tests, and what ONNX Runtime predicts with them.

    pip install onnx==1.23.2 onnxruntime==1.32.0 skl2onnx==1.20.0 scikit-learn==1.9.1
    python make.py

Writes <name>.onnx beside itself, and expected.json: for each model whether it is linear, the names
of its outputs, rows of inputs, and the outputs that the runtime computes for them. `linear` is the
truth that the recogniser is tested against: it is stated here by hand, not computed.
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
RANDOM = np.random.default_rng(0)
COLUMNS = 3
ROWS = RANDOM.normal(size=(7, COLUMNS)) * [1, 20, 0.05] + [0, 300, 1]
expected = {}


def numbers(*shape):
    return RANDOM.normal(size=shape)


def save(name, model, linear, probabilities=None, outputs=None, rows=ROWS, activation=None):
    """`probabilities` names the output to compare, where there are several."""
    model.producer_version = ""
    model.graph.name = name  # skl2onnx writes a random one
    onnx.checker.check_model(model)
    path = HERE / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    assert path.stat().st_size < 4096, (name, path.stat().st_size)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options,
                                           providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    feeds, start = {}, 0
    for item in session.get_inputs():
        width = item.shape[1] if len(item.shape) == 2 else 1
        part = rows[:, start:start + width].astype(kinds[item.type])
        feeds[item.name] = part if len(item.shape) == 2 else part[:, 0]
        start += width
    assert start == rows.shape[1]
    chosen = probabilities or session.get_outputs()[0].name
    batch = session.get_inputs()[0].shape[0]
    if isinstance(batch, int):  # a fixed batch: in parts, the last one filled up
        parts = []
        for begin in range(0, len(rows), batch):
            at = [min(i, len(rows) - 1) for i in range(begin, begin + batch)]
            parts.append(session.run([chosen], {k: v[at] for k, v in feeds.items()})[0])
        values = np.concatenate(parts)[:len(rows)]
    else:
        values = session.run([chosen], feeds)[0]
    if isinstance(values, list):  # ZipMap
        values = np.array([list(row.values()) for row in values])
    values = np.asarray(values, dtype=np.float64).reshape(len(rows), -1)
    expected[name] = {
        "linear": linear,
        "activation": activation,
        "double": all(item.type == "tensor(double)" for item in session.get_inputs()),
        "outputs": outputs or [str(i) for i in range(values.shape[1])],
        "x": rows.tolist(),
        "y": values.tolist(),
    }


def graph(name, nodes, weights, linear, kind=TensorProto.DOUBLE, width=None, batch="N",
          opsets=None, output_shape=None, inputs=None, **kwargs):
    inputs = inputs or [helper.make_tensor_value_info("x", kind, [batch, COLUMNS])]
    outputs = [helper.make_tensor_value_info("y", kind, output_shape or [batch, width])]
    made = helper.make_graph(
        nodes, name, inputs, outputs,
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()])
    opsets = opsets or {"": 17}
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid(k, v) for k, v in opsets.items()], ir_version=8)
    save(name, model, linear, **kwargs)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def by_hand():
    graph("gemm_sigmoid", [node("Gemm", "x w b", "z", transB=1), node("Sigmoid", "z", "y")],
          {"w": numbers(1, COLUMNS) * [1, 0.01, 1], "b": numbers(1)}, True, width=1,
          activation="sigmoid")
    graph("matmul_add_softmax",
          [node("MatMul", "x w", "m"), node("Add", "b m", "z"), node("Softmax", "z", "y", axis=-1)],
          {"w": numbers(COLUMNS, 3) * [[1], [0.01], [1]], "b": numbers(3)}, True, width=3,
          activation="softmax")
    graph("gemm_alpha_beta",
          [node("Gemm", "x w b", "y", alpha=0.5, beta=-2.0)],
          {"w": numbers(COLUMNS, 2), "b": numbers(1, 2)}, True, width=2, activation="identity")
    graph("arithmetic",  # 3 - ((x - a) * s / d) . w, every place of a constant
          [node("Identity", "x", "i"), node("Sub", "i a", "c"), node("Mul", "s c", "m"),
           node("Div", "m d", "e"), node("Flatten", "e", "f", axis=1), node("MatMul", "f w", "g"),
           node("Sub", "three g", "h"), node("Neg", "h", "n"), node("Squeeze", "n axes", "q"),
           node("Reshape", "q shape", "y")],
          {"a": numbers(COLUMNS), "s": numbers(1, COLUMNS), "d": np.float64(2.5),
           "w": numbers(COLUMNS, 1), "three": np.float64(3), "axes": np.array([1]),
           "shape": np.array([-1, 1])},
          True, width=1, activation="identity")
    graph("constants",  # weights in Constant nodes, transposed and cast; the output has rank 1
          [helper.make_node("Constant", [], ["w0"],
                            value=numpy_helper.from_array(numbers(2, COLUMNS).astype("f4"))),
           node("Transpose", "w0", "w1"), node("Cast", "w1", "w", to=TensorProto.DOUBLE),
           helper.make_node("Constant", [], ["k"], value_floats=[0.25, -4.0]),
           node("Cast", "k", "v", to=TensorProto.DOUBLE), node("MatMul", "x w", "m"),
           node("MatMul", "m v", "y")],
          {}, True, output_shape=["N"], activation="identity")
    graph("one_minus",  # [1 - p, p] built from a sigmoid
          [node("Gemm", "x w b", "z"), node("Sigmoid", "z", "p"), node("Sub", "one p", "q"),
           node("Concat", "q p", "y", axis=1)],
          {"w": numbers(COLUMNS, 1) * [[1], [0.01], [1]], "b": numbers(1), "one": np.float64(1)},
          True, width=2, activation="sigmoid")
    graph("fixed_batch", [node("Gemm", "x w b", "z"), node("Relu", "z", "y")],
          {"w": numbers(COLUMNS, 2), "b": numbers(2)}, False, width=2, batch=4)
    graph("double_relu", [node("Gemm", "x w b", "z"), node("Relu", "z", "r"),
                          node("MatMul", "r v", "m"), node("Sigmoid", "m", "y")],
          {"w": numbers(COLUMNS, 4) * [[1], [0.01], [1]], "b": numbers(4), "v": numbers(4, 1)},
          False, width=1)
    graph("sigmoid_then_gemm", [node("Sigmoid", "x", "s"), node("Gemm", "s w b", "y")],
          {"w": numbers(COLUMNS, 1), "b": numbers(1)}, False, width=1)
    graph("product_of_inputs", [node("Mul", "x x", "y")], {}, False, width=COLUMNS)
    graph("softmax_over_rows", [node("Softmax", "x", "y", axis=0)], {}, False, width=COLUMNS)
    graph("cast_to_int", [node("Cast", "x", "i", to=TensorProto.INT64),
                          node("Cast", "i", "y", to=TensorProto.DOUBLE)], {}, False, width=COLUMNS)
    named = [helper.make_tensor_value_info(n, TensorProto.DOUBLE, s)
             for n, s in (("age", ["N", 1]), ("income", ["N"]), ("debt", ["N", 1]))]
    graph("three_inputs",
          [node("Unsqueeze", "income one", "i"), node("Concat", "age i debt", "x", axis=1),
           node("Gemm", "x w b", "z", transB=1), node("Sigmoid", "z", "y")],
          {"one": np.array([1]), "w": numbers(1, COLUMNS) * [1, 0.01, 1], "b": numbers(1)},
          True, width=1, inputs=named, activation="sigmoid")
    ml = {"": 17, "ai.onnx.ml": 3}
    for post in ("NONE", "LOGISTIC", "SOFTMAX"):
        for targets in (1, 2):
            if (post, targets) == ("SOFTMAX", 1):
                continue
            # With one target the runtime ignores post_transform.
            linear = (post, targets) != ("LOGISTIC", 1)
            graph(f"regressor_{post.lower()}_{targets}",
                  [node("LinearRegressor", "x", "y", domain="ai.onnx.ml", targets=targets,
                        coefficients=(numbers(targets * COLUMNS) * 0.01).tolist(),
                        intercepts=numbers(targets).tolist(), post_transform=post)],
                  {}, linear, kind=TensorProto.FLOAT, width=targets, opsets=ml,
                  activation={"NONE": "identity"}.get(post, "sigmoid" if post == "LOGISTIC"
                                                      else "softmax"))


def classifier(name, rows, labels, post, linear, activation=None):
    """A LinearClassifier with `rows` rows of coefficients for `labels` classes."""
    made = helper.make_graph(
        [node("LinearClassifier", "x", "label p", domain="ai.onnx.ml", post_transform=post,
              coefficients=(numbers(rows * COLUMNS) * 0.01).tolist(),
              intercepts=numbers(rows).tolist(), classlabels_ints=list(range(10, 10 + labels)))],
        name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", COLUMNS])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
         helper.make_tensor_value_info("p", TensorProto.FLOAT, ["N", labels])])
    save(name, helper.make_model(made, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]),
         linear, "p", [str(10 + i) for i in range(labels)], activation=activation)


def from_sklearn():
    kinds = {"float": [("x", FloatTensorType([None, COLUMNS]))],
             "double": [("x", DoubleTensorType([None, COLUMNS]))]}
    rows = RANDOM.normal(size=(200, COLUMNS)) * [1, 20, 0.05] + [0, 300, 1]
    score = (rows - [0, 300, 1]) @ [1, 0.05, 10] + RANDOM.normal(size=200)
    binary = (score > 0).astype(int)
    three = np.digitize(score, [-1, 1])
    words = np.array(["no", "yes"])[binary]

    def export(name, model, target, linear, outputs, classes=True, zipmap=False, kind="float",
               activation=None):
        model.fit(rows, target)
        options = {id(model): {"zipmap": zipmap}} if classes else None
        made = convert_sklearn(model, initial_types=kinds[kind], options=options,
                               target_opset={"": 17, "ai.onnx.ml": 3})
        save(name, made, linear, made.graph.output[1].name if classes else None, outputs,
             activation=activation)

    logistic = lambda: make_pipeline(StandardScaler(), LogisticRegression())
    export("logistic", logistic(), binary, True, ["0", "1"], activation="sigmoid")
    export("logistic_zipmap", logistic(), words, True, ["no", "yes"], zipmap=True,
           activation="sigmoid")
    export("logistic_double", logistic(), binary, True, ["0", "1"], kind="double",
           activation="sigmoid")
    export("multinomial", logistic(), three, True, ["0", "1", "2"], activation="softmax")
    export("multinomial_zipmap", logistic(), three, True, ["0", "1", "2"], zipmap=True,
           activation="softmax")
    export("one_vs_rest", OneVsRestClassifier(LogisticRegression()), three, False,
           ["0", "1", "2"])
    export("regression", make_pipeline(StandardScaler(), LinearRegression()), score, True, ["0"],
           classes=False, activation="identity")
    export("ridge_double", Ridge(), score, True, ["0"], classes=False, kind="double",
           activation="identity")
    export("mlp", make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=50, random_state=0)),
           binary, False, ["0", "1"])
    export("forest", RandomForestClassifier(2, max_depth=2, random_state=0), binary, False,
           ["0", "1"])
    export("forest_zipmap", RandomForestClassifier(1, max_depth=2, random_state=0), words, False,
           ["no", "yes"], zipmap=True)


by_hand()
for post_transform, form in (("NONE", "identity"), ("LOGISTIC", "sigmoid"), ("SOFTMAX", "softmax")):
    classifier(f"classifier_{post_transform.lower()}_3", 3, 3, post_transform, True, form)
    classifier(f"classifier_{post_transform.lower()}_2", 2, 2, post_transform, True, form)
    # One row of coefficients under SOFTMAX: the runtime gives [1 - s, s], which is no softmax.
    classifier(f"classifier_{post_transform.lower()}_1", 1, 2, post_transform,
               post_transform != "SOFTMAX", form)
from_sklearn()
(HERE / "expected.json").write_text(json.dumps(expected, indent=0) + "\n")
