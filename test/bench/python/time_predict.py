"""Measure the prediction of one record without a server: python time_predict.py MODEL RECORDS SECONDS

Prints the median in milliseconds.
"""

import json
import statistics
import sys
import time
from itertools import cycle
from pathlib import Path

import joblib
import numpy as np


def main(model_path: str, records_path: str, seconds: float) -> None:
    model = joblib.load(model_path)
    records = cycle([np.array([record]) for record in json.loads(Path(records_path).read_text())])
    times = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        record = next(records)
        start = time.perf_counter()
        model.predict(record)
        times.append(time.perf_counter() - start)
    print(statistics.median(times) * 1000)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
