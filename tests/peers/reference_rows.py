#!/usr/bin/env python3
"""Shapley values of some Adult rows in extended precision, as a reference for tests.

    python reference_rows.py

Needs pyarrow to read the tables; all arithmetic is decimal, with 80 digits. Writes
data/reference_rows.json. Takes about a second a row.

The game is v(S) = logit(mean over background rows b of P(x_S, b_notS)), P the sigmoid of a linear
margin. Rows 88 and 91 have margins above 30, where a logit of the mean probability has few right
digits left in double precision; row 0 is an ordinary one. Inputs are the exact values of the
doubles in examples/adult, results are rounded once, to the 17 digits that fix a double.
"""

import decimal
import json
import math
import pathlib

import pyarrow.parquet as pq

Number = decimal.Decimal
DIGITS = 80
ROWS = [0, 88, 91]


def read_rows(path, columns):
    table = pq.read_table(path, columns=columns)
    columns = (column.to_pylist() for column in table.columns)
    return [[Number(value) for value in row] for row in zip(*columns)]


def group_contributions(rows, coef, members):
    """Part of each row's margin that each group brings. Shape [rows][groups]."""
    return [[sum((coef[c] * row[c] for c in columns), Number(0)) for columns in members]
            for row in rows]


def subset_exponentials(contributions):
    """exp(-sum of the contributions in the coalition), for all coalitions as bit masks."""
    products = [Number(1)]
    for contribution in contributions:
        factor = (-contribution).exp()
        products += [product * factor for product in products]
    return products


def values_of_coalitions(row, background, intercept):
    """v(S) for every coalition S. Shape [2^groups]."""
    from_row = subset_exponentials(row)
    everyone = len(from_row) - 1
    chances, complements = [Number(0)] * len(from_row), [Number(0)] * len(from_row)
    start = (-intercept).exp()
    for contributions in background:
        from_background = subset_exponentials(contributions)
        for coalition, factor in enumerate(from_row):
            odds_against = start * factor * from_background[everyone ^ coalition]
            chance = 1 / (1 + odds_against)
            chances[coalition] += chance
            complements[coalition] += odds_against * chance
    return [p.ln() - q.ln() for p, q in zip(chances, complements)]


def shapley_values(values, groups):
    """Weighted sums of marginal contributions (Shapley 1953). Shape [groups]."""
    weight = [Number(math.factorial(size) * math.factorial(groups - size - 1))
              / Number(math.factorial(groups)) for size in range(groups)]
    return [sum((weight[coalition.bit_count()] * (values[coalition | 1 << g] - values[coalition])
                 for coalition in range(1 << groups) if not coalition >> g & 1), Number(0))
            for g in range(groups)]


def main():
    decimal.getcontext().prec = DIGITS
    here = pathlib.Path(__file__).resolve().parent
    adult = here.parent.parent / "examples" / "adult"
    model = json.loads((adult / "model.json").read_text())
    groups = json.loads((adult / "groups.json").read_text())
    columns = model["columns"]
    coef = [Number(value) for value in model["coef"]]
    intercept = Number(model["intercept"])
    members = [[columns.index(name) for name in names] for names in groups.values()]
    rows = read_rows(adult / "adult.parquet", columns)
    background = group_contributions(read_rows(adult / "background.parquet", columns), coef,
                                     members)
    explained = []
    for index in ROWS:
        row = group_contributions([rows[index]], coef, members)[0]
        values = values_of_coalitions(row, background, intercept)
        attributions = shapley_values(values, len(groups))
        gap = values[0] + sum(attributions) - values[-1]
        assert abs(gap) < Number(10) ** (10 - DIGITS), f"row {index} is not locally accurate"
        explained.append({"row": index, "base_value": f"{values[0]:.16e}",
                          "margin": f"{values[-1]:.16e}",
                          "attributions": [f"{value:.16e}" for value in attributions]})
    lines = []
    for entry in explained:
        lines.append(f'    {{"row": {entry["row"]}, "base_value": {entry["base_value"]}, '
                     f'"margin": {entry["margin"]},\n     "attributions": [\n       '
                     + ",\n       ".join(entry["attributions"]) + "]}")
    document = ('{\n  "link": "logit",\n  "groups": ' + json.dumps(list(groups))
                + ',\n  "rows": [\n' + ",\n".join(lines) + "\n  ]\n}\n")
    json.loads(document)
    (here / "data" / "reference_rows.json").write_text(document)


if __name__ == "__main__":
    main()
