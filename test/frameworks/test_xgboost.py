"""What is particular to XGBoost."""

import re
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb
from numpy.typing import NDArray
from project import Server
from test_every import RECORD, double, put, rename, truncate

TAKES = (None, "nan")  # missing values
LIGHTGBM = b"tree\nversion=v4\nnum_class=1\n"


def make_newer(model_dir: Path) -> None:
    for path in model_dir.glob("model.*"):
        data = path.read_bytes().replace(b'"version":[3', b'"version":[9')
        path.write_bytes(re.sub(rb"(version\[#L.{8}i)\x03", rb"\1\x09", data, flags=re.DOTALL))


BROKEN = {
    "truncated": (truncate("model.*"), r"does not load: XGBoostError: .*Save it again"),
    "of another framework": (put("model.json", LIGHTGBM, "model.*"), r"looks like a LightGBM model \(model.txt\)"),
    "two candidates": (double, r"Which is the model"),
    "another name": (rename, r"There is no model.json or model.ubj in .*, only model.bin"),
    "newer": (make_newer, r"XGBoost 9"),
}


def expect(model_dir: Path, rows: NDArray[np.float64]) -> NDArray[np.float32]:
    booster = xgb.Booster(model_file=next(model_dir.glob("model.*")))
    return booster.predict(xgb.DMatrix(rows))
