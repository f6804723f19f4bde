"""The benchmarks: what runs against what, how often, and which ratios are of interest."""

from contenders import Adult, Command, Explain, FmaLoop, Peer, StoreHalf, Trees

SHAP_ROWS = 32          # a repetition; shap's cost a row does not depend on how many there are
SHAP_RMS_ROWS = 32      # a seed, so 320 in all; the error's interval says what that costs
SCALING_ROWS = 2_560_000
PATH = Trees(mode="path")
PATH_500 = Trees("trees_500x8", mode="path")
PAIRS = Trees(mode="path", interactions=True)


def tree_peer(name, what, rows, program="run.py"):
    """A peer on the first `rows` rows of 10,000 (of pairs: 1,000). Those with fewer rows than we
    have walk every tree for every row and prepare next to nothing, so that a row costs the same."""
    data_rows = 1000 if what.interactions else 10_000
    return Peer(name, rows=rows, quick_rows=20, data_rows=data_rows, quick_data_rows=1000,
                what=what, program=program)


def path_job(trees, what, xgboost_rows):
    """Path dependent values of `trees` beside the peers that have them."""
    peers = ["fasttreeshap016", "xgboost320"]
    return {
        "title": f"{trees}, path dependent, 10,000 rows of 12 columns, one thread",
        "unit": "row",
        "repetitions": 7,
        "contenders": [
            Explain(rows=10_000, quick_rows=1000, what=what),
            tree_peer("fasttreeshap016", what, rows=10_000),
            tree_peer("xgboost320", what, rows=xgboost_rows),
        ],
        "compare": [("windlass", peer) for peer in peers],
        "differences": ("windlass", peers, 1e-5),
    }


# compare: (a, b) asks how many times a's cost a unit b's is, in each metric of both.
# ratios: (label, numerator, denominator, metric) of paired repetitions; shares: (label, ratio,
# ratio) of those. errors: contenders whose attributions are compared with exact values.
# differences: (a, [b, ..], tolerance) compares attributions with a's. rates: (label, contender,
# metric) are units a minute.
JOBS = {
    "adult_exact_2560": {
        "title": "Adult job, exact, linear model, 2,560 rows, one thread",
        "unit": "row",
        "repetitions": 7,
        "contenders": [
            Explain(rows=2560, quick_rows=2560, options=("--method", "linear", "-w", "1")),
            Peer("numpy_exact", rows=2560, quick_rows=64),
            Peer("shap051", rows=SHAP_ROWS, quick_rows=4),
        ],
        "compare": [("windlass", "numpy_exact"), ("windlass", "shap051")],
        "errors": ["windlass", "shap051"],
        "error_rows": 2560,
    },
    "adult_exact_100000": {
        "title": "100,000 rows like Adult's, exact, linear model, one thread",
        "unit": "row",
        "repetitions": 7,
        "contenders": [
            Explain(rows=100_000, quick_rows=2000, options=("--method", "linear", "-w", "1")),
            Peer("numpy_exact", rows=5000, quick_rows=64, data_rows=100_000,
                 quick_data_rows=2000),
        ],
        "compare": [("windlass", "numpy_exact")],
        "errors": ["windlass"],
        "error_rows": 5000,
    },
    "adult_kernel_opaque": {
        "title": "Adult job, KernelSHAP, opaque model (ONNX; shap: NumPy), one thread, 10 seeds",
        "unit": "row",
        "repetitions": 10,  # the repetition is the seed
        "contenders": [
            Explain(rows=2560, quick_rows=2560, what=Adult("onnx:model.onnx?opaque=1"),
                    options=("--method", "kernel", "--seed", "SEED", "-w", "1")),
            Peer("shap051", rows=SHAP_RMS_ROWS, quick_rows=4),
        ],
        "compare": [("windlass", "shap051")],
        "errors": ["windlass", "shap051"],
        "error_rows": 2560,
    },
    "scaling_1_2": {
        "title": "1 to 2 workers, 2,560,000 rows, output included, beside a loop of FMAs",
        "unit": "row",
        "repetitions": 7,
        "contenders": [
            Explain(rows=SCALING_ROWS, quick_rows=5000, options=("-w", "1"),
                    metric="command_wall_s", name="windlass_1"),
            Explain(rows=SCALING_ROWS, quick_rows=5000, options=("-w", "2"),
                    metric="command_wall_s", name="windlass_2"),
            FmaLoop(1),
            FmaLoop(2),
        ],
        "ratios": [
            ("windlass: speed-up", "windlass_1", "windlass_2", "command_wall_s"),
            ("loop: speed-up", "fma_1", "fma_2", "wall_s"),
            ("windlass: CPU seconds a row, 2 workers over 1", "windlass_2", "windlass_1",
             "command_cpu_s"),
            ("loop: CPU seconds a round, 2 threads over 1", "fma_2", "fma_1", "cpu_s"),
        ],
        "shares": [("share of the loop's speed-up", "windlass: speed-up", "loop: speed-up")],
    },
    "trees_interventional": {
        "title": "100 trees of depth 6, 100 background rows, interventional, 10,000 rows of 12 "
                 "columns, one thread",
        "unit": "row",
        "repetitions": 7,
        "contenders": [
            Explain(rows=10_000, quick_rows=1000, what=Trees()),
            tree_peer("woodelf048", Trees(), rows=10_000),
            tree_peer("shap051", Trees(), rows=1000, program="trees_run.py"),
        ],
        "compare": [("windlass", "woodelf048"), ("windlass", "shap051")],
        "differences": ("windlass", ["woodelf048", "shap051"], 1e-5),
    },
    "trees_path": path_job("100 trees of depth 6", PATH, xgboost_rows=2000),
    "trees_path_500": path_job("500 trees of depth 8", PATH_500, xgboost_rows=1000),
    "trees_interactions": {
        "title": "100 trees of depth 6, interactions of pairs, path dependent, 1,000 rows of 12 "
                 "columns, one thread",
        "unit": "row",
        "repetitions": 7,
        "contenders": [
            Explain(rows=1000, quick_rows=1000, what=PAIRS),
            tree_peer("shap051", PAIRS, rows=200, program="trees_run.py"),
            tree_peer("xgboost320", PAIRS, rows=200),
        ],
        "compare": [("windlass", "shap051"), ("windlass", "xgboost320")],
        "differences": ("windlass", ["shap051", "xgboost320"], 1e-5),
    },
    "trees_all_cores": {
        "title": "100 trees of depth 6, 100 background rows, interventional, 1,000,000 rows, two "
                 "workers, reading and writing included",
        "unit": "row",
        "repetitions": 7,
        "contenders": [
            Explain(rows=1_000_000, quick_rows=10_000, what=Trees(), options=("-w", "2"),
                    metric="command_wall_s"),
        ],
        "rates": [("windlass: rows a minute", "windlass", "command_wall_s")],
    },
    "store_100k": {
        "title": "100,000 small results put into an empty store and looked up by a new one",
        "unit": "result",
        "repetitions": 7,
        "contenders": [StoreHalf("put"), StoreHalf("lookup")],
    },
    "startup": {
        "title": "A new process, warm page cache; floor: an empty program, and one with Arrow",
        "unit": "start",
        "repetitions": 41,
        "contenders": [
            Command("true", ("/bin/true",)),
            Command("arrow_start", ("PROGRAMS/arrow_start",)),
            Command("version", ("WINDLASS", "--version")),
            Explain(rows=1, quick_rows=1, metric="command_wall_s", name="explain_one_row"),
        ],
        "ratios": [("--version over an empty program linked to Arrow", "version", "arrow_start",
                    "command_wall_s")],
    },
}
