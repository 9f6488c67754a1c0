"""tools/convert.py: a converted model predicts the same as the library, or nothing is written."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from project import Server

from serving import models

TEMPLATES = ROOT / "templates"
HANDLER = TEMPLATES / "runtimes/onnx/code/model_handler.py"
random = np.random.default_rng(3)


@pytest.fixture(scope="module")
def tools(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """convert.py, with the modules in tools/ of the framework's projects."""
    framework = request.config.getoption("framework")
    if framework == "sklearn":
        importlib.import_module("sklearn.ensemble")  # so that its threads are limited, too
    limit = importlib.import_module("threadpoolctl").threadpool_limits if framework == "sklearn" else nullcontext
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TEMPLATES / "tools/describe/tools"))
        patch.syspath_prepend(str(TEMPLATES / "tools/convert/tools"))
        patch.syspath_prepend(str(TEMPLATES / f"frameworks/{framework}/tools"))
        with limit(1):  # more threads are slow while other tests run
            yield importlib.import_module("convert")


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(HANDLER.parent))
    yield importlib.import_module("model_handler")
    del sys.modules["model_handler"]


@pytest.fixture
def agrees(tools: Any, handler: ModuleType, tmp_path: Path) -> Callable[..., None]:
    """Convert a model with some rows, and compare its predictions of other rows with the library's."""

    def check(model: Any, rows: Any, others: Any) -> None:
        tools.convert(model, rows, tmp_path)
        served = models.load_model(handler, tmp_path / "model")
        named = hasattr(others, "columns")
        records = json.loads(others.to_json(orient="records")) if named else others.tolist()
        library = importlib.import_module("describe_library")
        own = library.unwrap(model)
        given = others if library.FRAMES and named else others.to_numpy().tolist() if named else others.tolist()
        expected = library.predict(own, given)
        parameters = {"probabilities": "probabilities" in expected}
        found = served.answer({"instances": records, "parameters": parameters})
        for kind, values in expected.items():
            if np.asarray(values).dtype.kind == "f":
                np.testing.assert_allclose(found[kind], values, rtol=1e-6, atol=1e-6)
            else:
                assert found[kind] == np.asarray(values).tolist()

    return check


def make_numbers(rows: int = 1000) -> Any:
    return random.normal(size=(rows, 6)) * [1, 10, 100, 1, 1e-3, 5]


def make_frame(rows: int = 1000) -> Any:
    """Return columns of each type, with missing texts and numbers."""
    pandas = importlib.import_module("pandas")
    frame = pandas.DataFrame(
        {
            "age": random.integers(18, 80, rows),
            "net income, $": random.normal(5e4, 1e4, rows),
            "city": random.choice(["Oslo", "Bergen, old", "Århus"], rows).astype(object),
            "rooms": random.integers(1, 6, rows),
            "owner": random.random(rows) < 0.5,
        }
    )
    frame.loc[::9, "net income, $"] = np.nan
    frame.loc[::7, "city"] = np.nan
    return frame


def label(frame: Any) -> Any:
    return np.where((frame["age"] > 40) ^ (frame["city"] == "Oslo"), "yes", "no")


def sklearn_models() -> dict[str, Callable[[], Any]]:
    """Return estimators that take arrays of numbers, by name."""
    linear, ensemble = (importlib.import_module(f"sklearn.{name}") for name in ("linear_model", "ensemble"))
    few = {"n_estimators": 20, "random_state": 0}
    return {
        "forest": lambda: ensemble.RandomForestClassifier(**few),
        "shallow forest": lambda: ensemble.RandomForestClassifier(max_depth=4, class_weight="balanced", **few),
        "boosting": lambda: ensemble.GradientBoostingClassifier(**few),
        "histogram": lambda: ensemble.HistGradientBoostingClassifier(max_iter=20),
        "logistic": lambda: linear.LogisticRegression(),
        "naive Bayes": lambda: importlib.import_module("sklearn.naive_bayes").GaussianNB(),
        "neighbours": lambda: importlib.import_module("sklearn.neighbors").KNeighborsClassifier(),
        "stack": lambda: ensemble.StackingClassifier(
            [("forest", ensemble.RandomForestClassifier(**few)), ("linear", linear.LogisticRegression())], cv=2
        ),
        "histogram regressor": lambda: ensemble.HistGradientBoostingRegressor(max_iter=20, loss="poisson"),
        "perceptron": lambda: importlib.import_module("sklearn.neural_network").MLPRegressor(
            hidden_layer_sizes=(8,), max_iter=50
        ),
    }


# In addition to those of list_estimators(), which are tested below.
NAMES = ["shallow forest", "naive Bayes", "neighbours", "stack", "histogram regressor", "perceptron"]


@pytest.mark.only_for(["sklearn"])
@pytest.mark.parametrize(("name", "scaled"), [*((name, False) for name in NAMES), ("forest", True), ("boosting", True)])
def test_a_converted_sklearn_estimator_predicts_the_same(agrees: Callable[..., None], name: str, scaled: bool) -> None:
    from sklearn.base import is_classifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, others = make_numbers(), make_numbers()
    target = np.abs(rows[:, 0] + rows[:, 1] / 10)
    model = sklearn_models()[name]()
    labels = np.digitize(target, [0.7, 1.5]) if is_classifier(model) else target
    model = make_pipeline(StandardScaler(), model) if scaled else model
    agrees(model.fit(rows[:300], labels[:300]), rows, others)


try:
    ESTIMATORS = importlib.import_module("estimators").list_estimators()
except ImportError:  # another framework's environment
    ESTIMATORS = []
# onnxruntime lacks the operator, or the converted model predicts differently.
REJECTED = ("AdaBoostClassifier", "NuSVC", "NuSVR", "SVR")


@pytest.mark.only_for(["sklearn"])
@pytest.mark.parametrize("model", ESTIMATORS, ids=lambda each: str(each)[:40])
def test_each_tree_and_linear_model_predicts_the_same_or_is_rejected(agrees: Callable[..., None], model: Any) -> None:
    from sklearn.base import is_classifier

    rows, others = make_numbers(), make_numbers()
    target = 1 + np.abs(rows[:, 0] + rows[:, 1] / 10)
    labels = np.digitize(target, [1.7, 2.5]) if is_classifier(model) else target
    rejected = pytest.raises(importlib.import_module("describe_rows").Problem, match="native")
    with rejected if type(model).__name__ in REJECTED else nullcontext():
        agrees(model.fit(rows[:300], labels[:300]), rows, others)


@pytest.mark.only_for(["sklearn"])
@pytest.mark.parametrize("unknown", ["error", "ignore"])
@pytest.mark.parametrize("name", ["forest", "histogram", "logistic"])
def test_a_converted_pipeline_on_columns_predicts_the_same(
    agrees: Callable[..., None], name: str, unknown: str
) -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "net income, $"]),
        (
            make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown=unknown)),
            ["city"],
        ),
        (OneHotEncoder(handle_unknown=unknown, sparse_output=False), ["rooms"]),
        remainder="passthrough",
    )
    rows, others = make_frame(), make_frame()
    if unknown == "ignore":
        others.loc[:5, "city"] = "Paris"
        others.loc[:5, "rooms"] = 9
    model = make_pipeline(prepare, sklearn_models()[name]())
    agrees(model.fit(rows, label(rows)), rows, others)


@pytest.mark.only_for(["sklearn"])
def test_a_converted_pipeline_is_served_by_column(tools: Any, first: Path, tmp_path: Path) -> None:
    """It also rejects what the original model rejects."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows = make_frame().dropna()
    prepare = make_column_transformer((OneHotEncoder(), ["city", "owner"]), ("passthrough", ["age"]))
    model = make_pipeline(prepare, RandomForestClassifier(20, random_state=0)).fit(rows, label(rows))
    project = shutil.copytree(first, tmp_path / "project")
    shutil.rmtree(project / "model")
    (project / "model").mkdir()
    shutil.copy(HANDLER, project / "code")
    tools.convert(model, rows, project)
    record = {"age": 31, "net income, $": 1.5, "city": "Oslo", "rooms": 2, "owner": True}
    with Server(project, "fastapi") as server:
        server.wait_until_ready()

        def ask(**changes: object) -> str:
            return server.invoke({"instances": [{**record, **changes}]}).body.decode()

        found = server.invoke({"instances": [record], "parameters": {"probabilities": True}}).json()
        assert found["classes"] == ["no", "yes"]
        assert found["predictions"] == model.predict(importlib.import_module("pandas").DataFrame([record])).tolist()
        assert 'city is \\"Paris\\", not one of' in ask(city="Paris")
        assert "Record 1: city is missing." in ask(city=None)
        assert 'Record 1: age is \\"old\\", not a number.' in ask(age="old")
        assert "20 of 20 predictions agree" in server.log()


@pytest.mark.only_for(["sklearn"])
def test_the_error_names_the_step_that_cannot_be_converted(tools: Any, tmp_path: Path) -> None:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.svm import SVR

    rows = make_numbers(100)
    for model, message in (
        (
            make_pipeline(FunctionTransformer(np.tanh), Ridge()),
            r"functiontransformer calls a Python function .tanh.*native",
        ),
        (make_pipeline(Own(), Ridge()), "the step own.*cannot convert Own.*native"),
        (SVR(), "the comparison failed .*SVMRegressor.*native"),
    ):
        with pytest.raises(importlib.import_module("describe_rows").Problem, match=message):
            tools.convert(model.fit(rows, rows[:, 0]), rows, tmp_path)
    assert not list(tmp_path.iterdir())


class Own:
    """A step of the user's own."""

    def fit(self, rows: Any, _: Any = None) -> "Own":
        return self

    def transform(self, rows: Any) -> Any:
        return rows * 2


@pytest.mark.only_for(["sklearn"])
def test_a_model_that_predicts_differently_is_rejected(tools: Any, tmp_path: Path) -> None:
    """The model overrides predict()."""
    from sklearn.linear_model import LogisticRegression

    class Inverted(LogisticRegression):
        def predict(self, rows: Any) -> Any:
            return 1 - super().predict(rows)

    Inverted.__name__, Inverted.__module__ = "LogisticRegression", "sklearn.linear_model"
    rows = make_numbers(100)
    with pytest.raises(
        importlib.import_module("describe_rows").Problem, match=r"differs in 100 of 100 rows.*--tolerance"
    ):
        tools.convert(Inverted().fit(rows, rows[:, 0] > 0), rows, tmp_path)
    assert not list(tmp_path.iterdir())


def targets(rows: Any) -> dict[str, Any]:
    target = np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, 1]) / 10
    return {"value": target, "two": target > 0, "three": np.digitize(target, [-0.5, 0.5])}


def make_sparse() -> Any:
    rows = make_numbers()
    rows[random.random(rows.shape) < 0.1] = np.nan
    return rows


@pytest.mark.only_for(["xgboost"])
@pytest.mark.parametrize(
    ("objective", "target"),
    [
        ("binary:logistic", "two"),
        ("multi:softprob", "three"),
        ("multi:softmax", "three"),
        ("reg:squarederror", "value"),
    ],
)
def test_a_converted_xgboost_booster_predicts_the_same(
    agrees: Callable[..., None], objective: str, target: str
) -> None:
    import xgboost as xgb

    rows = make_sparse()
    classes = {"num_class": 3} if target == "three" else {}
    matrix = xgb.DMatrix(rows, targets(rows)[target])
    agrees(xgb.train({"objective": objective, "nthread": 1, **classes}, matrix, 30), rows, make_sparse())


@pytest.mark.only_for(["lightgbm"])
@pytest.mark.parametrize(("objective", "target"), [("binary", "two"), ("multiclass", "three"), ("regression", "value")])
def test_a_converted_lightgbm_booster_predicts_the_same(
    agrees: Callable[..., None], objective: str, target: str
) -> None:
    import lightgbm as lgb

    rows = make_sparse()
    classes = {"num_class": 3} if target == "three" else {}
    data = lgb.Dataset(rows, targets(rows)[target])
    agrees(
        lgb.train({"objective": objective, "verbosity": -1, "num_threads": 1, **classes}, data, 30),
        rows,
        make_sparse(),
    )


@pytest.mark.only_for(["catboost"])
@pytest.mark.parametrize("target", ["two", "three", "value"])
def test_a_converted_catboost_model_predicts_the_same(agrees: Callable[..., None], target: str) -> None:
    import catboost

    rows = make_sparse()
    kind = catboost.CatBoostRegressor if target == "value" else catboost.CatBoostClassifier
    model = kind(iterations=30, verbose=0, allow_writing_files=False, thread_count=1).fit(
        rows, targets(rows)[target].astype(float)
    )
    agrees(model, rows, make_sparse())
