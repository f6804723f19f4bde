"""The largest difference of several runs' attributions from one run's, on the rows that both have.

    python differences.py '{"reference": "a.parquet", "files": {"shap051": ["0.npz", ..]}}'

`reference` is attributions.parquet or interactions.parquet of `windlass explain`; files are what a
peer saves: [rows, columns] or, with half of a pair on each side, [rows, columns, columns]. Prints
one JSON line: for each name `max` and `rows`.
"""

import json
import sys

NOT_VALUES = {"row", "output", "base_value", "prediction"}


def main():
    request = json.loads(sys.argv[1])
    import numpy as np
    import pyarrow.parquet as pq

    table = pq.read_table(request["reference"])
    table = table.sort_by("row")
    names = [name for name in table.column_names if name not in NOT_VALUES]
    columns = [name for name in names if "*" not in name]
    wanted = {name: table[name].to_numpy() for name in names}

    def as_named(values):
        """A pair is whole in a file of windlass."""
        if values.ndim == 2:
            return {name: values[:, i] for i, name in enumerate(columns)}
        return {a if i == j else f"{a}*{b}": values[:, i, j] + (values[:, j, i] if i < j else 0)
                for i, a in enumerate(columns) for j, b in enumerate(columns) if i <= j}

    result = {}
    for name, paths in request["files"].items():
        worst, fewest = 0.0, None
        for path in paths:
            with np.load(path) as file:
                first, got = int(file["first_row"]), as_named(file["attributions"])
            if got.keys() != wanted.keys():
                sys.exit(f"{path}: other columns than {request['reference']}")
            count = len(got[columns[0]])
            for key, values in got.items():
                difference = np.abs(values - wanted[key][first:first + count])
                worst = max(worst, float(difference.max()))
            fewest = count if fewest is None else min(fewest, count)
        result[name] = {"max": worst, "rows": fewest}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
