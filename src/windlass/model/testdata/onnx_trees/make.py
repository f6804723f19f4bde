"""Makes the ONNX tree ensembles of onnx_trees_test.cc, and what ONNX Runtime predicts with them.

    pip install onnx==1.23.2 onnxruntime==1.32.0 skl2onnx==1.20.0 scikit-learn==1.9.1 \
        onnxmltools==1.16.0 xgboost==3.2.0 lightgbm==4.7.0
    python make.py

Writes NAME.onnx beside itself, and expected.json: for each model whether its structure is to be
shown (stated here by hand), the activation, the names of its outputs, rows of inputs (null:
missing), and the outputs that the runtime computes for them.
"""

import json
import pathlib
import warnings

import lightgbm
import numpy as np
import onnx
import onnxmltools
import onnxruntime
import xgboost
from onnx import TensorProto, helper, numpy_helper
from onnxmltools.convert.common.data_types import FloatTensorType as ToolsFloat
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.ensemble import (ExtraTreesRegressor, GradientBoostingClassifier,
                              GradientBoostingRegressor, RandomForestClassifier,
                              RandomForestRegressor)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent
RANDOM = np.random.default_rng(0)
COLUMNS = 3
DATA = RANDOM.normal(size=(300, COLUMNS)).round(1)
SCORE = DATA[:, 0] + DATA[:, 1] * DATA[:, 2]
ROWS = np.concatenate([DATA[:12], RANDOM.normal(size=(8, COLUMNS))])
expected = {}


def save(name, model, shown, activation="identity", output=None, outputs=None, rows=ROWS):
    model.producer_version = ""
    model.graph.name = name
    content = model.SerializeToString()
    assert len(content) < 8192, (name, len(content))
    (HERE / f"{name}.onnx").write_bytes(content)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    feeds, start = {}, 0
    for item in session.get_inputs():
        width = item.shape[1]
        feeds[item.name] = rows[:, start:start + width].astype(kinds[item.type])
        start += width
    output = output or session.get_outputs()[-1].name
    values = session.run([output], feeds)[0]
    if isinstance(values, list):  # ZipMap
        values = np.array([list(row.values()) for row in values])
    values = np.asarray(values, dtype=np.float64).reshape(len(rows), -1)
    expected[name] = {
        "trees": shown, "activation": activation,
        "outputs": outputs or [str(i) for i in range(values.shape[1])],
        "x": [[None if np.isnan(v) else float(v) for v in row] for row in rows],
        "y": values.tolist()}


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def graph(name, nodes, shown, width=1, kind=TensorProto.FLOAT, weights=(), inputs=None, opset=3,
          out=TensorProto.FLOAT, **kwargs):
    inputs = inputs or [helper.make_tensor_value_info("x", kind, ["N", COLUMNS])]
    made = helper.make_graph(
        nodes, name, inputs, [helper.make_tensor_value_info("y", out, ["N", width])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in dict(weights).items()])
    save(name, helper.make_model(made, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", opset)]), shown, **kwargs)


# Two trees of three leaves: node 0 splits column 0, node 2 splits column 1, leaves 1, 3 and 4. The
# second tree's ids begin at 7, and its root is not the smallest.
def two_trees(mode, values=(0.1, -0.3, 0.5, 0.2), tracks=(0, 0, 0, 0), as_tensor=None, rates=None):
    if isinstance(mode, str):
        mode = [mode] * 4
    leaf = "LEAF"
    attributes = {
        "nodes_treeids": [0] * 5 + [7] * 5, "nodes_nodeids": [0, 1, 2, 3, 4, 9, 7, 8, 5, 6],
        "nodes_featureids": [0, 0, 1, 0, 0, 2, 0, 1, 0, 0],
        "nodes_modes": [mode[0], leaf, mode[1], leaf, leaf, mode[2], leaf, mode[3], leaf, leaf],
        "nodes_truenodeids": [1, 0, 3, 0, 0, 7, 0, 5, 0, 0],
        "nodes_falsenodeids": [2, 0, 4, 0, 0, 8, 0, 6, 0, 0],
        "nodes_missing_value_tracks_true": [tracks[0], 0, tracks[1], 0, 0, tracks[2], 0, tracks[3],
                                            0, 0]}
    numbers = [values[0], 0, values[1], 0, 0, values[2], 0, values[3], 0, 0]
    if as_tensor:
        attributes["nodes_values_as_tensor"] = numpy_helper.from_array(
            np.array(numbers, as_tensor), "v")
    else:
        attributes["nodes_values"] = [float(v) for v in numbers]
    if rates:
        attributes["nodes_hitrates"] = [float(v) for v in rates]
    return attributes


LEAVES = [(0, 1), (0, 3), (0, 4), (7, 7), (7, 5), (7, 6)]
# In the second tree, the nodes in the order of the file: 9 (root), 7 leaf, 8 split, 5, 6 leaves.


def weights(prefix, ids, values):
    """Each leaf has a weight for each of `ids`."""
    places = [(t, n, i) for t, n in LEAVES for i in ids]
    values = [float(values[k % len(values)]) for k in range(len(places))]
    return {f"{prefix}_treeids": [p[0] for p in places], f"{prefix}_nodeids": [p[1] for p in places],
            f"{prefix}_ids": [p[2] for p in places], f"{prefix}_weights": values}


MIXED = [0.5, -0.25, 1.0, 0.125, -2.0, 0.75, -0.625]
POSITIVE = [0.1, 0.2, 0.05, 0.3, 0.4, 0.25, 0.15]


def regressor(name, shown, nodes, ids=(0,), values=MIXED, after=(), kind=TensorProto.FLOAT, rows=ROWS,
              extra=(), activation="identity", inputs=None, before=(), feed="x", **attributes):
    result = "r" if after else "y"
    graph(name, [*before, helper.make_node(
        "TreeEnsembleRegressor", [feed], [result], domain="ai.onnx.ml",
        **{"n_targets": len(ids), **nodes, **weights("target", ids, values), **attributes}), *after],
        shown, width=len(ids), kind=kind, rows=rows, weights=extra, activation=activation,
        inputs=inputs)


def classifier(name, shown, labels, ids, values, post="NONE", activation="identity", after=(),
               **attributes):
    result = "p" if after else "y"
    graph(name, [helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["l", result], domain="ai.onnx.ml", post_transform=post,
        **{**two_trees("BRANCH_LEQ"), **weights("class", ids, values),
           "classlabels_int64s": list(range(10, 10 + labels)), **attributes}), *after],
        shown, width=labels, activation=activation,
        outputs=[str(10 + i) for i in range(labels)])


def near(values, kind):
    """Rows at, just below and just above each of the values, and a missing one."""
    rows = []
    for value in values:
        at = float(kind(value))
        up, down = np.nextafter(kind(at), kind(9)), np.nextafter(kind(at), kind(-9))
        rows += [at, value, float(up), float(down), np.nextafter(at, 9), np.nextafter(at, -9),
                 (at + float(up)) / 2, (at + float(down)) / 2]
    rows += [np.nan, 0.0]
    return np.array([[rows[i], rows[(i * 7 + 3) % len(rows)], rows[(i * 11 + 5) % len(rows)]]
                     for i in range(len(rows))])


VALUES = (0.1, -0.3, 0.5, 0.2)
for mode in ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ"):
    for tracks in (0, 1):
        regressor(f"{mode.lower()}_{tracks}", True, two_trees(f"BRANCH_{mode}", tracks=[tracks] * 4),
                  rows=near(VALUES, np.float32))
    regressor(f"{mode.lower()}_double", True,
              {**two_trees(f"BRANCH_{mode}", as_tensor=np.float64, tracks=(1, 0, 0, 1))},
              kind=TensorProto.DOUBLE, rows=near(VALUES, np.float64))
regressor("modes", True, two_trees(["BRANCH_LEQ", "BRANCH_GT", "BRANCH_EQ", "BRANCH_LT"],
                                   tracks=(1, 1, 0, 0)), rows=near(VALUES, np.float32))
regressor("float_in_double", True, two_trees("BRANCH_LEQ"), kind=TensorProto.DOUBLE,
          rows=near([float(np.float32(v)) for v in VALUES], np.float64))
regressor("cast_down", True, two_trees("BRANCH_LEQ"), kind=TensorProto.DOUBLE, feed="c",
          before=[node("Cast", "x", "c", to=TensorProto.FLOAT)], rows=near(VALUES, np.float32))
regressor("cast_up", True, two_trees("BRANCH_LEQ", as_tensor=np.float64), feed="c",
          before=[node("Cast", "x", "c", to=TensorProto.DOUBLE)], rows=near(VALUES, np.float32))
regressor("scaled_before", True, two_trees("BRANCH_LEQ"), feed="c", extra={"k": np.float32(2)},
          before=[node("Mul", "x k", "c")])
named = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 1])
         for n in ("age", "income", "debt")]
regressor("three_inputs", True, two_trees("BRANCH_LEQ"), feed="c", inputs=named,
          before=[node("Concat", "income age", "a", axis=1), node("Identity", "debt", "d"),
                  node("Concat", "d a", "c", axis=-1)])
regressor("targets", True, two_trees("BRANCH_LEQ"), ids=(0, 1, 2), base_values=[1.0, 2.0, 3.0])
regressor("targets_softmax", True, two_trees("BRANCH_LEQ"), ids=(0, 1, 2), activation="softmax",
          post_transform="SOFTMAX")
regressor("targets_logistic", True, two_trees("BRANCH_LEQ"), ids=(0, 1), activation="sigmoid",
          post_transform="LOGISTIC")
regressor("targets_zero", False, two_trees("BRANCH_LEQ"), ids=(0, 1),
          post_transform="SOFTMAX_ZERO")
regressor("one_logistic", False, two_trees("BRANCH_LEQ"), post_transform="LOGISTIC")
regressor("probit", False, two_trees("BRANCH_LEQ"), values=[0.1], post_transform="PROBIT")
regressor("average", True, two_trees("BRANCH_LEQ"), aggregate_function="AVERAGE",
          base_values=[0.25])
regressor("smallest", False, two_trees("BRANCH_LEQ"), aggregate_function="MIN")
regressor("largest", False, two_trees("BRANCH_LEQ"), aggregate_function="MAX")
regressor("covers", True, two_trees("BRANCH_LEQ", rates=[10, 4, 6, 5, 1, 8, 2, 6, 3, 3]))
regressor("then_sigmoid", True, two_trees("BRANCH_LEQ"), activation="sigmoid",
          after=[node("Sigmoid", "r", "y")])
regressor("then_exp", True, two_trees("BRANCH_LEQ"), activation="exp", extra={"k": np.float32(0.5)},
          after=[node("Exp", "r", "e"), node("Mul", "e k", "y")])
regressor("then_softmax", True, two_trees("BRANCH_LEQ"), ids=(0, 1), activation="softmax",
          after=[node("Softmax", "r", "y", axis=1)])
regressor("then_arithmetic", True, two_trees("BRANCH_LEQ"), ids=(0, 1),
          extra={"a": np.float32([2, -3]), "b": np.float32(0.5), "c": np.float32([[1, 4]])},
          after=[node("Mul", "a r", "s"), node("Add", "s b", "t"), node("Sub", "c t", "u"),
                 node("Div", "u a", "v"), node("Sub", "v b", "y")])
regressor("then_relu", False, two_trees("BRANCH_LEQ"), after=[node("Relu", "r", "y")])
regressor("two_sigmoids", False, two_trees("BRANCH_LEQ"),
          after=[node("Sigmoid", "r", "s"), node("Sigmoid", "s", "y")])
diamond = two_trees("BRANCH_LEQ")
diamond["nodes_truenodeids"] = [3, 0, 3, 0, 0, 7, 0, 5, 0, 0]
for name, broken in (("shared_node", diamond),):
    try:
        regressor(name, False, broken)
    except Exception as error:  # the runtime refuses some of them
        print(name, error)
for post, form in (("NONE", "identity"), ("LOGISTIC", "sigmoid"), ("SOFTMAX", "softmax")):
    for sign, values in (("mixed", MIXED), ("positive", POSITIVE)):
        low = f"{post.lower()}_{sign}"
        # The runtime makes no softmax of one sum.
        classifier(f"binary_{low}", post != "SOFTMAX", 2, [0], values, post, form)
        classifier(f"binary_base_{low}", post != "SOFTMAX", 2, [0], values, post, form,
                   base_values=[0.25])
        classifier(f"binary_second_{low}", True, 2, [1], values, post, form)
        classifier(f"both_{low}", True, 2, [0, 1], values, post, form)
    classifier(f"both_base_{post.lower()}", False, 2, [0, 1], MIXED, post, form,
               base_values=[0.25, 0.5])
    classifier(f"three_{post.lower()}", True, 3, [0, 1, 2], MIXED, post, form,
               base_values=[0.25, 0.5, -0.5])
classifier("normalized", True, 3, [0, 1, 2], MIXED, "SOFTMAX", "softmax",
           after=[node("Normalizer", "p", "y", domain="ai.onnx.ml", norm="L1")])
classifier("normalized_pair", True, 2, [0], MIXED, "LOGISTIC", "sigmoid",
           after=[node("Normalizer", "p", "y", domain="ai.onnx.ml", norm="L1")])
classifier("normalized_sums", False, 3, [0, 1, 2], POSITIVE,
           after=[node("Normalizer", "p", "y", domain="ai.onnx.ml", norm="L1")])
classifier("class_of_one", True, 1, [0], MIXED)
classifier("class_of_one_logistic", False, 1, [0], MIXED, "LOGISTIC")

binary = (SCORE > 0).astype(int)
three = np.digitize(SCORE, [-1, 1])


def sklearn(name, model, target, shown=True, activation="identity", kind=FloatTensorType,
            zipmap=False, classes=False, outputs=None):
    model.fit(DATA, target)
    options = {id(model): {"zipmap": zipmap}} if classes else None
    made = convert_sklearn(model, initial_types=[("x", kind([None, COLUMNS]))], options=options,
                           target_opset={"": 17, "ai.onnx.ml": 3})
    save(name, made, shown, activation, made.graph.output[-1].name, outputs)


small = {"n_estimators": 3, "max_depth": 2, "random_state": 0}
sklearn("forest", RandomForestClassifier(**small), binary, classes=True)
sklearn("forest_words", RandomForestClassifier(**small), np.array(["no", "yes"])[binary],
        classes=True, zipmap=True, outputs=["no", "yes"])
sklearn("forest_three", RandomForestClassifier(**small), three, classes=True)
sklearn("forest_double", RandomForestClassifier(**small), three, classes=True,
        kind=DoubleTensorType)
sklearn("forest_regressor", RandomForestRegressor(**small), SCORE)
sklearn("extra_trees", ExtraTreesRegressor(**small), SCORE)
sklearn("boosted", GradientBoostingClassifier(**small), binary, classes=True,
        activation="sigmoid")
sklearn("boosted_three", GradientBoostingClassifier(**small), three, classes=True,
        activation="softmax")
sklearn("boosted_regressor", GradientBoostingRegressor(**small), SCORE)
sklearn("tree", DecisionTreeClassifier(max_depth=3, random_state=0), binary, classes=True)
sklearn("tree_targets", DecisionTreeRegressor(max_depth=3, random_state=0),
        np.stack([SCORE, -SCORE], 1))


def tools(name, convert, model, target, activation, data=DATA, rows=ROWS, **kwargs):
    model.fit(data, target)
    made = convert(model, initial_types=[("x", ToolsFloat([None, COLUMNS]))], target_opset=15,
                   **kwargs)
    save(name, made, True, activation, made.graph.output[-1].name, rows=rows)


gaps = DATA.copy()
gaps[RANDOM.random(gaps.shape) < 0.1] = np.nan
shown = np.concatenate([gaps[:20], ROWS])
light = {"n_estimators": 3, "num_leaves": 4, "verbose": -1, "n_jobs": 1}
tools("lightgbm", onnxmltools.convert_lightgbm, lightgbm.LGBMClassifier(**light), binary, "sigmoid",
      gaps, shown, zipmap=False)
tools("lightgbm_three", onnxmltools.convert_lightgbm, lightgbm.LGBMClassifier(**light), three,
      "softmax", gaps, shown)
tools("lightgbm_regressor", onnxmltools.convert_lightgbm, lightgbm.LGBMRegressor(**light), SCORE,
      "identity", gaps, shown)
tools("lightgbm_poisson", onnxmltools.convert_lightgbm,
      lightgbm.LGBMRegressor(objective="poisson", **light), np.abs(SCORE), "exp", gaps, shown)
extreme = {"n_estimators": 3, "max_depth": 2, "n_jobs": 1}
tools("xgboost", onnxmltools.convert_xgboost, xgboost.XGBClassifier(**extreme), binary, "sigmoid",
      gaps, shown)
tools("xgboost_three", onnxmltools.convert_xgboost, xgboost.XGBClassifier(**extreme), three,
      "softmax", gaps, shown)
tools("xgboost_regressor", onnxmltools.convert_xgboost, xgboost.XGBRegressor(**extreme), SCORE,
      "identity", gaps, shown)
tools("xgboost_poisson", onnxmltools.convert_xgboost,
      xgboost.XGBRegressor(objective="count:poisson", **extreme), np.abs(SCORE), "exp", gaps, shown)


# TreeEnsemble of version 5. Tree 0: node 0 splits column 0, node 1 column 1, leaves 0 to 2. Tree 1:
# node 2 splits column 2, leaves 3 and 4.
def tensor(values, kind):
    return numpy_helper.from_array(np.array(values, kind), "t")


def ensemble(name, shown, modes, splits=(0.1, -0.3, 0.5), tracks=None, members=None,
             kind=np.float32, rows=None, weights=MIXED[:5], targets=(0,) * 5, roots=(0, 2), **attributes):
    made = {
        "nodes_modes": tensor(modes, np.uint8), "nodes_splits": tensor(splits, kind),
        "nodes_featureids": [0, 1, 2], "nodes_truenodeids": [1, 1, 3], "nodes_trueleafs": [0, 1, 1],
        "nodes_falsenodeids": [0, 2, 4], "nodes_falseleafs": [1, 1, 1],
        "leaf_targetids": targets, "leaf_weights": tensor(weights, kind), "tree_roots": roots,
        "n_targets": max(targets) + 1}
    if tracks:
        made["nodes_missing_value_tracks_true"] = tracks
    if members:
        joined = [v for one in members for v in [*one, np.nan]]
        made["membership_values"] = tensor(joined[:-1], kind)
    made |= attributes
    types = {np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE}
    width = made["n_targets"]
    graph(name, [helper.make_node("TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", **made)],
          shown, width=width, kind=types[kind], opset=5, out=types[kind],
          rows=near(splits, kind) if rows is None else rows)


for mode, code in (("leq", 0), ("lt", 1), ("gte", 2), ("gt", 3), ("eq", 4), ("neq", 5)):
    ensemble(f"v5_{mode}", True, [code] * 3)
    ensemble(f"v5_{mode}_missing", True, [code] * 3, tracks=[1, 0, 1])
    ensemble(f"v5_{mode}_double", True, [code] * 3, tracks=[0, 1, 1], kind=np.float64)
odd = [-5, -1, -0.999, -0.5, -1e-9, -0.0, 0, 0.5, 1, 1.5, 2, 3, 4.999999999, 5, 5.5, 29, 30, 30.5,
       31, 63, 63.9999999999, 64, 64.5, 65, 5000, 5000.0000001, 2**24 - 1, 2**31, 1e10, 1e30, np.nan]
codes = np.array([[odd[i], odd[(i * 3 + 1) % len(odd)], odd[(i * 7 + 2) % len(odd)]]
                  for i in range(len(odd))])
few, many = [[1, 3, 30], [0, 5], [2]], [[0, 5, 64], [*range(0, 30), 63], [1, 2**24 - 1, 5000]]
for name, members in (("few", few), ("many", many)):
    for kind in (np.float32, np.float64):
        for tracks in (None, [1, 0, 1]):
            ensemble(f"v5_{name}_{kind.__name__}_{'missing' if tracks else 'plain'}", True, [6] * 3,
                     members=members, kind=kind, tracks=tracks, rows=codes)
ensemble("v5_mixed", True, [6, 0, 6], members=[few[0], many[0]], rows=codes)
ensemble("v5_negative_member", False, [6, 0, 0], members=[[-1, 3]], rows=codes)
ensemble("v5_fractional_member", False, [6, 0, 0], members=[[1.5, 3]], rows=codes)
ensemble("v5_average", True, [0] * 3, aggregate_function=0)
ensemble("v5_smallest", False, [0] * 3, aggregate_function=2)
ensemble("v5_targets", True, [0] * 3, targets=(0, 1, 0, 1, 1))
ensemble("v5_targets_average", True, [0] * 3, targets=(0, 1, 0, 1, 1), aggregate_function=0)
# The runtime's numbers of SOFTMAX and LOGISTIC are not the standard's.
ensemble("v5_softmax", False, [0] * 3, targets=(0, 1, 0, 1, 1), post_transform=1)
ensemble("v5_logistic", False, [0] * 3, targets=(0, 1, 0, 1, 1), post_transform=2)
ensemble("v5_leaf_alone", True, [0] * 3, nodes_truenodeids=[1, 1, 4])
ensemble("v5_shared_leaf", True, [0] * 3, nodes_falsenodeids=[1, 2, 1])


# What stands before the trees: steps of numbers. `inverse` gives the inputs for which the steps
# give a threshold; rows are those and their neighbours.
def around(inverse, kind):
    found = []
    for threshold in VALUES:
        at = np.asarray(inverse(threshold), np.float64) * np.ones(COLUMNS)
        near_by = [at.astype(kind), at.astype(kind)]
        for _ in range(4):
            near_by.append(np.nextafter(near_by[-2], kind(np.inf)))
            near_by.append(np.nextafter(near_by[-2], kind(-np.inf)))
        found += [np.float64(v) for v in near_by]
        found += [(np.float64(a) + np.float64(b)) / 2 for a, b in zip(near_by, near_by[2:])]
    found += [np.full(COLUMNS, v) for v in (np.nan, 0.0, 1e30, -1e30)]
    rows = np.array(found)
    return np.stack([rows[(np.arange(len(rows)) * (1, 3, 7)[c] + c) % len(rows), c]
                     for c in range(COLUMNS)], 1)


def stepped(name, before, inverse, kind=np.float32, shown=True, mode="BRANCH_LEQ",
            tracks=(1, 0, 0, 1), single_trees=False, extra=()):
    double = kind == np.float64
    regressor(f"step_{name}", shown,
              two_trees(mode, tracks=tracks,
                        as_tensor=np.float64 if double and not single_trees else None),
              feed="c", before=before, extra=extra, rows=around(inverse, kind),
              kind=TensorProto.DOUBLE if double else TensorProto.FLOAT)


OFFSET, SCALE = np.array([0.3, -1.7, 12.1]), np.array([0.7, 3.3, 0.013])


def scaler(scale, offset=OFFSET):
    return [node("Scaler", "x", "c", domain="ai.onnx.ml", offset=np.float32(offset).tolist(),
                 scale=np.float32(scale).tolist())]


for mode in ("LEQ", "LT", "GTE", "GT"):
    for sign, scale in (("up", SCALE), ("down", -SCALE), ("both", SCALE * (1, -1, 1))):
        stepped(f"scaler_{mode.lower()}_{sign}", scaler(scale), lambda t: t / scale + OFFSET,
                mode=f"BRANCH_{mode}")
stepped("scaler_double", scaler(SCALE), lambda t: t / SCALE + OFFSET, np.float64, single_trees=True)
stepped("scaler_one", scaler([2.3], [0.4]), lambda t: t / 2.3 + 0.4)
for kind in (np.float32, np.float64):
    name = kind.__name__
    numbers = {"o": kind(OFFSET), "s": kind(SCALE)[None, :], "n": kind(-SCALE)}
    one = {"k": kind(0.77)}
    stepped(f"sub_div_{name}", [node("Sub", "x o", "a"), node("Div", "a s", "c")],
            lambda t: t * SCALE + OFFSET, kind, extra=numbers)
    stepped(f"mul_add_{name}", [node("Mul", "s x", "a"), node("Add", "o a", "c")],
            lambda t: (t - OFFSET) / SCALE, kind, extra=numbers)
    stepped(f"from_constant_{name}", [node("Sub", "o x", "c")], lambda t: OFFSET - t, kind,
            extra=numbers)
    stepped(f"down_twice_{name}", [node("Div", "x n", "a"), node("Sub", "k a", "c")],
            lambda t: (t - 0.77) * SCALE, kind, extra=numbers | one)
    stepped(f"clip_{name}", [node("Mul", "x s", "a"), node("Clip", "a low high", "c")],
            lambda t: t / SCALE, kind,
            extra=numbers | {"low": kind(-0.3), "high": kind(0.45)})
    above = node("Clip", "a", "c")
    above.input.extend(["", "k"])
    stepped(f"clip_above_{name}", [node("Sub", "x k", "a"), above], lambda t: t + 0.77, kind,
            extra=one)
    stepped(f"of_constant_{name}", [node("Div", "k x", "c")], lambda t: 0.77 / t, kind, shown=False,
            extra=one)
    stepped(f"by_zero_{name}", [node("Mul", "x z", "c")], lambda t: t, kind, shown=False,
            extra={"z": kind([1, 0, 1])})
    stepped(f"scaled_equal_{name}", [node("Mul", "x k", "c")], lambda t: t / 0.77, kind,
            shown=False, mode="BRANCH_EQ", extra=one)
stepped("double_then_float", [node("Sub", "x o", "a"), node("Cast", "a", "b", to=TensorProto.FLOAT),
                              node("Mul", "b s", "c")], lambda t: t / SCALE + OFFSET, np.float64,
        single_trees=True, extra={"o": OFFSET, "s": np.float32(SCALE)})
imputed = [node("Imputer", "x", "a", domain="ai.onnx.ml", imputed_value_floats=[0.2, 5.0, -3.0],
                replaced_value_float=float("nan")),
           node("Mul", "a k", "c")]
stepped("imputer", imputed, lambda t: t / 0.77, extra={"k": np.float32(0.77)})
stepped("imputer_of_zeros", [node("Imputer", "x", "c", domain="ai.onnx.ml",
                                  imputed_value_floats=[0.2, 5.0, -3.0])], lambda t: t, shown=False)
regressor("step_each_column", True, two_trees("BRANCH_LEQ"), feed="c", inputs=named,
          extra={"k": np.float32(0.77), "o": np.float32(OFFSET)},
          before=[node("Mul", "income k", "i"), node("Concat", "i age", "a", axis=1),
                  node("Sub", "k debt", "d"), node("Concat", "d a", "e", axis=-1),
                  node("Sub", "e o", "c")],
          rows=around(lambda t: (0.77 - t - OFFSET[0], (t + OFFSET[1]) / 0.77, t + OFFSET[2]),
                      np.float32)[:, [2, 1, 0]])
for scaling in (StandardScaler(), MinMaxScaler(), MinMaxScaler(clip=True), MaxAbsScaler(),
                RobustScaler()):
    name = type(scaling).__name__ + ("Clip" if getattr(scaling, "clip", False) else "")
    sklearn(f"pipeline_{name}", make_pipeline(scaling, GradientBoostingRegressor(**small)), SCORE)
    sklearn(f"pipeline_{name}_double", make_pipeline(scaling, RandomForestClassifier(**small)),
            three, classes=True, kind=DoubleTensorType)
sklearn("pipeline_SimpleImputer", make_pipeline(SimpleImputer(), StandardScaler(),
                                                GradientBoostingRegressor(**small)), SCORE)
(HERE / "expected.json").write_text(json.dumps(expected) + "\n")
