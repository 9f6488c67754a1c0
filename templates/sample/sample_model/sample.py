"""Shared by all samples: reproducible synthetic data, and sample requests."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROJECT = Path(__file__).resolve().parents[1]
MODEL = PROJECT / "model"


def make_data(houses: int = 1000, tests: int = 200) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return train_x, train_y, test_x, test_y: eight measurements per house, 0 to 10, and its price in thousands."""
    random = np.random.default_rng(seed=7)
    measurements = random.uniform(0, 10, size=(houses, 8)).round(2)
    weights = np.array([12.0, 8.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.0])
    prices = 100 + measurements @ weights + 0.5 * measurements[:, 0] * measurements[:, 1]
    prices += random.normal(0, 5, size=houses)
    return measurements[tests:], prices[tests:], measurements[:tests], prices[:tests]


def finish(what: str, model: Path, test_x: NDArray[Any], test_y: NDArray[Any], predictions: NDArray[Any]) -> None:
    """Write two of the test records as a sample request and print how well the model predicts the prices."""
    error = np.square(test_y - np.ravel(predictions)).sum() / np.square(test_y - test_y.mean()).sum()
    report(
        f"Trained {what} on synthetic house prices. R2 on {len(test_x)} test records: {1 - error:.2f}.",
        model,
        test_x[:2],
    )


def report(made: str, model: Path, records: Any) -> None:
    """Write the records as a sample request, then print `made` and what to type next."""
    files = [model, *save_request(records, PROJECT / "test")]
    print(made)
    print("Wrote " + ", ".join(str(file.relative_to(PROJECT)) for file in files))
    has_tests = (PROJECT / "test/run_local.sh").exists()
    print("Next: " + ("test/run_local.sh" if has_tests else "SM_MODEL_DIR=model code/serve"))


def save_request(records: Any, folder: Path) -> list[Path]:
    """Write the records, rows of numbers or texts, as a JSON request and as a CSV request."""
    folder.mkdir(exist_ok=True)
    as_json, as_csv = folder / "sample_request.json", folder / "sample_request.csv"
    plain = np.asarray(records).tolist()
    as_json.write_text(json.dumps({"instances": plain}) + "\n")
    with as_csv.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(each if isinstance(each, list) else [each] for each in plain)
    return [as_json, as_csv]
