"""Explain gives the same bytes for every worker count, batch size, engine and repetition."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import pyarrow.parquet as pq  # noqa: E402
from invariance import check_invariance  # noqa: E402
from support import ADULT, EXPLAIN_ADULT, explain_adult, main, test  # noqa: E402


def few_rows(folder, rows):
    path = folder / "few.parquet"
    pq.write_table(pq.read_table(ADULT / "adult.parquet").slice(0, rows), path)
    return explain_adult(data=path)


@test
def linear_adult(folder):
    check_invariance(folder, EXPLAIN_ADULT)


@test
def linear_one_row_a_task(folder):
    check_invariance(folder, few_rows(folder, 40), batches=(1, 7), chaos_batches=(1,))


main()
