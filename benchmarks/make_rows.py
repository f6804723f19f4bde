#!/usr/bin/env python3
"""Makes N rows like those of the Adult job, no two equal, as a Parquet file.

    python make_rows.py 100000 FILE [--like adult.parquet] [--seed 0]

Row i resamples a row of the original and moves its numeric columns: Age by less than half a year,
so that i alone fixes where in that year, which makes rows differ; hours a week by less than half
an hour; capital gain and loss, where there are any, by up to one per cent. Row i depends on seed
and i only: the first 100,000 rows are the same in every longer file. Memory stays flat: one row
group of 65,536 rows at a time.
"""

import argparse
import os
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 65536
MOST_ROWS = 1 << 32
NEXT_IN_YEAR = 2654435769  # odd, so that i -> i * it mod 2^32 meets every number once
WORDS = 4                  # random 64-bit words a row: one Philox block


def random_words(seed, start, count):
    """Philox words of rows start .. start + count - 1. Shape [count, WORDS]."""
    generator = np.random.Philox(key=seed, counter=start)
    return generator.random_raw(count * WORDS).reshape(count, WORDS)


def uniform(words):
    """Doubles in [0, 1) from the upper 53 bits."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0 ** -53


def step_of(values):
    """The smallest distance between distinct values: one year, one hour, one dollar or more."""
    return np.min(np.diff(np.unique(values)))


def make_block(like, names, steps, seed, start, count):
    words = random_words(seed, start, count)
    # 2^64 is so far above the number of rows that the modulo's bias does not matter
    rows = like[(words[:, 0] % np.uint64(len(like))).astype(np.int64)]
    index = np.arange(start, start + count, dtype=np.uint64)
    place = (index * np.uint64(NEXT_IN_YEAR)) & np.uint64(MOST_ROWS - 1)
    age, hours = names.index("Age"), names.index("Hours per week")
    rows[:, age] += steps["Age"] * (place.astype(np.float64) / MOST_ROWS - 0.5) * 0.98
    rows[:, hours] += steps["Hours per week"] * (uniform(words[:, 1]) - 0.5) * 0.98
    for name, word in (("Capital Gain", 2), ("Capital Loss", 3)):
        column = names.index(name)
        above_none = rows[:, column] - like[:, column].min()
        rows[:, column] += above_none * (uniform(words[:, word]) - 0.5) * 0.02
    return rows


def main():
    adult = pathlib.Path(__file__).resolve().parents[1] / "examples" / "adult" / "adult.parquet"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=int)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--like", type=pathlib.Path, default=adult)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not 0 < arguments.rows <= MOST_ROWS:
        sys.exit(f"make_rows.py: {arguments.rows} rows; between 1 and {MOST_ROWS} are possible")

    table = pq.read_table(arguments.like)
    names = table.column_names
    like = np.stack([column.to_numpy() for column in table.columns], axis=1)
    steps = {name: step_of(like[:, names.index(name)]) for name in ("Age", "Hours per week")}
    schema = pa.schema([pa.field(name, pa.float64(), nullable=False) for name in names])
    numeric = {"Age", "Hours per week", "Capital Gain", "Capital Loss"}
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    beside = arguments.file.with_name(arguments.file.name + ".part")
    with pq.ParquetWriter(beside, schema, compression="zstd", write_statistics=False,
                          store_schema=False,
                          use_dictionary=[n for n in names if n not in numeric]) as writer:
        for start in range(0, arguments.rows, ROW_GROUP):
            count = min(ROW_GROUP, arguments.rows - start)
            block = make_block(like, names, steps, arguments.seed, start, count)
            writer.write_table(pa.table([np.ascontiguousarray(block[:, c])
                                         for c in range(len(names))], schema=schema),
                               row_group_size=ROW_GROUP)
    os.replace(beside, arguments.file)


if __name__ == "__main__":
    main()
