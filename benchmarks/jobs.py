"""The benchmarks: what runs against what, how often, and which ratios are of interest."""

from contenders import Command, Explain, FmaLoop, Peer, StoreHalf

SHAP_ROWS = 32          # a repetition; shap's cost a row does not depend on how many there are
SHAP_RMS_ROWS = 32      # a seed, so 320 in all; the error's interval says what that costs
SCALING_ROWS = 2_560_000

# compare: (a, b) asks how many times a's cost a unit b's is, in each metric of both.
# ratios: (label, numerator, denominator, metric) of paired repetitions; shares: (label, ratio,
# ratio) of those. errors: contenders whose attributions are compared with exact values.
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
            Explain(rows=2560, quick_rows=2560, model="onnx:model.onnx?opaque=1",
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
