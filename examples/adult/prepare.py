#!/usr/bin/env python3
"""Makes the tables of the Adult job from the file that UCI publishes.

    python prepare.py adult.data [--out FOLDER]

Needs numpy and pyarrow. Writes adult.parquet (2,560 rows to explain), background.parquet (100
rows) and groups.json. The preparation is that of the public benchmark of distributed KernelSHAP
(see README.md), computed here from its description: the same rows in the same order, the same
standardised doubles to the last bit.

model.json is read, not written. A logistic regression of these rows stops at a loose tolerance,
and another version of the library that fits it moves coefficients by up to 0.04. So the fitted
coefficients are part of the job and are kept in model.json; this script checks that they belong
to the columns it makes, and that the model predicts the test rows as well as it is known to.
"""

import argparse
import hashlib
import json
import math
import os
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MD5 = "5d7c39d7b8804f071cdd1f2a7c460872"
ROWS = 32561
TRAIN_ROWS = 30000
FIRST_TEST_ROW = TRAIN_ROWS + 1  # the benchmark leaves out the row between train and test
TEST_ROWS = 2560
BACKGROUND_ROWS = 100
COLUMNS = 49
GROUPS = 12
CORRECT_TEST_ROWS = 2189  # of 2,560: an accuracy of 0.85508

FIELDS = ["Age", "Workclass", "fnlwgt", "Education", "Education-Num", "Marital Status",
          "Occupation", "Relationship", "Race", "Sex", "Capital Gain", "Capital Loss",
          "Hours per week", "Country", "Target"]
NUMERIC = ["Age", "Capital Gain", "Capital Loss", "Hours per week"]
# Standard deviations of the numeric fields over the train rows, as the library that fitted the
# model computed them: its sums round, and the last bit of every prepared double hangs on that.
DEVIATIONS = {"Age": 13.63769415794164, "Capital Gain": 7408.37591243731,
              "Capital Loss": 405.2289059343003, "Hours per week": 12.366765616450495}
DEVIATION_TOLERANCE = 4e-16  # relative, against the exact moments: less than two units
CATEGORICAL = ["Workclass", "Education", "Marital Status", "Occupation", "Relationship", "Race",
               "Sex", "Country"]

# Coarser classes, by field: the class and the published labels that it takes in. A label that
# stands nowhere, "?" among them, is a class of its own.
COARSE = {
    "Education": {
        "Associates": ["Assoc-acdm", "Assoc-voc"],
        "Dropout": ["Preschool", "1st-4th", "5th-6th", "7th-8th", "9th", "10th", "11th", "12th"],
        "High School grad": ["HS-grad", "Some-college"],
        "Prof-School": ["Prof-school"],
    },
    "Marital Status": {
        "Married": ["Married-AF-spouse", "Married-civ-spouse"],
        "Never-Married": ["Never-married"],
        "Separated": ["Divorced", "Married-spouse-absent", "Separated"],
    },
    "Occupation": {
        "Admin": ["Adm-clerical"],
        "Blue-Collar": ["Craft-repair", "Farming-fishing", "Handlers-cleaners",
                        "Machine-op-inspct", "Transport-moving"],
        "Military": ["Armed-Forces"],
        "Other": ["Protective-serv", "Tech-support"],
        "Professional": ["Prof-specialty"],
        "Service": ["Other-service", "Priv-house-serv"],
        "White-Collar": ["Exec-managerial"],
    },
    "Country": {
        "British-Commonwealth": ["Canada", "England", "India", "Ireland", "Scotland"],
        "China": ["China", "Hong", "Taiwan"],
        "Euro_1": ["France", "Germany", "Holand-Netherlands", "Italy"],
        "Euro_2": ["Greece", "Hungary", "Poland", "Portugal", "South"],
        "Latin-America": ["Dominican-Republic", "Guatemala", "Haiti", "Honduras", "Jamaica",
                          "Mexico", "Nicaragua", "Outlying-US(Guam-USVI-etc)", "Puerto-Rico",
                          "Trinadad&Tobago"],
        "Other": ["Cuba", "Iran", "Japan"],
        "SE-Asia": ["Cambodia", "Laos", "Philippines", "Thailand", "Vietnam"],
        "South-America": ["Columbia", "Ecuador", "El-Salvador", "Peru"],
    },
}


def read_fields(path):
    """Returns the published rows as a dict from field name to a list of ROWS strings."""
    content = pathlib.Path(path).read_bytes()
    # Copies of the file differ in the blank line at the end that the published one has.
    published = content.rstrip(b"\n") + b"\n\n"
    digest = hashlib.md5(published, usedforsecurity=False).hexdigest()
    if digest != MD5:
        sys.exit(f"{path}: md5 with one blank line at the end is {digest}, but adult.data as UCI "
                 f"publishes it has {MD5}")
    rows = [line.split(", ") for line in content.decode("ascii").splitlines() if line]
    if len(rows) != ROWS or any(len(row) != len(FIELDS) for row in rows):
        sys.exit(f"{path}: expected {ROWS} rows of {len(FIELDS)} fields")
    return {field: list(values) for field, values in zip(FIELDS, zip(*rows))}


def coarsen(field, labels):
    class_of = {label: name for name, members in COARSE.get(field, {}).items()
                for label in members}
    unused = set(class_of) - set(labels)
    if unused:
        sys.exit(f"{field}: no row has the label {sorted(unused)[0]!r}")
    return [class_of.get(label, label) for label in labels]


def standardise(field, values, train):
    """Maps integers [rows] to (value - mean) / deviation of the rows `train`, in doubles.

    The mean is a sum of integers, exact in any order; the deviation is the one in DEVIATIONS,
    checked here against the exact second moment.
    """
    sample = [int(value) for value in values[train]]
    count = len(sample)
    total = sum(sample)
    spread = count * sum(value * value for value in sample) - total * total
    exact = math.sqrt(spread / (count * count))
    deviation = DEVIATIONS[field]
    if abs(deviation - exact) > DEVIATION_TOLERANCE * exact:
        sys.exit(f"{field}: the train rows deviate by {exact!r}, not by {deviation!r}")
    return (values.astype(np.float64) - total / count) / deviation


def prepare(path):
    """Returns (column names, groups, doubles [rows, columns], labels [rows]), rows shuffled."""
    fields = read_fields(path)
    order = np.random.RandomState(0).permutation(ROWS)
    train = slice(0, TRAIN_ROWS)
    names, columns, groups = [], [], {}
    for field in NUMERIC:
        groups[field] = [field]
        names.append(field)
        values = np.array([int(text) for text in fields[field]])[order]
        columns.append(standardise(field, values, train))
    for field in CATEGORICAL:
        labels = np.array(coarsen(field, fields[field]))[order]
        classes = sorted(set(labels[train]))
        if set(labels) != set(classes):
            sys.exit(f"{field}: a class stands in the test rows only")
        groups[field] = []
        for name in classes[1:]:  # the first class is where all columns of its group are 0
            groups[field].append(f"{field}={name}")
            names.append(f"{field}={name}")
            columns.append((labels == name).astype(np.float64))
    target = (np.array(fields["Target"]) == ">50K")[order]
    return names, groups, np.stack(columns, axis=1), target


def write_table(path, names, rows):
    table = pa.table({name: pa.array(np.ascontiguousarray(rows[:, column]))
                      for column, name in enumerate(names)})
    schema = pa.schema([pa.field(name, pa.float64(), nullable=False) for name in names])
    beside = path.with_name(path.name + ".part")
    pq.write_table(table.cast(schema), beside, use_dictionary=True, compression="zstd",
                   compression_level=19, write_statistics=False, store_schema=False)
    back = pq.read_table(beside)
    found = np.stack([back[name].to_numpy() for name in back.column_names], axis=1)
    if back.column_names != names or found.tobytes() != np.ascontiguousarray(rows).tobytes():
        sys.exit(f"{path}: what was written does not read back as it was")
    os.replace(beside, path)


def check_model(path, names, rows, target):
    model = json.loads(path.read_text())
    if model["columns"] != names or len(model["coef"]) != len(names):
        sys.exit(f"{path}: its columns are not those of the prepared rows")
    margin = rows @ np.array(model["coef"]) + model["intercept"]
    correct = int(np.sum((margin > 0) == target))
    if correct != CORRECT_TEST_ROWS:
        sys.exit(f"{path}: predicts {correct} of {len(rows)} test rows, not {CORRECT_TEST_ROWS}")


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="adult.data as UCI publishes it")
    parser.add_argument("--out", type=pathlib.Path, default=here, help="folder to write to")
    arguments = parser.parse_args()

    names, groups, rows, target = prepare(arguments.data)
    test, background = rows[FIRST_TEST_ROW:], rows[:BACKGROUND_ROWS]
    if (len(names), len(groups), len(test)) != (COLUMNS, GROUPS, TEST_ROWS):
        sys.exit(f"made {len(names)} columns in {len(groups)} groups and {len(test)} test rows, "
                 f"not {COLUMNS} in {GROUPS} and {TEST_ROWS}")
    check_model(here / "model.json", names, test, target[FIRST_TEST_ROW:])

    arguments.out.mkdir(parents=True, exist_ok=True)
    write_table(arguments.out / "adult.parquet", names, test)
    write_table(arguments.out / "background.parquet", names, background)
    lines = [f"  {json.dumps(name)}: {json.dumps(columns)}" for name, columns in groups.items()]
    (arguments.out / "groups.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(test)} rows to explain and {len(background)} background rows, "
          f"{len(names)} columns in {len(groups)} groups, in {arguments.out}")


if __name__ == "__main__":
    main()
