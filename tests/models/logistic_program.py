"""A model as a program, in Python: the logistic model of tests/cli/small/model.json.

command:python3 logistic_program.py reads an Arrow IPC stream of rows and answers each record batch
with one of predictions. $LOGISTIC_BATCHES is how many it answers before it ends with a complaint.
"""

import math
import os
import sys

import pyarrow as pa

COEF, INTERCEPT = (0.5, -0.25, 1.0), 0.125
SCHEMA = pa.schema([("yes", pa.float64())])

most = int(os.environ.get("LOGISTIC_BATCHES", -1))
with pa.ipc.new_stream(sys.stdout.buffer, SCHEMA) as writer:
    for number, batch in enumerate(pa.ipc.open_stream(sys.stdin.buffer)):
        if number == most:
            sys.exit("the licence has run out")
        rows = zip(*(column.to_pylist() for column in batch.columns))
        z = [sum(c * v for c, v in zip(COEF, row)) + INTERCEPT for row in rows]
        writer.write_batch(pa.record_batch([[1 / (1 + math.exp(-v)) for v in z]], schema=SCHEMA))
        sys.stdout.flush()
