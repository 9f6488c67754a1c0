"""serving/models.py and the handlers for scikit-learn: loading models."""

import pickle
import sys
from pathlib import Path

import pytest
import sklearn
from sklearn.cluster import DBSCAN
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from serving.errors import BadRequest, StartError
from serving.models import find_model_file, import_handler, load_model


@pytest.fixture(autouse=True)
def _fresh_handler() -> None:
    sys.modules.pop("model_handler", None)


def write_handler(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "model_handler.py").write_text(source)
    monkeypatch.syspath_prepend(folder)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("x")
    return folder


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["model.joblib"], "model.joblib"),
        (["churn.joblib", "notes.txt", ".hidden.joblib"], "churn.joblib"),
        (["model.joblib", "old.joblib"], "model.joblib"),
        (["model.pkl"], "model.pkl"),
    ],
)
def test_the_model_is_the_file_named_model_or_the_only_file(names: list[str], found: str, tmp_path: Path) -> None:
    assert find_model_file(touch(tmp_path, *names), ".joblib", ".pkl").name == found


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["model.onnx"],
            r"There is no model.joblib or model.pkl in .*, only model.onnx. Save your model there as model.j",
        ),
        (["a.joblib", "b.joblib"], "has several model files: a.joblib, b.joblib"),
        (["model.joblib", "model.pkl"], "has several model files: model.joblib, model.pkl"),
    ],
)
def test_no_model_file_or_several_are_clear_errors(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=message):
        find_model_file(touch(tmp_path, *names), ".joblib", ".pkl")


@pytest.mark.parametrize("name", [".", "missing"])
def test_an_empty_folder_is_an_error_with_advice(name: str, tmp_path: Path) -> None:
    folder = touch(tmp_path, ".gitkeep") / name
    with pytest.raises(StartError, match=r"There is no model in .*upload_model\.sh.*SM_MODEL_DIR"):
        load_model(import_handler(), folder)


def test_a_broken_model_is_an_error_with_a_traceback_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StartError, match=r"could not be loaded: .*truncated or damaged"):
        load_model(import_handler(), touch(tmp_path, "model.joblib"))
    assert caplog.records[-1].exc_info


def test_a_model_predicts_through_its_handler(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LinearRegression().fit([[0], [1]], [0, 2])))
    model = load_model(import_handler(), tmp_path)
    assert model.encode(model.predict(model.decode([[3]]))).round(6).tolist() == [6]
    with pytest.raises(BadRequest, match="Expected 1 features per record, got 2"):
        model.decode([[1, 2]])
    with pytest.raises(BadRequest, match="Record 1 has a missing"):
        model.predict(model.decode([[None]]))


class Survival:
    """A model with a property that raises, like AIC_ of lifelines' CoxPHFitter."""

    @property
    def score(self) -> float:
        raise RuntimeError("The model has no score.")

    def predict_hazard(self) -> None:
        """Not a method that a handler calls."""


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        (
            {"model": LinearRegression(), "columns": []},
            r"is a dict of model, columns: it has no method predict or transform",
        ),
        ((LinearRegression(), None), "is a tuple of LinearRegression, NoneType: it has no method predict"),
        (Survival(), "is a Survival, with predict_hazard: it has no method predict"),
        (DBSCAN(), r"is a DBSCAN, with .*fit_predict"),
    ],
)
def test_an_object_that_cannot_predict_is_refused_with_its_type(loaded: object, message: str, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(loaded))
    with pytest.raises(StartError, match=message):
        load_model(import_handler(), tmp_path)


def test_a_transformer_is_served_by_its_transform(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(StandardScaler().fit([[0], [2]])))
    model = load_model(import_handler(), tmp_path)
    assert model.encode(model.predict(model.decode([[3]]))).tolist() == [[2]]


class Saved:
    """Pickles to a linear regression saved by a given version of scikit-learn."""

    def __init__(self, version: str) -> None:
        self.state = {**vars(LinearRegression().fit([[0], [1]], [0, 2])), "_sklearn_version": version}

    def __reduce__(self) -> object:
        return LinearRegression, (), self.state


class Unreadable:
    """Pickles to something that does not load."""

    def __reduce__(self) -> object:
        return getattr, ("", "what an older version had")


@pytest.mark.parametrize("others", [(), (Unreadable(),)])
def test_a_model_of_another_version_is_refused_whether_or_not_it_loads(
    others: tuple[object, ...], tmp_path: Path
) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps((Saved("0.1"), *others)))
    message = rf"saved by scikit-learn 0\.1, but {sklearn.__version__} is installed.*SM_ALLOW_VERSION_MISMATCH=true"
    with pytest.raises(StartError, match=message):
        load_model(import_handler(), tmp_path)


def test_a_model_of_another_version_is_served_with_a_warning_if_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SM_ALLOW_VERSION_MISMATCH", "true")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Saved("0.1")))
    load_model(import_handler(), tmp_path)
    assert f"saved by scikit-learn 0.1 and is served by {sklearn.__version__}: predictions may differ" in caplog.text


def test_another_patch_version_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    patch = ".".join([*sklearn.__version__.split(".")[:2], "99"])
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Saved(patch)))
    load_model(import_handler(), tmp_path)
    assert f"from version {patch} when using version" in caplog.text


@pytest.mark.filterwarnings("ignore")
def test_another_version_is_detected_even_if_warnings_are_off(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Saved("0.1")))
    with pytest.raises(StartError, match=r"saved by scikit-learn 0\.1"):
        load_model(import_handler(), tmp_path)


def test_hooks_are_used_if_the_handler_defines_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
def load(model_dir): return sorted(path.name for path in model_dir.iterdir() if path.suffix == ".bin")
def decode(model, records): return [record + 1 for record in records]
def predict(model, inputs): return [value * 2 for value in inputs]
def encode(model, outputs): return {"predictions": outputs, "from": model}
"""
    write_handler(tmp_path, source, monkeypatch)
    model = load_model(import_handler(), touch(tmp_path, "any.bin"))
    assert model.encode(model.predict(model.decode([1]))) == {"predictions": [4], "from": ["any.bin"]}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def load(model_dir): pass", r"has no function predict\(\)"),
        ("import nothing_of_that_name", "could not be imported: ModuleNotFoundError"),
        ("def load(", "could not be imported: SyntaxError"),
        ("def load(d): raise SystemExit(3)\ndef predict(m, i): pass", "could not be loaded: SystemExit: 3"),
    ],
)
def test_a_broken_handler_is_a_clear_error(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_handler(tmp_path, source, monkeypatch)
    with pytest.raises(StartError, match=message):
        load_model(import_handler(), touch(tmp_path, "model.bin"))
