"""windlass.Explainer and windlass.KernelExplainer within Python, beside shap."""

import os
import pathlib
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
import weakref

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import polars as pl  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import shap  # noqa: E402
import windlass  # noqa: E402
from support import main, test  # noqa: E402

PATIENT = 120
rng = np.random.default_rng(5)
X = rng.normal(size=(60, 4))
BACKGROUND, ROWS = X[:12], X[20:25]


def one(x):
    return x[:, 0] * x[:, 1] + np.sin(x[:, 2]) - x[:, 3]


def two(x):
    return np.stack([one(x), x[:, 0] - 2 * one(x)], axis=1)


def close(a, b, within=1e-9):
    np.testing.assert_allclose(a, b, rtol=0, atol=within)


def error_of(code, call):
    try:
        call()
    except windlass.Error as error:
        assert error.code == code, (error.code, str(error))
        assert "\n" not in str(error)
        return error
    raise AssertionError("no error")


def python(script, *flags, **options):
    """Runs a script in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, *flags, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd=HERE, **options)
    return process


def output_of(script, *flags, status=0):
    process = python(script, *flags)
    out, err = process.communicate(timeout=PATIENT)
    assert process.returncode == status, (process.returncode, out, err)
    return out, err


@test
def kernel_explainer_is_a_drop_in_for_shaps(folder):
    frame = pd.DataFrame(BACKGROUND, columns=list("abcd"))
    for function in (one, two):
        for data in (BACKGROUND, frame, shap.kmeans(BACKGROUND, 3), shap.sample(BACKGROUND, 5),
                     frame.iloc[0], BACKGROUND[:1]):
            theirs = shap.KernelExplainer(function, data)
            ours = windlass.KernelExplainer(function, data)
            close(ours.expected_value, theirs.expected_value)
            assert np.shape(ours.expected_value) == np.shape(theirs.expected_value)
            for rows in (ROWS, pd.DataFrame(ROWS, columns=list("abcd")), ROWS[:1], ROWS[0],
                         pd.Series(ROWS[0], index=list("abcd"))):
                close(ours.shap_values(rows, nsamples="auto", silent=True),
                      theirs.shap_values(rows, l1_reg=False, silent=True), 1e-6)
    explained = windlass.KernelExplainer(two, frame)(frame)
    assert isinstance(explained, shap.Explanation)
    assert explained.values.shape == (12, 4, 2) and explained.base_values.shape == (12, 2)
    assert explained.feature_names == list("abcd")


@test
def kernel_explainer_takes_links_samples_and_selection(folder):
    def probability(x):
        return 1 / (1 + np.exp(-one(x)))

    theirs = shap.KernelExplainer(probability, BACKGROUND, link="logit")
    wanted = theirs.shap_values(ROWS, l1_reg=False, silent=True)
    for link in ("logit", shap.links.logit, theirs.link):
        close(windlass.KernelExplainer(probability, BACKGROUND, link=link).shap_values(ROWS),
              wanted, 1e-6)
    ours = windlass.KernelExplainer(one, BACKGROUND)
    wanted = shap.KernelExplainer(one, BACKGROUND).shap_values(
        ROWS, l1_reg="num_features(2)", nsamples=100, silent=True)
    got = ours.shap_values(ROWS, l1_reg="num_features(2)", nsamples=100)
    close(got, wanted, 1e-6)
    assert ((got != 0).sum(axis=1) <= 2).all()
    for l1_reg in ("auto", False, 0, None):
        close(ours.shap_values(ROWS, l1_reg=l1_reg), ours.shap_values(ROWS))
    error = error_of("invalid input", lambda: ours.shap_values(ROWS, l1_reg=0.1))
    assert "num_features(K)" in str(error)


@test
def frames_reach_the_model_as_they_came(folder):
    count = 40
    frame = pd.DataFrame({
        "number": rng.normal(size=count),
        "kind": pd.Categorical(rng.choice(list("xyz"), count)),
        "flag": rng.random(count) > 0.5,
        "int": rng.integers(0, 5, count),
        "nullable": pd.array(rng.integers(0, 5, count), dtype="Int64"),
        "float32": rng.normal(size=count).astype("float32"),
        7: rng.normal(size=count),
    })
    frame.loc[3, "number"] = np.nan
    frame.loc[4, "kind"] = None
    frame.loc[5, "nullable"] = pd.NA
    seen = []

    def model(rows):
        seen.append(rows)
        kind = rows["kind"].map({"x": 1, "y": 2, "z": 3}).astype(float).fillna(0)
        return (rows["number"].fillna(0) + kind * rows["flag"] + rows["int"] + rows[7]
                + rows["nullable"].fillna(0).astype(float)).to_numpy(dtype=float)

    explainer = windlass.Explainer(model, frame.iloc[:20])
    explained = explainer(frame)
    for rows in seen:
        assert rows.dtypes.equals(frame.dtypes) and list(rows.columns) == list(frame.columns)
    close(explained.values.sum(axis=1) + explained.base_values, model(frame))
    assert explained.feature_names == [str(name) for name in frame.columns]
    assert explained.display_data[0][1] == frame["kind"].iloc[0]
    assert explained.display_data[4][1] == "nan" and np.isnan(explained.data[4, 1])
    # By name, whatever the order; an array by place.
    close(explainer.shap_values(frame[list(frame.columns)[::-1]]), explained.values)
    plain = windlass.Explainer(lambda d: d["a"] * 2, pd.DataFrame(X[:5], columns=list("abcd")))
    close(plain.shap_values(ROWS)[:, 0], 2 * (ROWS[:, 0] - X[:5, 0].mean()))
    error = error_of("invalid input", lambda: explainer(frame.iloc[:1].assign(
        kind=pd.Categorical(["q"]))))
    assert '"q" does not occur' in str(error)
    for column, of in (("text", ["a", "b"]), ("date", pd.date_range("2026", periods=2))):
        error = error_of("invalid input", lambda: windlass.Explainer(
            model, pd.DataFrame({column: of})))
        assert f"column '{column}' is of dtype" in str(error), error


@test
def arrow_and_polars_and_files_are_tables(folder):
    wanted = windlass.Explainer(one, BACKGROUND).shap_values(ROWS)
    names = list("abcd")

    def arrow(rows):
        return pa.table({name: rows[:, i] for i, name in enumerate(names)})

    def frame(rows):
        return pl.DataFrame(rows, schema=names)

    for made in (arrow, frame):
        close(windlass.Explainer(one, made(BACKGROUND)).shap_values(made(ROWS)), wanted)
        close(windlass.Explainer(one, made(BACKGROUND)).shap_values(ROWS), wanted)
        weights = np.arange(1.0, 13)
        close(windlass.Explainer(one, made(BACKGROUND), weights=weights).expected_value,
              np.average(one(BACKGROUND), weights=weights))
    pq.write_table(arrow(BACKGROUND), folder / "background.parquet")
    pq.write_table(arrow(ROWS), folder / "rows.parquet")
    for kind in (str, pathlib.Path):
        explainer = windlass.Explainer(one, kind(folder / "background.parquet"))
        close(explainer.shap_values(kind(folder / "rows.parquet")), wanted)
    words = pa.table({"kind": pa.array(["u", "v", None, "u"]).dictionary_encode(),
                      "flag": [True, False, None, True], "int": pa.array([1, 2, 3, 4], pa.int8())})
    explained = windlass.Explainer(lambda x: np.nan_to_num(x).sum(axis=1), words)(words)
    assert list(explained.display_data[:, 0]) == ["u", "v", "nan", "u"]
    kinds = pl.DataFrame({"kind": pl.Series(["u", "v", "w"], dtype=pl.Categorical)})
    assert list(windlass.Explainer(lambda x: x[:, 0], kinds)(kinds).display_data[:, 0]) == list(
        "uvw")


@test
def weights_groups_hierarchies_and_outputs(folder):
    weights = [1, 2, 3, 4] * 3
    weighted = windlass.Explainer(one, BACKGROUND, weights=weights)
    close(weighted.expected_value, np.average(one(BACKGROUND), weights=weights))
    frame = pd.DataFrame(BACKGROUND, columns=list("abcd")).assign(w=weights)
    by_name = windlass.Explainer(lambda d: one(d.to_numpy()), frame, weights="w")
    close(by_name.shap_values(pd.DataFrame(ROWS, columns=list("abcd"))),
          weighted.shap_values(ROWS))
    for bad in ([1, 2], [[1]], ["a"] * 12, [-1] * 12):
        error_of("invalid input", lambda bad=bad: windlass.Explainer(one, BACKGROUND, weights=bad))

    grouped = windlass.Explainer(one, BACKGROUND, groups={"p": np.array([0, 1]), "q": (2,),
                                                          "r": ["3"]})
    explained = grouped(ROWS)
    assert explained.feature_names == ["p", "q", "r"] and explained.shape == (5, 3)
    assert np.isnan(explained.data[:, 0]).all()
    close(explained.data[:, 1:], ROWS[:, 2:])
    named = windlass.Explainer(one, BACKGROUND, feature_names=list("abcd"),
                               groups={"p": ["a", "b"], "q": ["c"], "r": ["d"]})
    close(named.shap_values(ROWS), explained.values)
    owen = windlass.Explainer(one, BACKGROUND, coalitions={"p": ["0", "1"], "q": ["2", "3"]})
    close(owen.shap_values(ROWS).sum(axis=1) + owen.expected_value, one(ROWS))
    assert "a list; a dict" in str(
        error_of("invalid input", lambda: windlass.Explainer(one, BACKGROUND, groups=[[0], [1]])))

    both = windlass.Explainer(two, BACKGROUND)
    assert both.shap_values(ROWS).shape == (5, 4, 2) and both.expected_value.shape == (2,)
    second = windlass.Explainer(two, BACKGROUND, class_=1)
    close(second.shap_values(ROWS), both.shap_values(ROWS)[:, :, 1])
    assert isinstance(second.expected_value, float)
    frames = windlass.Explainer(
        lambda d: pd.DataFrame({"no": d["a"], "yes": -d["a"]}),
        pd.DataFrame(BACKGROUND, columns=list("abcd")))
    assert frames(ROWS).output_names == ["no", "yes"]

    pairs = both.shap_interaction_values(ROWS)
    assert pairs.shape == (5, 4, 4, 2)
    close(pairs.sum(axis=2), both.shap_values(ROWS))
    close(pairs, pairs.transpose(0, 2, 1, 3))
    assert both.shap_values(ROWS[:0]).shape == (0, 4, 2)
    sampled = windlass.Explainer(one, BACKGROUND, method="msr", nsamples=np.int64(64))(ROWS)
    assert (sampled.lower_bounds <= sampled.values).all()
    assert (sampled.upper_bounds >= sampled.values).all()


@test
def models_by_name_are_exact(folder):
    import xgboost

    booster = xgboost.train({"max_depth": 3, "objective": "binary:logistic"},
                            xgboost.DMatrix(X, (X[:, 0] * X[:, 1] > 0) * 1.0), 12)
    place = folder / "model.ubj"
    booster.save_model(place)
    for model in (f"xgboost:{place}", place):
        margin = windlass.Explainer(model, BACKGROUND, output="margin")
        assert margin.plan["method"] == "tree"
        close(margin.shap_values(ROWS), shap.TreeExplainer(booster, BACKGROUND).shap_values(ROWS),
              1e-6)
    path = windlass.Explainer(f"xgboost:{place}", tree_mode="path", output="margin")
    error_of("usage", lambda: path.expected_value)
    error_of("usage", lambda: path.plan)
    theirs = shap.TreeExplainer(booster)
    close(path.shap_values(ROWS), theirs.shap_values(ROWS), 1e-6)
    close(path.expected_value, theirs.expected_value, 1e-6)
    close(path.shap_interaction_values(ROWS), theirs.shap_interaction_values(ROWS), 1e-5)
    assert "give its predict" in str(
        error_of("invalid input", lambda: windlass.Explainer(booster, BACKGROUND)))
    error_of("invalid input", lambda: windlass.Explainer(one))


@test
def what_a_model_raises_is_the_cause(folder):
    class Boom(ValueError):
        pass

    def bad(x):
        if np.array_equal(x[-1], ROWS[-1]) or len(x) > 100:
            raise Boom("boom\nand more")
        return one(x)

    explainer = windlass.Explainer(bad, BACKGROUND)
    error = error_of("invalid input", lambda: explainer(ROWS))
    line = bad.__code__.co_firstlineno + 2
    assert f"the model raised Boom: boom and more (explain_test.py, line {line}, in bad)" in str(
        error), error
    assert isinstance(error.__cause__, Boom)
    assert error.__cause__.__traceback__ is not None
    gone = weakref.ref(error.__cause__)
    del error
    assert gone() is None
    for answer, said in ((lambda x: x[:1], "shape [1, 4] for 12 rows"),
                         (lambda x: None, "shape []"), (lambda x: ["a"] * len(x), "no numbers"),
                         (lambda x: x[:, 0] * np.nan, "finite"),
                         (lambda x: sys.exit(3), "SystemExit: 3")):
        assert said in str(error_of(
            "invalid input",
            lambda answer=answer: windlass.Explainer(answer, BACKGROUND).shap_values(ROWS))), said
    again = pickle.loads(pickle.dumps(windlass.Error("x", "usage")))
    assert (str(again), again.code) == ("x", "usage")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        values = windlass.Explainer(
            lambda x: np.where(x[:, 0] == ROWS[2, 0], np.nan, one(x)), BACKGROUND,
            on_error="row").shap_values(ROWS)
    assert np.isnan(values[2]).all() and not np.isnan(values[[0, 1, 3, 4]]).any()
    assert "1 of 5 rows" in str(said[0].message)


@test
def threads_share_explainers(folder):
    explainers = [windlass.Explainer(one, BACKGROUND), windlass.Explainer(two, BACKGROUND)]
    wanted = [explainer.shap_values(ROWS) for explainer in explainers]
    failures = []
    barrier = threading.Barrier(4)

    def work(which):
        try:
            barrier.wait(PATIENT)
            for _ in range(10):
                np.testing.assert_array_equal(explainers[which].shap_values(ROWS), wanted[which])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i % 2,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENT)
    assert not failures, failures


@test
def other_threads_go_on_while_trees_are_explained(folder):
    import xgboost

    booster = xgboost.train({"max_depth": 8}, xgboost.DMatrix(X, X.sum(axis=1)), 200)
    booster.save_model(folder / "model.ubj")
    explainer = windlass.Explainer(folder / "model.ubj", BACKGROUND)
    many = np.tile(X, (200, 1))
    count, stop, begun = 0, threading.Event(), threading.Event()

    def work():
        nonlocal count
        begun.set()
        while not stop.is_set():
            count += 1

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(PATIENT)
    before = count
    explainer._explainer(False, None).explain(_uri(explainer, many), 0)
    during = count - before
    stop.set()
    thread.join(PATIENT)
    assert during > 1000, during  # with the GIL held: a turn or two


def _uri(explainer, rows):
    table = windlass._tables.memory_table("rows", rows)
    explainer._keep.append(table)
    return table.uri


@test
def models_are_called_in_large_fixed_blocks(folder):
    sizes = []

    def model(x):
        sizes.append(len(x))
        return one(x)

    windlass.Explainer(model, BACKGROUND).shap_values(X)
    blocks = set(sizes[1:])  # the first is the introduction
    assert len(blocks) == 1 and min(blocks) >= 256, sizes
    windlass.Explainer(model, BACKGROUND, workers=2).shap_values(X[:1])
    assert set(sizes) == {sizes[0], *blocks}, sizes


@test
def nothing_is_kept(folder):
    class Model:
        def __call__(self, x):
            return one(x)

    model = Model()
    gone = weakref.ref(model)
    explainer = windlass.Explainer(model, BACKGROUND)
    explainer.shap_values(ROWS)
    explainer.shap_interaction_values(ROWS)
    del model
    assert gone() is not None
    del explainer
    assert gone() is None


@test
def explanations_pickle_and_are_cut(folder):
    from windlass._explanation import Explanation

    whole = windlass.Explainer(two, BACKGROUND, feature_names=list("abcd"))(ROWS)
    ours = Explanation(whole.values, whole.base_values, whole.data, None, list("abcd"), ["0", "1"])
    for each in (whole, ours):
        again = pickle.loads(pickle.dumps(each))
        np.testing.assert_array_equal(again.values, each.values)
        assert each[1:3].shape == (2, 4, 2)
        assert each[..., 1].shape == (5, 4)
        assert each[:, "b"].shape == (5, 2)
        np.testing.assert_array_equal(each[0, :, 1].values, whole.values[0, :, 1])
        np.testing.assert_array_equal(each[0, :, 1].base_values, whole.base_values[0, 1])
    assert ours[0, :, 1].feature_names == list("abcd")
    assert "values" in repr(ours)


@test
def shap_draws_what_it_is_given(folder):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    frame = pd.DataFrame({"number": X[:, 0], "other": X[:, 1],
                          "kind": pd.Categorical(rng.choice(list("xyz"), len(X)))})

    def model(rows):
        return (rows["number"] * rows["other"] + rows["kind"].cat.codes).to_numpy()

    explained = windlass.Explainer(model, frame.iloc[:20])(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for draw in (shap.plots.beeswarm, shap.plots.bar, shap.plots.heatmap):
            draw(explained, show=False)
            pyplot.close("all")
        shap.plots.waterfall(explained[0], show=False)
        pyplot.close("all")
        for column in ("number", "kind"):
            shap.plots.scatter(explained[:, column], color=explained, show=False)
            pyplot.close("all")
        shap.plots.force(explained[0], matplotlib=True, show=False)
        pyplot.close("all")
        shap.plots.decision(explained.base_values[0], explained.values,
                            feature_names=explained.feature_names, show=False)
        pyplot.close("all")
        both = windlass.Explainer(two, BACKGROUND)(ROWS)
        shap.plots.beeswarm(both[..., 1], show=False)
        pyplot.close("all")


@test
def ctrl_c_stops_between_calls(folder):
    # The first call says so; the rest would take days.
    process = python("""
        import sys, numpy, windlass
        x = numpy.random.default_rng(0).normal(size=(20000, 14))
        explainer = windlass.Explainer(lambda rows: rows.sum(axis=1), x[:1000], method="exact")
        first = True
        def model(rows):
            global first
            if first and len(rows) > 1000:
                first = False
                print("calling", flush=True)
            return (rows ** 2).prod(axis=1)
        explainer = windlass.Explainer(model, x[:1000], method="exact")
        try:
            explainer(x)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(explainer.shap_values(x[:0]).shape)
    """)
    assert process.stdout.readline() == "calling\n", process.communicate()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENT)
    assert (process.returncode, out) == (0, "interrupted\n(0, 14)\n"), (out, err)


@test
def a_second_ctrl_c_stops_a_call(folder):
    process = python("""
        import signal, numpy, windlass
        def model(rows):
            if calling:
                print("calling", flush=True)
                while True:
                    pass
            return rows.sum(axis=1)
        calling = False
        x = numpy.ones((4, 3))
        explainer = windlass.Explainer(model, x)
        calling = True
        def handler(*_):
            print("signalled", flush=True)
            raise KeyboardInterrupt
        signal.signal(signal.SIGINT, handler)
        try:
            try:
                explainer(x * 2)
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """)
    # A signal that comes while the handler runs is handled within it: so there is always another.
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line == "interrupted\n":
            break
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENT)
    assert lines[:3] == ["calling\n", "signalled\n", "signalled\n"], (lines, err)
    assert lines[-1] == "interrupted\n", (lines, err)


ENDING = """
    import threading, numpy, windlass
    x = numpy.random.default_rng(0).normal(size=(4000, 12))
    called = threading.Event()
    def model(rows):
        if len(rows) > 500:
            called.set()
            %s
        return (rows ** 2).prod(axis=1)
    explainer = windlass.Explainer(model, x[:200])
"""


@test
def python_exits_while_explainers_live_and_work(folder):
    out, err = output_of(ENDING % "pass" + """
    explainer.shap_values(x[:1])
    print("done")
    """)
    assert (out, err) == ("done\n", "")
    out, err = output_of(ENDING % "pass" + """
    def work():
        try:
            explainer(x)
        except windlass.Error as error:
            assert error.code == "cancelled", error
    threading.Thread(target=work, daemon=True).start()
    called.wait()
    print("done")
    """)
    assert (out, err) == ("done\n", "")
    out, err = output_of(ENDING % "threading.Event().wait()" + """
    threading.Thread(target=explainer, args=(x,), daemon=True).start()
    called.wait()
    print("done")
    """, status=1)
    assert out == "done\n" and "a callable still runs" in err, (out, err)


@test
def forked_processes_make_their_own(folder):
    out, _ = output_of(ENDING % "pass" + """
    import os, warnings
    warnings.simplefilter("ignore")
    wanted = explainer.shap_values(x[:2])
    child = os.fork()
    if child == 0:
        try:
            explainer.shap_values(x[:2])
        except windlass.Error as error:
            assert error.code == "usage", error
        own = windlass.Explainer(model, x[:200])
        assert (own.shap_values(x[:2]) == wanted).all()
    else:
        assert os.waitpid(child, 0)[1] == 0
        print("done")
    """)
    assert out == "done\n"


@test
def development_mode_has_nothing_to_say(folder):
    _, err = output_of("""
        import sys
        sys.modules["shap"] = None  # whose own warnings are not ours
        import numpy, pandas, windlass
        x = numpy.arange(12.0).reshape(4, 3)
        frame = pandas.DataFrame({"a": x[:, 0], "k": pandas.Categorical(list("abab"))})
        for rows in (x, frame):
            explainer = windlass.Explainer(lambda r: numpy.asarray(r)[:, 0].astype(float), rows)
            explainer(rows), explainer.expected_value, explainer.shap_interaction_values(rows)
        try:
            windlass.Explainer(lambda r: 1 / 0, x)
        except windlass.Error as error:
            assert isinstance(error.__cause__, ZeroDivisionError)
        windlass.map(abs, [1, -2], memo=False)
    """, "-X", "dev", "-W", "error")
    assert err == "", err


@test
def sub_interpreters_are_refused(folder):
    if sys.version_info < (3, 13):  # no public name before 3.14
        script = """
            import _xxsubinterpreters as interpreters
            id = interpreters.create()
            try:
                interpreters.run_string(id, "import windlass._windlass")
            except interpreters.RunFailedError as error:
                print("refused", error)
        """
    else:
        script = """
            import _interpreters as interpreters
            id = interpreters.create()
            print("refused", interpreters.exec(id, "import windlass._windlass"))
        """
    out, _ = output_of(script)
    assert out.startswith("refused") and "ImportError" in out, out


main()
