"""Tests specific to CatBoost."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catboost import CatBoost, CatBoostClassifier, CatBoostRanker, CatBoostRegressor, Pool
from conftest import replace_model
from numpy.typing import NDArray
from test_every import RECORD, double, put, rename, truncate
from test_training import Job

ACCEPTED = (None, "nan", "inf")
LIGHTGBM = b"tree\nversion=v4\n"
QUIET = {"iterations": 20, "verbose": False, "allow_writing_files": False}
ROWS = np.random.default_rng(1).uniform(0, 10, (200, 8))
SUMS = ROWS.sum(axis=1)
SIZES = np.digitize(SUMS, [36, 44])


def embed(model_dir: Path) -> None:
    """Write a model with a number and an embedding as features."""
    pool = Pool([[at, [at, -at]] for at in range(20)], list(range(20)), embedding_features=[1])
    CatBoostRegressor(**QUIET).fit(pool).save_model(model_dir / "model.cbm")


BROKEN = {
    "truncated": (truncate("model.cbm"), r"could not be loaded: CatBoostError: .*truncated or damaged"),
    "empty": (put("model.cbm", b""), "truncated or damaged"),
    "damaged": (put("model.cbm", b"CBM1\x08\0\0\0damaged."), "truncated or damaged"),
    "of another framework": (put("model.cbm", LIGHTGBM), r"looks like a LightGBM model \(model.txt\)"),
    "with embeddings": (embed, "has embedding features, which decode"),
    "two candidates": (double, "has several model files"),
    "another name": (rename, "There is no model.cbm in .*, only model.bin"),
}


def expect(model_dir: Path, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    predictions: NDArray[np.float64] = CatBoostRegressor().load_model(model_dir / "model.cbm").predict(rows)
    return predictions


def ask(project: Path, folder: Path, model: CatBoost, body: Any) -> Any:
    """Return the response of the project's server with this model."""
    with replace_model(project, folder) as (model_dir, serve):
        model.save_model(model_dir / "model.cbm")
        reply = serve().invoke(body)
    assert reply.status == 200, reply.body
    return reply.json()


@pytest.mark.parametrize(
    "labels",
    [SUMS > 40, SIZES, np.array(["small", "medium", "large"])[SIZES]],
    ids=["two classes", "three classes", "strings"],
)
def test_a_classifier_has_classes_and_probabilities(labels: NDArray[Any], one: Path, tmp_path: Path) -> None:
    model = CatBoostClassifier(**QUIET).fit(ROWS, labels)
    body = {"instances": ROWS[:20].tolist(), "parameters": {"probabilities": True}}
    answer = ask(one, tmp_path, model, body)
    assert answer["predictions"] == model.predict(ROWS[:20]).ravel().tolist()
    np.testing.assert_array_equal(answer["probabilities"], model.predict_proba(ROWS[:20]))


def test_a_regressor_predicts_counts_and_has_no_probabilities(one: Path, tmp_path: Path) -> None:
    model = CatBoostRegressor(loss_function="Poisson", **QUIET).fit(ROWS, SUMS.round())
    with replace_model(one, tmp_path) as (model_dir, serve):
        model.save_model(model_dir / "model.cbm")
        server = serve()
        answer = server.invoke({"instances": ROWS[:20].tolist()}).json()
        np.testing.assert_array_equal(answer["predictions"], model.predict(ROWS[:20]))
        reply = server.invoke({"instances": [RECORD], "parameters": {"probabilities": True}})
        assert (reply.status, reply.json()["error"]) == (400, "This model has no probabilities.")


def test_a_ranker_returns_scores(one: Path, tmp_path: Path) -> None:
    model = CatBoostRanker(**QUIET).fit(Pool(ROWS, SIZES, group_id=np.arange(200) // 10))
    answer = ask(one, tmp_path, model, {"instances": ROWS[:20].tolist()})
    np.testing.assert_array_equal(answer["predictions"], model.predict(ROWS[:20]))


def test_categories_are_strings_or_integers_and_texts_are_strings(one: Path, tmp_path: Path) -> None:
    records = [[("red", "blue")[at % 2], at % 7 / 2, at % 3, ("good wine", "bad")[at // 5 % 2]] for at in range(200)]
    pool = Pool(records, [len(str(record)) for record in records], cat_features=[0, 2], text_features=[3])
    model = CatBoostRegressor(**QUIET).fit(pool)
    with replace_model(one, tmp_path) as (model_dir, serve):
        model.save_model(model_dir / "model.cbm")
        server = serve()
        expected = model.predict(records[:20])
        as_csv = "\n".join(",".join(map(str, record)) for record in records[:20]).encode()
        for body, media_type in [(json.dumps(records[:20]).encode(), "application/json"), (as_csv, "text/csv")]:
            np.testing.assert_array_equal(server.invoke(body, media_type).json()["predictions"], expected)
        known, missing = ["red", 1.5, 1, "bad"], ["green", None, 2.0, "bad"]
        answer = server.invoke({"instances": [missing]}).json()
        np.testing.assert_array_equal(answer["predictions"], model.predict([["green", np.nan, 2, "bad"]]))
        for record, message in [
            (["red", 1.5, 1.5, "bad"], "Record 2: column 3 is 1.5, neither a string nor an integer."),
            ([None, 1.5, 1, "bad"], "Record 2: column 1 is null, neither a string nor an integer."),
            (["red", "x", 1, "bad"], 'Record 2: column 2 is "x", not a number.'),
            (["red", 1.5, 1], "Expected 4 features per record, got 3 in record 2."),
            ("red", "Record 2 is not a list of numbers and strings."),
        ]:
            reply = server.invoke({"instances": [known, record]})
            assert (reply.status, reply.json()["error"]) == (400, message)


def test_named_features_are_columns(one: Path, tmp_path: Path) -> None:
    records = [[("01", "1")[at % 2], at % 7 / 2] for at in range(200)]
    pool = Pool(records, SIZES, cat_features=[0], feature_names=["kind", "width"])
    model = CatBoostRegressor(**QUIET).fit(pool)
    with replace_model(one, tmp_path) as (model_dir, serve):
        model.save_model(model_dir / "model.cbm")
        server = serve()
        objects = [{"width": width, "kind": kind} for kind, width in records[:20]]
        lines = [f"{kind},{width}" for kind, width in records[:20]]
        for body, media_type in [
            (json.dumps(objects).encode(), "application/json"),
            (json.dumps(records[:20]).encode(), "application/json"),
            ("\n".join(lines).encode(), "text/csv"),
            ("\n".join(["kind,width", *lines]).encode(), "text/csv"),
        ]:
            answer = server.invoke(body, media_type).json()
            np.testing.assert_array_equal(answer["predictions"], model.predict(records[:20]))
        reply = server.invoke({"instances": [{"width": 1, "kind": 1.5}]})
        assert reply.json()["error"] == "Record 1: kind is 1.5, neither a string nor an integer."


def test_a_job_with_checkpoints_trains_the_same_number_of_trees(first: Path, tmp_path: Path) -> None:
    """A training ends for each checkpoint and the next one continues, here after each round."""
    job = Job(first, tmp_path / "ml", iterations=5)
    (job.root / "checkpoints").mkdir()
    program = "import runpy, sys, job; job.CHECKPOINT_SECONDS = 0; runpy.run_path(sys.argv[1], run_name='__main__')"
    code = f"import sys; sys.path.insert(0, {str(first / 'train')!r}); {program}"
    assert job.start("-c", code).wait() == 0, job.log()
    assert job.epochs() == [1, 2, 3, 4, 5]
    assert job.log().count("Checkpoint ") == 5
    assert CatBoost().load_model(job.root / "model/model.cbm").tree_count_ == 5
    losses = [float(line.split("=")[1].split()[0]) for line in job.log().splitlines() if line.startswith("train:")]
    assert losses == sorted(losses, reverse=True)
