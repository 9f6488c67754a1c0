#!/usr/bin/env python3
"""Trains a small model, so that there is something to serve: python sample_model/train.py

It makes its own data, the same every time: eight measurements of a house, and its price. It writes model/model.FORMAT,
test/sample_request.json and test/sample_request.csv.
"""

import argparse
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FORMAT = "joblib"
PROJECT = Path(__file__).resolve().parents[1]


def make_data(houses: int = 1000) -> tuple[NDArray[Any], NDArray[Any]]:
    """Measurements of shape (houses, 8), each from 0 to 10, and prices of shape (houses,) in thousands."""
    random = np.random.default_rng(seed=7)
    measurements = random.uniform(0, 10, size=(houses, 8)).round(2)
    weights = np.array([12.0, 8.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.0])
    prices = 100 + measurements @ weights + 0.5 * measurements[:, 0] * measurements[:, 1]
    return measurements, prices + random.normal(0, 5, size=houses)


def save_model(model: Any, path: Path) -> None:
    """Writes the model in the format that the file's extension names."""
    savers: dict[str, Callable[[Any, Path], object]] = {
        ".joblib": joblib.dump,
        ".pkl": lambda model, path: path.write_bytes(pickle.dumps(model)),
        ".skops": save_skops,
    }
    path.parent.mkdir(exist_ok=True)
    savers[path.suffix](model, path)


def save_skops(model: Any, path: Path) -> None:
    import skops.io  # installed only where it is the format

    skops.io.dump(model, path)


def save_request(records: NDArray[Any], folder: Path) -> list[Path]:
    """Writes the records as a request, once in JSON and once in CSV."""
    folder.mkdir(exist_ok=True)
    as_json, as_csv = folder / "sample_request.json", folder / "sample_request.csv"
    as_json.write_text(json.dumps({"instances": records.tolist()}) + "\n")
    as_csv.write_text("".join(",".join(map(str, record)) + "\n" for record in records.tolist()))
    return [as_json, as_csv]


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains a small model to serve.")
    parser.add_argument("--format", choices=("joblib", "pkl", "skops"), default=FORMAT, help="(default: %(default)s)")
    path = PROJECT / "model" / f"model.{parser.parse_args().format}"

    train_x, test_x, train_y, test_y = train_test_split(*make_data(), test_size=0.2, random_state=7)
    model = make_pipeline(StandardScaler(), Ridge()).fit(train_x, train_y)
    save_model(model, path)
    requests = save_request(test_x[:2], PROJECT / "test")

    score = model.score(test_x, test_y)
    print(f"Trained a ridge regression on {len(train_x)} houses. R2 on {len(test_x)} others: {score:.2f}.")
    print("Wrote " + ", ".join(str(file.relative_to(PROJECT)) for file in [path, *requests]))
    run_local = PROJECT / "test/run_local.sh"
    print("Next: " + ("test/run_local.sh" if run_local.exists() else "SM_MODEL_DIR=model code/serve"))


if __name__ == "__main__":
    main()
