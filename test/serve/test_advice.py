"""serving/advice.py: advice for a model that does not load. Each piece of advice is tested with a real file, here or,
for other libraries, in test/frameworks."""

import ctypes
import importlib
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import pytest
from project import SKLEARN_HANDLER, Server
from sklearn.ensemble import RandomForestRegressor

from serving.advice import describe
from serving.errors import StartError
from serving.models import import_handler, load_model

DOUBLED = """
from sklearn.linear_model import LinearRegression

class Doubled(LinearRegression):
    def predict(self, rows):
        return 2 * super().predict(rows)
"""
NOTEBOOK = f"""{DOUBLED}
import pickle, sys
with open(sys.argv[1], "wb") as file:
    pickle.dump(Doubled().fit([[0], [1]], [0, 1]), file)
"""
pytestmark = pytest.mark.usefixtures("code")


def save_as_of(module: str, model: Path) -> None:
    """Pickle a model whose class is in a module that does not exist."""
    parts = module.split(".")
    names = [".".join(parts[: end + 1]) for end in range(len(parts))]
    added = {name: ModuleType(name) for name in names if name not in sys.modules}
    sys.modules.update(added)
    exec(DOUBLED, vars(added[module]))
    try:
        model.write_bytes(pickle.dumps(added[module].Doubled().fit([[0], [1]], [0, 1])))
    finally:
        for name in added:
            del sys.modules[name]


def refusal(folder: Path) -> str:
    with pytest.raises(StartError) as caught:
        load_model(import_handler(), folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("module", "advice"),
    [
        ("xgboost.core", r"No module named 'xgboost.*'\. Add xgboost to requirements\.in, .*, then run \./lock\.sh\."),
        ("imblearn", r"Add imbalanced-learn to requirements\.in, "),
        ("mine", r"Put mine\.py, or the folder mine/ if it is a package, next to code/model_handler\.py\. "),
        ("mine.own", r"Put mine\.py, or the folder mine/ "),
        ("sklearn.ensemble.forest", r"no sklearn\.ensemble\.forest in the installed scikit-learn.*lock\.sh"),
        ("numpy._older", r"no numpy\._older in the installed numpy\. .*In requirements\.in, set numpy to "),
    ],
)
def test_a_missing_module(module: str, advice: str, tmp_path: Path) -> None:
    save_as_of(module, tmp_path / "model/model.pkl")
    assert re.search(advice, refusal(tmp_path / "model"))


def test_a_user_module_is_found_next_to_the_handler(code: Path, tmp_path: Path) -> None:
    save_as_of("features", tmp_path / "model/model.pkl")
    assert "Put features.py, or" in refusal(tmp_path / "model")
    (code / "features.py").touch()
    importlib.invalidate_caches()
    assert "features next to code/model_handler.py has no Doubled" in refusal(tmp_path / "model")
    del sys.modules["features"]
    (code / "features.py").write_text(DOUBLED)
    assert load_model(import_handler(), tmp_path / "model").answer([[3]])["predictions"] == pytest.approx([6])


def test_a_user_package_that_lacks_a_module(code: Path, tmp_path: Path) -> None:
    save_as_of("features.linear", tmp_path / "model/model.pkl")
    (code / "features").mkdir()
    (code / "features/__init__.py").touch()
    assert "features next to code/model_handler.py has no features.linear" in refusal(tmp_path / "model")


@pytest.mark.parametrize(
    ("module", "advice"),
    [
        ("sklearn.linear_model._ridge", "There is no sklearn.linear_model._ridge.Older in the installed scikit-learn"),
        (
            "json",
            "This Python's json has no Older. In the project's folder, run: ml-container-creator update --python",
        ),
    ],
)
def test_a_class_that_no_longer_exists(
    module: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.import_module(module)
    monkeypatch.setattr(there, "Older", type("Older", (), {"__module__": module}), raising=False)
    (tmp_path / "model/model.pkl").write_bytes(pickle.dumps(there.Older()))
    monkeypatch.delattr(there, "Older")
    assert advice in refusal(tmp_path / "model")


@pytest.mark.parametrize("variant", ["fastapi"])
def test_a_class_of_a_notebook_loads_once_the_advice_is_followed(project: Path, variant: str) -> None:
    for path in (project / "model").iterdir():
        path.unlink()
    subprocess.run([sys.executable, "-c", NOTEBOOK, project / "model/model.pkl"], check=True)
    shutil.copy(SKLEARN_HANDLER, project / "code")
    with Server(project, variant) as server:
        assert server.wait() == 1
    advice = "Put the file that defines Doubled next to code/model_handler.py."
    assert advice in server.last_line()
    (project / "code/notebook.py").write_text(NOTEBOOK)
    with Server(project, variant) as server:
        assert server.wait_until_ready().invoke([[3]]).json()["predictions"] == pytest.approx([6])


def save_joblib(path: Path) -> None:
    joblib.dump(RandomForestRegressor(5, random_state=0).fit(np.eye(50), range(50)), path)


def save_compressed(path: Path) -> None:
    joblib.dump(RandomForestRegressor(5, random_state=0).fit(np.eye(50), range(50)), path, compress=3)


def save_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(RandomForestRegressor(5, random_state=0).fit(np.eye(50), range(50))))


@pytest.mark.parametrize("save", [save_joblib, save_compressed, save_pickle])
@pytest.mark.parametrize("part", [0, 0.001, 0.1, 0.11, 0.5, 0.99])
def test_a_truncated_file(save: Callable[[Path], None], part: float, tmp_path: Path) -> None:
    path = tmp_path / "model/model.joblib"
    save(path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    assert "The file is truncated or damaged. Copy it again" in refusal(tmp_path / "model")


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (
            b"tree\nversion=v4\nnum_class=1\n",
            "like a LightGBM model (model.txt). Replace it with a model of the kind this project",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer. Fetch the file itself: "),
        (b"PK\x05\x06" + bytes(18), "truncated or damaged"),
    ],
)
def test_a_file_of_another_kind(content: bytes, advice: str, tmp_path: Path) -> None:
    (tmp_path / "model/model.joblib").write_bytes(content)
    assert advice in refusal(tmp_path / "model")


class Compiled:
    """Pickles to a call that loads a system library, as importing LightGBM does."""

    def __reduce__(self) -> object:
        return ctypes.CDLL, ("libmissing.so.1",)


def test_a_missing_system_library(tmp_path: Path) -> None:
    (tmp_path / "model/model.pkl").write_bytes(pickle.dumps(Compiled()))
    assert "The system library libmissing.so.1 is missing. In the Dockerfile, above WORKDIR, add RUN" in refusal(
        tmp_path / "model"
    )


def test_an_unknown_error_gets_the_fallback_advice(code: Path, tmp_path: Path) -> None:
    (code / "model_handler.py").write_text("def load(d): raise KeyError('x')\ndef predict(m, i): pass\n")
    (tmp_path / "model/any").touch()
    assert "KeyError: 'x'. Save it again with the versions in requirements.txt" in refusal(tmp_path / "model")


def test_a_failing_import_of_the_handler(code: Path) -> None:
    (code / "model_handler.py").write_text("import lightgbm\n")
    with pytest.raises(
        StartError, match=r"could not be imported: ModuleNotFoundError.*Add lightgbm to requirements\.in"
    ):
        import_handler()
    (code / "model_handler.py").write_text("def load(")
    importlib.invalidate_caches()
    with pytest.raises(
        StartError,
        match=r"could not be imported: SyntaxError: .*\. Fix the error; the traceback is in the log, above",
    ):
        import_handler()


def test_a_long_message_keeps_both_ends_and_the_first_cause() -> None:
    error = ValueError(f"It does not\nload: {'x ' * 5000}for want of a layer.")
    error.__cause__ = KeyError("layer_7")
    text = describe(error)
    assert text.startswith("ValueError: It does not load: x x ")
    assert text.endswith("for want of a layer (caused by KeyError: 'layer_7')")
    assert len(text) < 1000
