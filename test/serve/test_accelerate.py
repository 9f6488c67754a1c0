"""serving/accelerate.py: faster models with the same predictions."""

import copy
import logging
import pickle
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest
from estimators import list_estimators
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from serving import accelerate_trees as trees
from serving.accelerate import accelerate
from serving.accelerate_method import FastPath, Method
from serving.models import import_handler, load_model

ROWS, FEATURES, AT_A_TIME = 1000, 6, 100
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(ROWS, FEATURES)) * [1, 10, 100, 0.1, 1, 1]
NUMBERS = 20 + X[:, 0] * 3 + np.abs(X[:, 1]) + X[:, 4] * X[:, 5]
LABELS = np.array(["low", "middle", "high"])[np.digitize(NUMBERS, [24, 30])]
FOREST = RandomForestClassifier(10, random_state=0)
WRAPPED = (
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(StandardScaler(with_mean=False), FOREST),
    VotingClassifier([("a", LogisticRegression()), ("b", FOREST)], voting="soft"),
    StackingClassifier([("a", LogisticRegression()), ("b", FOREST)], cv=2),
    CalibratedClassifierCV(FOREST, cv=2),
    OneVsRestClassifier(LogisticRegression()),
    GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [1, 2]}, cv=2),
    TransformedTargetRegressor(RandomForestRegressor(5), func=np.arcsinh, inverse_func=np.sinh),
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def fit(estimator: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X[:300], LABELS[:300] if is_classifier(estimator) else NUMBERS[:300])


def serve(model: Any, folder: Path, probabilities: bool) -> dict[str, list[Any]]:
    """The server's answers for all rows, sent in requests of a few rows."""
    joblib.dump(model, folder / "model.joblib")
    sys.modules.pop("model_handler", None)
    served = load_model(import_handler(), folder)
    answers = [
        served.answer({"instances": rows.tolist(), "parameters": {"probabilities": probabilities}})
        for rows in np.array_split(X, ROWS // AT_A_TIME)
    ]
    return {name: [one for answer in answers for one in answer[name]] for name in answers[0] if name != "classes"}


def compare(found: list[Any], expected: NDArray[Any]) -> None:
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    else:
        assert found == expected.tolist()


@pytest.mark.parametrize("estimator", [*list_estimators(), *WRAPPED], ids=lambda each: str(each)[:40])
def test_served_predictions_equal_those_of_scikit_learn(
    estimator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fit(copy.deepcopy(estimator))
    probabilities = hasattr(model, "predict_proba")
    for setting in ("on", "off"):
        monkeypatch.setenv("SM_ACCELERATE", setting)
        answer = serve(model, tmp_path, probabilities)
        compare(answer["predictions"], model.predict(X))
        if probabilities:
            compare(answer["probabilities"], model.predict_proba(X))


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (FOREST, "predict_proba"),
        (RandomForestRegressor(5), "predict"),
        (GradientBoostingClassifier(n_estimators=5), "decision_function"),
        (HistGradientBoostingClassifier(max_iter=5), "_raw_predict"),
        (HistGradientBoostingRegressor(max_iter=5), "_raw_predict"),
        (IsolationForest(n_estimators=5), "score_samples"),
        (LogisticRegression(), "decision_function"),
        (LinearRegression(), "_decision_function"),
        (Lasso(), "_decision_function"),
    ],
    ids=str,
)
def test_the_slow_method_is_not_called(estimator: Any, method: str, caplog: pytest.LogCaptureFixture) -> None:
    model = fit(copy.deepcopy(estimator))
    with caplog.at_level(logging.INFO):
        fast = accelerate(model)
    assert f"{type(model).__name__} is accelerated" in caplog.text
    vars(fast)[method].original = None
    compare(fast.predict(X[:AT_A_TIME]).tolist(), model.predict(X[:AT_A_TIME]))
    assert isinstance(fast, type(model))
    assert method not in vars(model)


@pytest.mark.parametrize(
    "rows",
    [
        np.full((2, FEATURES), np.nan),
        np.full((2, FEATURES), np.inf),
        np.full((2, FEATURES), 1e300),
        np.zeros((2, 3)),
        np.zeros((0, FEATURES)),
        np.zeros(FEATURES),
        np.ones((2, FEATURES), dtype=int),
        X[:1].astype(np.float32),
        X[:1].tolist(),
        X,
    ],
    ids=lambda rows: f"{type(rows).__name__}",
)
@pytest.mark.parametrize(
    "estimator",
    [FOREST, HistGradientBoostingClassifier(max_iter=5), LogisticRegression(), WRAPPED[0]],
    ids=lambda each: type(each).__name__,
)
def test_other_inputs_are_answered_and_refused_as_before(estimator: Any, rows: Any) -> None:
    model = fit(copy.deepcopy(estimator))

    def predict(model: Any) -> Any:
        try:
            return model.predict(rows).tolist(), np.round(model.predict_proba(rows), 9).tolist()
        except ValueError as error:
            return str(error)

    assert predict(accelerate(model)) == predict(model)


class Careful(RandomForestClassifier):
    """A user's own class."""

    def predict(self, X: Any) -> NDArray[Any]:
        return np.full(len(X), "unknown")


def test_a_model_with_its_own_predict_is_not_accelerated() -> None:
    own, patched = fit(Careful(5)), fit(RandomForestClassifier(5))
    patched.predict = lambda X: ["unknown"] * len(X)
    assert accelerate(own) is own
    assert accelerate(patched) is patched
    assert list(accelerate(make_pipeline(StandardScaler(), own).fit(X, LABELS)).predict(X[:2])) == ["unknown"] * 2


def test_acceleration_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SM_ACCELERATE", "off")
    model = fit(LogisticRegression())
    assert accelerate(model) is model


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (MultiOutputClassifier(FOREST), None),
        (RandomForestClassifier(2), "it has multiple outputs"),
        (HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]), "it has categorical features"),
        (GradientBoostingClassifier(init=LogisticRegression(), n_estimators=2), "its init is an estimator"),
    ],
    ids=str,
)
def test_the_log_says_why_a_model_is_not_accelerated(
    model: Any, reason: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = np.column_stack([X[:, 0] > 0, X[:, 1:]])
    several = isinstance(model, (MultiOutputClassifier, RandomForestClassifier))
    model = copy.deepcopy(model).fit(inputs, np.column_stack([LABELS, LABELS]) if several else LABELS)
    with caplog.at_level(logging.INFO):
        fast = accelerate(model)
    if reason:
        assert fast is model
        assert f"{type(model).__name__} is not accelerated: {reason}" in caplog.text
    assert np.array_equal(fast.predict(inputs), model.predict(inputs))


def test_trees_with_different_results_are_not_accelerated(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add_leaves = trees.add_leaves

    def add_wrongly(*args: Any) -> Any:
        add = add_leaves(*args)
        return lambda X, first: add(X, first) * (1 + 1e-8)

    monkeypatch.setattr(trees, "add_leaves", add_wrongly)
    model = fit(RandomForestClassifier(5))
    with caplog.at_level(logging.INFO):
        assert accelerate(model) is model
    assert "not accelerated: predictions differ by 1e-08" in caplog.text


def test_an_estimator_that_fails_with_accelerated_ones_is_not_changed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = fit(VotingClassifier([("a", LogisticRegression()), ("b", FOREST)], voting="soft"))
    take = Method.takes
    monkeypatch.setattr(Method, "takes", lambda self, X: take(self, X) and self.no_such_thing)
    with caplog.at_level(logging.INFO):
        assert accelerate(model) is model
    assert "VotingClassifier does not work with accelerated estimators" in caplog.text
    assert set(model.predict(X)) == set(LABELS)


def test_a_large_ensemble_is_not_accelerated(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(trees, "MAX_SPLITS", 100)
    model = fit(RandomForestClassifier(20))
    with caplog.at_level(logging.INFO):
        assert accelerate(model) is model
    assert "splits, more than 100" in caplog.text


def test_scikit_learn_decides_where_rounding_matters() -> None:
    fast_path = FastPath("predict_proba", lambda X: np.array([[0.4, 0.4 + 1e-12, 0.2]]), len, X)
    method = Method(fit(FOREST), fast_path)
    method.slow = lambda X: np.array([[0.4 + 1e-12, 0.4, 0.2]])
    assert method(X[:1]).argmax() == 1
    method.fast_path = fast_path._replace(is_decision_score=True)
    assert method(X[:1]).argmax() == 0


def test_rows_cover_both_sides_of_each_threshold() -> None:
    features, thresholds = np.array([0, 0, 2]), np.array([0.1, 0.7, 5.0])
    rows = trees.draw_rows(3, features, thresholds, np.float64)
    assert rows.shape == (trees.MAX_ROWS, 3)
    near = {value for each in (0.1, 0.7) for value in (each, np.nextafter(each, 1), np.nextafter(each, 0))}
    assert set(rows[:, 0].tolist()) == near
    assert np.allclose(rows[:, 2], 5)


def test_an_accelerated_model_is_pickled_and_copied_as_the_original() -> None:
    model = fit(FOREST)
    fast = accelerate(model)
    for copied in (pickle.loads(pickle.dumps(fast)), copy.deepcopy(fast)):
        assert np.array_equal(copied.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    "estimator",
    [
        CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=3), cv=2, method="isotonic"),
        IsolationForest(n_estimators=10),
    ],
    ids=lambda each: type(each).__name__,
)
def test_results_are_exact_where_differences_would_be_amplified(estimator: Any) -> None:
    model = fit(copy.deepcopy(estimator))
    for method in ("predict", "predict_proba", "score_samples"):
        if hasattr(model, method):
            fast, slow = (
                np.concatenate([getattr(each, method)(x[None]) for x in X[:150]]) for each in (accelerate(model), model)
            )
    assert np.array_equal(fast, slow)


def test_boosting_that_stopped_early_has_fewer_trees() -> None:
    model = fit(GradientBoostingClassifier(n_estimators=200, n_iter_no_change=1, random_state=0))
    assert len(model.estimators_) < 200
    assert np.array_equal(accelerate(model).predict_proba(X[:100]), model.predict_proba(X[:100]))


def test_inconsistent_attributes_do_not_crash_treelite() -> None:
    changed = [fit(each) for each in (HistGradientBoostingClassifier(max_iter=50), GradientBoostingClassifier())]
    changed[0].classes_ = np.arange(1000)
    changed[1].n_classes_ = 500
    for model in changed:
        assert accelerate(model).n_features_in_ == FEATURES
    narrow, uneven = fit(RandomForestClassifier(5)), fit(HistGradientBoostingClassifier(max_iter=5))
    narrow.n_features_in_, uneven.n_trees_per_iteration_ = 2, 300
    assert accelerate(narrow) is narrow
    assert accelerate(uneven) is uneven


def test_a_model_without_a_number_of_features_is_served() -> None:
    model = LogisticRegression()
    model.coef_, model.intercept_, model.classes_ = np.array([[1.0, 2.0]]), np.array([0.5]), np.array([0, 1])
    assert accelerate(model).predict(np.array([[1.0, 1.0], [-1.0, -1.0]])).tolist() == [1, 0]


def test_a_forest_trained_with_missing_values_is_accelerated() -> None:
    inputs = np.where(X > 1, np.nan, X)
    model = RandomForestClassifier(5, random_state=0).fit(inputs, LABELS)
    fast = accelerate(model)
    assert fast is not model
    assert np.array_equal(fast.predict_proba(inputs[:100]), model.predict_proba(inputs[:100]))


def test_a_model_trained_with_column_names_is_compared_without_warnings() -> None:
    model = RandomForestClassifier(5, random_state=0).fit(X, LABELS)
    model.feature_names_in_ = np.array(list("abcdef"), dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert accelerate(model) is not model


def test_the_memory_order_of_an_array_changes_nothing() -> None:
    model = fit(make_pipeline(SelectKBest(k=4), StandardScaler(with_mean=False), LogisticRegression()))
    assert np.array_equal(accelerate(model).decision_function(X[:30]), model.decision_function(X[:30]))


def test_a_patched_scikit_learn_class_is_not_accelerated(monkeypatch: pytest.MonkeyPatch) -> None:
    predict = RandomForestClassifier.predict
    monkeypatch.setattr(RandomForestClassifier, "predict", lambda self, X: predict(self, X))
    model = fit(RandomForestClassifier(3))
    assert accelerate(model) is model


def test_a_step_that_works_in_place_does_not_change_probabilities(tmp_path: Path) -> None:
    model = fit(make_pipeline(StandardScaler(copy=False), LogisticRegression()))
    answer = serve(model, tmp_path, probabilities=True)
    compare(answer["probabilities"], model.predict_proba(X.copy()))


def test_a_forest_with_many_classes_is_accelerated_for_few_records() -> None:
    assert trees.count_records(np.zeros(4000), 300 * 100) == 10
    assert trees.count_records(np.zeros(4000), 100 * 3) == trees.MAX_RECORDS


def test_trees_from_before_scikit_learn_1_3_get_missing_attributes() -> None:
    model = fit(RandomForestClassifier(3, random_state=0))
    old = copy.copy(model)
    old.estimators_ = [copy.copy(each) for each in model.estimators_]
    for each in old.estimators_:
        each.tree_ = SimpleNamespace(**{name: getattr(each.tree_, name) for name in trees.TREE})
        each.tree_.value = each.tree_.value * each.tree_.n_node_samples[:, None, None]  # counts
    fast_path = trees.forest_fast_path(old)
    assert np.allclose(fast_path.run(X[:5]), model.predict_proba(X[:5]))
