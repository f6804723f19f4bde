"""Explainers: windlass.Explainer, and windlass.KernelExplainer as shap has it."""

import json
import os
import tempfile
import threading
import time
import warnings

import numpy

from . import _callable, _engines, _tables, _windlass  # noqa: F401 (_engines registers engines)
from ._error import Error
from ._explanation import explanation_class


class Explainer:
    """Shapley values of a model's predictions.

    model: a callable from rows [rows, columns] to predictions [rows] or [rows, outputs], or a text
    that names a model ("xgboost:model.ubj", "onnx:model.onnx", "linear:coef.json",
    "oip:http://HOST/v2/models/NAME", ...; see docs/models.md). A callable gets what the background
    is: a DataFrame of the same columns and dtypes, else a float64 array.

    background: the rows that stand for what is not known, [rows, columns]: an array, a DataFrame
    (dtype category for categories), anything with the Arrow interface (pyarrow, polars), or the
    path or URI of a table. None only with tree_mode="path".

    groups: {"name": [columns, by name or number]}; each column on its own without it.
    link: "identity" or "logit", where attributions add up.
    method: "auto" takes the cheapest exact one that applies, else samples; or "linear", "tree",
    "exact", "kernel", "permutation", "leverage", "msr".
    output: "probability" or "margin". class_: one output, by name or number.
    weights: of the background's rows: numbers, or the name of its column that holds them.
    summarize: "kmeans(K)" or "sample(K)" makes the background smaller.
    coalitions: a hierarchy of the groups: Owen values. nsamples, tolerance, seed: of methods that
    sample. engine, workers: where tasks run ("local", "ray"), and how many at a time.

    The plan is made here, once; each call explains rows under it. Threads that call the same
    explainer take turns. Raises windlass.Error, whose __cause__ is what the model raised.
    """

    def __init__(self, model, background=None, *, groups=None, link="identity", method="auto",
                 output="probability", class_=None, weights=None, summarize=None,
                 coalitions=None, nsamples="auto", tolerance=None, max_coalitions=65536,
                 l1_reg="none", tree_mode="interventional", clip=0.0, on_error="fail", seed=0,
                 feature_names=None, engine="local", workers=0, batch=0):
        if _is_place(background):
            background = os.fspath(background)
        if isinstance(model, os.PathLike):
            model = os.fspath(model)
        self._frame_like = None
        if _tables.is_frame(background):
            like = background.iloc[:0]
            self._frame_like = like.drop(columns=weights) if isinstance(weights, str) else like
        self._names = None if feature_names is None else [str(name) for name in feature_names]
        self._lock = threading.RLock()
        self._engine, self._workers, self._batch = engine, str(workers), int(batch)
        self._keep = []  # what the spec names lives as long as this
        self._spec = {
            "kind": "explain",
            "model": self._model(model),
            "link": link,
            "method": method,
            "output": output,
            "nsamples": nsamples,
            "max_coalitions": max_coalitions,
            "l1_reg": l1_reg,
            "tree_mode": tree_mode,
            "clip": clip,
            "on_error": on_error,
            "seed": seed,
        }
        if weights is not None and not isinstance(weights, str):
            self._spec["background_weights"] = _tables.WEIGHTS
            if background is None or isinstance(background, str):
                raise Error("weights of a file are one of its columns, given by name", "usage")
        elif weights is not None:
            self._spec["background_weights"] = weights
        for key, value in (("class", class_),
                           ("summarize", summarize), ("tolerance", tolerance),
                           ("groups", _document("groups", groups)),
                           ("coalitions", _document("coalitions", coalitions))):
            if value is not None:
                self._spec[key] = value
        self._native = {}  # by whether with interactions
        self._plan = None  # of the last explanation
        self._expected = None
        if background is not None:
            numbers = None if weights is None or isinstance(weights, str) else weights
            self._spec["background"] = self._place("background", background, numbers)
            self._explainer(False, self._spec["background"])
        elif tree_mode != "path":
            raise Error(
                "a background is wanted: rows that stand for what is not known (trees with "
                'tree_mode="path" need none)',
                "invalid input",
            )

    def _model(self, model) -> str:
        if isinstance(model, str):
            return model
        if not callable(model):
            predict = getattr(model, "predict", None)
            raise Error(
                f"model is a {type(model).__name__}; a callable or a text such as "
                f'"xgboost:model.ubj" was expected'
                + ("; give its predict or predict_proba" if callable(predict) else ""),
                "invalid input",
            )
        if self._frame_like is not None:
            model = _tables.FrameModel(model, self._frame_like)
        if self._engine.partition("?")[0].partition(":")[0] == "local":
            here = _callable.Here(model)
            self._keep.append(here)
            return here.model
        folder = tempfile.TemporaryDirectory(prefix="windlass-")
        self._keep.append(folder)
        return "python:" + _callable.pickle_into(folder.name, model)

    def _place(self, name, rows, weights) -> str:
        if _is_place(rows):
            return os.fspath(rows)
        table = _tables.memory_table(name, rows, self._names, weights)
        self._keep.append(table)
        return table.uri

    def _names_of_rows(self):
        """Of rows that come as a plain array: columns by place are the background's."""
        if self._names is None and self._plan is not None:
            return [column["name"] for column in self._plan["columns"]]
        return self._names

    def _explainer(self, interactions, data):
        if interactions not in self._native:
            spec = {**self._spec, "data": data, "interactions": 2 if interactions else 1}
            spec = json.dumps(spec, default=_plain)
            native = _windlass.Explainer(spec, self._engine, self._workers)
            if not interactions or self._plan is None:
                self._plan = json.loads(native.describe())
            if "background" not in self._spec:  # the plan has the columns of this table
                return native
            self._native[interactions] = native
        return self._native[interactions]

    @property
    def plan(self) -> dict:
        """What was planned: method, reason, groups, columns, outputs, nsamples."""
        if self._plan is None:
            raise Error(
                'with tree_mode="path" it is known after the first explanation', "usage"
            )
        return self._plan

    @property
    def expected_value(self):
        """What is expected before anything of a row is known, in link space: a number, or
        [outputs]."""
        if self._expected is None:
            if "background" not in self._spec:
                raise Error(
                    'with tree_mode="path" it is known after the first explanation', "usage"
                )
            with self._lock:
                native = self._explainer(False, self._spec["background"])
                self._note(native.base_value())
        return self._expected

    def _note(self, base_value):
        one = len(self._plan["outputs"]) == 1
        self._expected = float(base_value[0]) if one else numpy.array(base_value)

    def _explain(self, rows, interactions=False):
        if _is_place(rows):
            table, data = None, os.fspath(rows)
        else:
            table = _tables.memory_table("rows", rows, self._names_of_rows())
            data = table.uri
        with self._lock:
            native = self._explainer(interactions, self._spec.get("background", data))
            found = native.explain(data, self._batch)
            self._note(found["base_value"])
            plan = self._plan
        if found["failures"]:  # with on_error="row" only
            row, why = found["failures"][0]
            warnings.warn(
                f"{len(found['failures'])} of {len(found['phi'])} rows are not explained, their "
                f"values are NaN; row {row}: {why}",
                stacklevel=3,
            )
        return found, plan

    def __call__(self, rows):
        """Explains `rows`, of the columns that the background has: an array, a DataFrame, anything
        with the Arrow interface, or the path or URI of a table.

        Gives a shap.Explanation (our twin of it where shap is not installed): values [rows,
        groups], or [rows, groups, outputs] of a model with several outputs; base_values; data, a
        number a group (categories as codes, one of several columns by its position);
        lower_bounds, upper_bounds of methods that sample.
        """
        begun = time.perf_counter()
        found, plan = self._explain(rows)
        one = len(plan["outputs"]) == 1
        values = _outputs_last(found["phi"], one)
        half = found.get("half_width")
        half = None if half is None else _outputs_last(half, one)
        base = found["base_value"]
        count = len(values)
        data, shown = _data_of_groups(found["values"], plan)
        return explanation_class()(
            values,
            base_values=numpy.full(count, base[0]) if one else numpy.tile(base, (count, 1)),
            data=data,
            display_data=shown,
            feature_names=[group["name"] for group in plan["groups"]],
            output_names=None if one else plan["outputs"],
            lower_bounds=None if half is None else values - half,
            upper_bounds=None if half is None else values + half,
            compute_time=time.perf_counter() - begun,
        )

    def shap_values(self, rows):
        """The values alone: [rows, groups] or [rows, groups, outputs]."""
        found, plan = self._explain(rows)
        return _outputs_last(found["phi"], len(plan["outputs"]) == 1)

    def shap_interaction_values(self, rows):
        """Interactions of pairs of groups: [rows, groups, groups] or [rows, groups, groups,
        outputs], symmetric; what is left to a group alone stands on the diagonal, so that rows add
        up to the group's value."""
        found, plan = self._explain(rows, interactions=True)
        phi, pairs = found["phi"], found["interactions"]
        groups = phi.shape[2]
        matrix = numpy.zeros((*phi.shape[:2], groups, groups))
        first, second = numpy.triu_indices(groups, 1)
        matrix[:, :, first, second] = pairs / 2
        matrix[:, :, second, first] = pairs / 2
        own = numpy.arange(groups)
        matrix[:, :, own, own] = phi - matrix.sum(axis=3)
        if len(plan["outputs"]) == 1:
            return matrix[:, 0]
        return numpy.moveaxis(matrix, 1, 3)


class KernelExplainer:
    """shap.KernelExplainer by changing one import.

    Takes what shap's takes: a callable from a float64 array [rows, columns] to [rows] or [rows,
    outputs]; background data, an array, a DataFrame, or what shap.kmeans and shap.sample make; the
    link by name. Beyond that, what windlass.Explainer takes. Answers are exact wherever that is
    cheaper than sampling; shap selects ten features by default (l1_reg), this does not.
    """

    def __init__(self, model, data, feature_names=None, link="identity", **options):
        options.pop("keep_index", None)
        options.pop("silent", None)
        if not (hasattr(data, "group_names") or _is_place(data)) and numpy.ndim(data) == 1:
            data = (data.to_frame().T.infer_objects() if _tables.is_row(data)  # one row
                    else numpy.asarray(data)[numpy.newaxis])
        if hasattr(data, "group_names"):  # shap's DenseData
            weights = numpy.asarray(data.weights, dtype=numpy.float64)
            names = [str(name) for name in data.group_names]
            groups = list(data.groups)
            data = numpy.asarray(data.data, dtype=numpy.float64)
            if all(len(group) == 1 for group in groups):
                feature_names = feature_names if feature_names is not None else names
            elif "groups" not in options:
                options["groups"] = {n: [int(c) for c in g] for n, g in zip(names, groups)}
            if len(set(weights.tolist())) > 1:
                options.setdefault("weights", weights)
        if feature_names is None and hasattr(data, "columns"):
            feature_names = list(data.columns)
        if not isinstance(link, str):  # shap's functions and objects
            link = getattr(link, "__name__", type(link).__name__).removesuffix("Link").lower()
        self._function = getattr(model, "f", model)  # shap's Model holds it there
        self._data, self._link, self._names, self._options = data, link, feature_names, options
        self._made = {}
        self._explainer()

    def _explainer(self, **sampling):
        sampling = {key: value for key, value in sampling.items() if value is not None}
        key = tuple(sorted(sampling.items()))
        if key not in self._made:
            data = self._data
            if _tables.is_frame(data) and not any(
                hasattr(data.iloc[:, c], "cat") for c in range(data.shape[1])
            ):
                # As shap does: the model gets arrays.
                data = data.to_numpy(dtype=numpy.float64, na_value=numpy.nan)
            self._made[key] = Explainer(
                self._function, data, link=self._link, feature_names=self._names,
                **{**self._options, **sampling},
            )
        return self._made[key]

    @property
    def expected_value(self):
        """What is expected before anything of a row is known: a number, or [outputs]."""
        return self._explainer().expected_value

    def shap_values(self, X, nsamples=None, l1_reg=None, silent=True, **ignored):
        """[rows, features], or [rows, features, outputs] of a model with several outputs; without
        the rows for a single row that came as [features]."""
        return self._sampled(X, nsamples, l1_reg, Explainer.shap_values)

    def __call__(self, X, l1_reg=None, silent=True, **ignored):
        """An Explanation, as Explainer gives it."""
        return self._sampled(X, None, l1_reg, Explainer.__call__)

    def _sampled(self, X, nsamples, l1_reg, explain):
        if l1_reg in ("auto", False, 0):
            l1_reg = None
        elif l1_reg is not None and not isinstance(l1_reg, str):
            raise Error(
                f"l1_reg={l1_reg!r}: features are selected by \"aic\", \"bic\" or "
                '"num_features(K)"; a penalty of your own is not taken',
                "invalid input",
            )
        options = {"nsamples": None if nsamples == "auto" else nsamples, "l1_reg": l1_reg}
        if l1_reg not in (None, "none"):
            options["method"] = "kernel"
        explainer = self._explainer(**options)
        if _is_place(X):
            return explain(explainer, X)
        # By name where it has them all, as a DataFrame or a row of one, else by place, as shap.
        labels = X.columns if _tables.is_frame(X) else X.index if _tables.is_row(X) else ()
        names = {column["name"] for column in explainer.plan["columns"]}
        if not names <= {str(label) for label in labels}:
            if _tables.is_frame(X):
                X = X.to_numpy(dtype=numpy.float64, na_value=numpy.nan)
            elif _tables.is_row(X) or not (
                hasattr(X, "__arrow_c_stream__") or hasattr(X, "toarray")
            ):
                X = numpy.asarray(X)
        if numpy.ndim(X) == 1:
            return explain(explainer, X if _tables.is_row(X) else X[numpy.newaxis])[0]
        return explain(explainer, X)


def _is_place(rows):
    return isinstance(rows, (str, os.PathLike))


def _document(name, value):
    """Groups and hierarchies travel as the JSON that a file of them would hold."""
    if value is None:
        return None
    if _is_place(value):
        return os.fspath(value)
    if not isinstance(value, dict):
        raise Error(
            f"{name}: a {type(value).__name__}; a dict from names to what is in them was expected, "
            "or the path of a JSON file that holds one",
            "invalid input",
        )
    return json.dumps(value, default=_plain)


def _plain(value):
    if isinstance(value, (numpy.integer, numpy.floating)):
        return value.item()
    if isinstance(value, (range, set, tuple, numpy.ndarray)) or hasattr(value, "tolist"):
        return list(value)
    raise Error(f"{value!r} is neither a text nor a number", "invalid input")


def _outputs_last(values, one):
    return values[:, 0] if one else numpy.ascontiguousarray(numpy.moveaxis(values, 1, 2))


def _data_of_groups(values, plan):
    """A number a group, and what to show of it: (float64, object) [rows, groups]; None where they
    are the same."""
    groups, columns = plan["groups"], plan["columns"]
    data = numpy.full((len(values), len(groups)), numpy.nan)
    shown = numpy.empty(data.shape, dtype=object)
    plain = True
    for position, group in enumerate(groups):
        of = group["columns"]
        if len(of) > 1:
            plain = False
            part = values[:, of]
            # Dummy columns of one category: the one that is set.
            if ((part == 0) | (part == 1)).all() and (part.sum(axis=1) == 1).all():
                data[:, position] = part.argmax(axis=1)
                names = numpy.array([columns[c]["name"] for c in of], dtype=object)
                shown[:, position] = names[part.argmax(axis=1)]
            else:
                shown[:, position] = ""
            continue
        cells = values[:, of[0]]
        data[:, position] = cells
        categories = columns[of[0]]["categories"]
        if categories:
            plain = False
            names = numpy.array([*categories, "nan"], dtype=object)
            shown[:, position] = names[numpy.where(numpy.isnan(cells), -1, cells).astype(int)]
        else:
            shown[:, position] = cells
    return data, None if plain else shown
