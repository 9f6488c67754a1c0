"""A handler whose model is pure Python: about half a millisecond per record, all with the GIL held."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from serving.tabular import to_matrix

ROUNDS = 18_000


def load(model_dir: Path) -> None:
    """Load nothing."""


def decode(model: None, records: list[Any]) -> NDArray[Any]:
    return to_matrix(records)


def predict(model: None, inputs: NDArray[Any]) -> list[int]:
    return [classify(record) for record in inputs]


def classify(record: NDArray[Any]) -> int:
    total = 0
    for number in range(ROUNDS):
        total += number
    return int(record[0] > 0)
