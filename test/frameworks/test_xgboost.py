"""Tests specific to XGBoost."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb
from conftest import replace_model
from numpy.typing import NDArray
from test_every import RECORD, double, put, rename, truncate

ACCEPTED = (None, "nan")  # missing values
LIGHTGBM = b"tree\nversion=v4\nnum_class=1\n"


def make_newer(model_dir: Path) -> None:
    for path in model_dir.glob("model.*"):
        data = path.read_bytes().replace(b'"version":[3', b'"version":[9')
        path.write_bytes(re.sub(rb"(version\[#L.{8}i)\x03", lambda found: found[1] + b"\x09", data, flags=re.DOTALL))


BROKEN = {
    "truncated": (truncate("model.*"), r"could not be loaded: XGBoostError: .*truncated or damaged"),
    "of another framework": (put("model.json", LIGHTGBM, "model.*"), r"looks like a LightGBM model \(model.txt\)"),
    "two candidates": (double, r"has several model files"),
    "another name": (rename, r"There is no model.json or model.ubj in .*, only model.bin"),
    "newer": (make_newer, r"saved by XGBoost 9.*ml-container-creator update --framework-version=9\.\d+, or save"),
}


def expect(model_dir: Path, rows: NDArray[np.float64]) -> NDArray[np.float32]:
    booster = xgb.Booster(model_file=next(model_dir.glob("model.*")))
    return booster.predict(xgb.DMatrix(rows))


def train(model_dir: Path, parameters: dict[str, object], labels: NDArray[np.int64]) -> xgb.Booster:
    """Train a model with eight features to replace the sample."""
    rows = np.random.default_rng(1).uniform(0, 10, (len(labels), 8))
    booster = xgb.train(parameters, xgb.DMatrix(rows, labels), num_boost_round=5)
    booster.save_model(model_dir / "model.json")
    return booster


@pytest.mark.parametrize(
    ("objective", "classes"), [("binary:logistic", 2), ("multi:softprob", 3), ("multi:softmax", 3)]
)
def test_a_classifier_has_probabilities(objective: str, classes: int, one: Path, tmp_path: Path) -> None:
    parameters = {"objective": objective, **({"num_class": classes} if classes > 2 else {})}
    with replace_model(one, tmp_path) as (model_dir, serve):
        booster = train(model_dir, parameters, np.arange(200) % classes)
        body = {"instances": [RECORD], "parameters": {"probabilities": True}}
        answer = serve().invoke(body).json()
    expected = booster.predict(xgb.DMatrix([RECORD]))
    np.testing.assert_array_equal(np.array(answer["predictions"], np.float32), expected)
    probabilities = np.array(answer["probabilities"])
    assert probabilities.shape == (1, classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    if objective == "multi:softmax":
        assert probabilities.argmax() == expected[0]
    else:
        np.testing.assert_array_equal(probabilities[:, -1].astype(np.float32), expected.reshape(1, -1)[:, -1])


def test_a_regression_has_no_probabilities_and_sparse_records_have_missing_values(one: Path, tmp_path: Path) -> None:
    with replace_model(one, tmp_path) as (model_dir, serve):
        shutil.copytree(one / "model", model_dir, dirs_exist_ok=True)
        server = serve()
        reply = server.invoke({"instances": [RECORD], "parameters": {"probabilities": True}})
        assert (reply.status, reply.json()) == (400, {"error": "This model has no probabilities."})
        rows = np.full((2, 8), np.nan)
        rows[0, 0], rows[0, 7], rows[1, 3] = 1.5, 2, 4
        found = server.invoke(b"1 0:1.5 7:2\n3:4\n", "Text/LibSVM; charset=utf-8").json()["predictions"]
        np.testing.assert_array_equal(np.array(found, np.float32), expect(model_dir, rows))
        assert "indices from 0 to 7, got 8" in server.invoke(b"1 8:1", "text/libsvm").json()["error"]


@pytest.mark.parametrize("booster", ["gblinear", "dart"])
def test_other_boosters_predict(booster: str, one: Path, tmp_path: Path) -> None:
    with replace_model(one, tmp_path) as (model_dir, serve):
        model = train(model_dir, {"booster": booster}, np.arange(200))
        reply = serve().invoke([RECORD])
    np.testing.assert_array_equal(
        np.array(reply.json()["predictions"], np.float32), model.predict(xgb.DMatrix([RECORD]))
    )


def test_early_stopping_predicts_with_the_best_trees(one: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    rows, labels = random.uniform(size=(400, 8)), random.uniform(size=400)
    with replace_model(one, tmp_path) as (model_dir, serve):
        train, test = xgb.DMatrix(rows[:200], labels[:200]), xgb.DMatrix(rows[200:], labels[200:])
        booster = xgb.train({}, train, 50, evals=[(test, "test")], early_stopping_rounds=5, verbose_eval=False)
        booster.save_model(model_dir / "model.json")
        found = serve().invoke([RECORD]).json()["predictions"]
    expected = booster.predict(xgb.DMatrix([RECORD]), iteration_range=(0, booster.best_iteration + 1))
    np.testing.assert_array_equal(np.array(found, np.float32), expected)
