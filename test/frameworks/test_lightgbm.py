"""Tests specific to LightGBM."""

import shutil
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
from conftest import replace_model
from numpy.typing import NDArray
from test_every import RECORD, double, put, rename, truncate

ACCEPTED = (None, "nan", "inf")
XGBOOST = b'{"learner":{},"version":[3,2,0]}'


def make_newer(model_dir: Path) -> None:
    path = model_dir / "model.txt"
    path.write_text(path.read_text().replace("version=v4", "version=v9"))


BROKEN = {
    "truncated": (truncate("model.txt"), "model.txt is truncated"),
    "of another framework": (put("model.txt", XGBOOST), r"looks like an XGBoost model \(model.json\)"),
    "two candidates": (double, "has several model files"),
    "another name": (rename, "There is no model.txt in .*, only model.bin"),
    "newer": (
        make_newer,
        "saved by LightGBM 9, but .* is installed. In .*--framework-version=VERSION, with the version",
    ),
}


def expect(model_dir: Path, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    predictions: NDArray[np.float64] = lgb.Booster(model_file=model_dir / "model.txt").predict(rows)
    return predictions


def train(model_dir: Path, objective: str, labels: NDArray[np.int64]) -> lgb.Booster:
    """Train a model with eight features to replace the sample."""
    rows = np.random.default_rng(1).uniform(0, 10, (len(labels), 8))
    parameters = {"objective": objective, "verbosity": -1, "min_data_in_leaf": 5}
    if labels.max() > 1:
        parameters["num_class"] = int(labels.max()) + 1
    booster = lgb.train(parameters, lgb.Dataset(rows, labels), num_boost_round=5)
    booster.save_model(model_dir / "model.txt")
    return booster


@pytest.mark.parametrize(("objective", "classes"), [("binary", 2), ("multiclass", 3), ("multiclassova", 3)])
def test_a_classifier_has_probabilities(objective: str, classes: int, one: Path, tmp_path: Path) -> None:
    with replace_model(one, tmp_path) as (model_dir, serve):
        booster = train(model_dir, objective, np.arange(200) % classes)
        body = {"instances": [RECORD], "parameters": {"probabilities": True}}
        answer = serve().invoke(body).json()
    expected = booster.predict([RECORD])
    np.testing.assert_array_equal(answer["predictions"], expected)
    probabilities = np.array(answer["probabilities"])
    assert probabilities.shape == (1, classes)
    if objective != "multiclassova":  # its classes are independent
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities[:, -1], expected.reshape(1, -1)[:, -1])


def test_missing_features_of_sparse_records_are_zero(one: Path, tmp_path: Path) -> None:
    with replace_model(one, tmp_path) as (model_dir, serve):
        shutil.copy(one / "model/model.txt", model_dir)
        server = serve()
        reply = server.invoke(b"1 0:1.5 7:2\n3:4\n", "text/libsvm; charset=utf-8")
        rows = np.zeros((2, 8))
        rows[0, 0], rows[0, 7], rows[1, 3] = 1.5, 2, 4
        np.testing.assert_array_equal(reply.json()["predictions"], expect(model_dir, rows))
        for body, message in [
            (b"1 8:1", "indices from 0 to 7, got 8"),
            (b"1 a:1", "Line 1 is not"),
            (b"1 -1:1", "below 0"),
        ]:
            reply = server.invoke(body, "text/libsvm")
            assert (reply.status, message in reply.json()["error"]) == (400, True)
