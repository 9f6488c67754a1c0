"""Tests specific to scikit-learn."""

import json
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import joblib
import numpy as np
import pytest
import skops.io
from conftest import ROOT
from numpy.typing import NDArray
from project import Server
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.linear_model import Ridge
from test_every import LOAD_EACH, LOADED, double, put, rename, truncate


def make_newer(model_dir: Path) -> None:
    """Write a model with the version of scikit-learn set to 9.1."""
    path = next(model_dir.glob("model.*"))
    if path.suffix != ".skops":
        saved = {**vars(Ridge().fit([[0], [1]], [0, 2])), "_sklearn_version": "9.1"}
        path.write_bytes(pickle.dumps(Saved(saved)))
        return
    shutil.move(path, path.with_suffix(".old"))
    with ZipFile(path.with_suffix(".old")) as old, ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"protocol": ', b'"protocol": 9'))
    path.with_suffix(".old").unlink()


class Saved:
    """An object whose pickle is a ridge regression with the given state."""

    def __init__(self, state: dict[str, object]) -> None:
        self.state = state

    def __reduce__(self) -> object:
        return Ridge, (), self.state


BROKEN = {
    "newer": (make_newer, "saved by scikit-learn 9.1, but .* is installed|could not be loaded: .*(version|protocol)"),
    "truncated": (truncate("model.*"), "could not be loaded: .*truncated or damaged"),
    "of another framework": (put("model.joblib", b"tree\nversion=v4\n", "model.*"), "LightGBM|There is no model.skops"),
    "two candidates": (double, "has several model files"),
    "another name": (rename, "There is no model.* only model.bin"),
}


OLD_FOREST = """
import sys, joblib
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
x, y = make_classification(1000, 8, n_informative=5, flip_y=0.2, random_state=1)
model = RandomForestClassifier(100, max_depth=4, class_weight="balanced", random_state=1).fit(x, y)
joblib.dump(model, sys.argv[1])
"""


@pytest.mark.parametrize("allowed", [False, True])
def test_a_forest_of_scikit_learn_1_3_is_served_only_if_allowed(first: Path, allowed: bool, tmp_path: Path) -> None:
    """It loads without an error but predicts differently, because the leaf values changed meaning in 1.4."""
    project = shutil.copytree(first, tmp_path / "project")
    make = ["uv", "run", "--no-project", "--python=3.11", "--with=scikit-learn==1.3.2", "python", "-c", OLD_FOREST]
    subprocess.run([ROOT / ".venv/bin" / make[0], *make[1:], project / "model/model.joblib"], check=True)
    environment = {"SM_ALLOW_VERSION_MISMATCH": "true"} if allowed else {}
    with Server(project, "fastapi", **environment) as server:
        if allowed:
            assert server.wait_until_ready().invoke({"instances": [[1.0] * 8]}).status == 200
            assert "saved by scikit-learn 1.3.2 and is served by" in server.log()
        else:
            assert server.wait() != 0
            assert "saved by scikit-learn 1.3.2, but " in server.last_line()


def run_with(packages: str, program: str, *arguments: object) -> str:
    """Run a program in an environment with these packages and return its output."""
    options = [option for package in packages.split() for option in ("--with", package)]
    command = [ROOT / ".venv/bin/uv", "run", "--no-project", "--python=3.11", *options, "python", "-c", program]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


SAVE = """
import sys, joblib, numpy
x, y = numpy.random.default_rng(1).normal(size=(200, 8)), numpy.arange(200) % 2
{imports}
joblib.dump({model}.fit(x, y), sys.argv[1], compress={compress})
"""
XGBOOST = "import xgboost", "xgboost.XGBClassifier(n_estimators=3)"
LIGHTGBM = "import lightgbm", "lightgbm.LGBMClassifier(n_estimators=3)"
FOREST = "from sklearn.ensemble import RandomForestClassifier", "RandomForestClassifier(3)"
BOOSTING = "from sklearn.ensemble import GradientBoostingClassifier", "GradientBoostingClassifier(n_estimators=3)"
IMPUTER = "from sklearn.impute import SimpleImputer", "SimpleImputer()"
RANDOM = "from sklearn.linear_model import SGDClassifier", "SGDClassifier(random_state=numpy.random.RandomState(1))"
OLD, NOW = "numpy<2 scikit-learn==1.3.2", "scikit-learn==1.9.1"


@pytest.mark.parametrize(
    ("model", "then", "now", "allowed", "message"),
    [
        (XGBOOST, f"{OLD} xgboost==1.7.6", NOW, False, "'xgboost'. Add xgboost to requirements.in, at the version"),
        (
            XGBOOST,
            f"{OLD} xgboost==1.7.6",
            f"{OLD} xgboost-cpu==3.2.0",
            False,
            "replace xgboost-cpu with xgboost==1.7.6",
        ),
        (XGBOOST, f"{OLD} xgboost==1.7.6", f"{OLD} xgboost-cpu==3.2.0", True, "It is loaded."),
        (
            LIGHTGBM,
            f"{OLD} lightgbm==4.7.0",
            f"{OLD} lightgbm==3.3.5",
            False,
            "cannot predict: .* set lightgbm to that",
        ),
        (FOREST, "numpy<2 scikit-learn==1.2.2", NOW, False, "saved by scikit-learn 1.2.2, but 1.9.1 is installed"),
        (BOOSTING, "numpy<2 scikit-learn==1.5.2", NOW, False, "saved by scikit-learn 1.5.2, but 1.9.1 is installed"),
        (
            IMPUTER,
            OLD,
            NOW,
            True,
            "cannot predict: .*'SimpleImputer' object has no attribute .* set scikit-learn to that",
        ),
        (RANDOM, "numpy==1.26.4 scikit-learn==1.3.2", "numpy==1.23.5 scikit-learn==1.3.2", False, "set numpy to the"),
    ],
)
def test_a_model_of_another_version_gets_an_error_with_its_library(
    model: tuple[str, str],
    then: str,
    now: str,
    allowed: bool,
    message: str,
    first: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save = SAVE.format(imports=model[0], model=model[1], compress=3 if model in (XGBOOST, BOOSTING) else 0)
    run_with(f"{then} joblib", save, tmp_path / "model.joblib")
    monkeypatch.setenv("SM_ALLOW_VERSION_MISMATCH", str(allowed))
    program = LOAD_EACH.replace("THEN", LOADED)
    [output] = json.loads(run_with(f"{now} joblib orjson", program, first / "code", tmp_path).splitlines()[-1])
    assert re.search(message, output), output


LOAD_AFTER = """
import sys
from pathlib import Path
before = set(sys.modules)
model_handler.load(Path(sys.argv[1])).predict([[0.0]])
new = {name: getattr(sys.modules[name], "__file__", None) or "" for name in set(sys.modules) - before}
print([name for name, file in new.items() if name.split(".")[0] in sys.stdlib_module_names and file.endswith(".py")])
"""


def test_the_build_compiles_every_standard_module_that_the_server_imports(first: Path, tmp_path: Path) -> None:
    """The base image has no bytecode, so modules that the build does not import are compiled at each start."""
    build = re.search(r"python -c '(.*)'", (first / "Dockerfile").read_text())
    assert build
    steps = [("linear", Ridge()), ("forest", RandomForestRegressor(3)), ("boosting", HistGradientBoostingRegressor())]
    joblib.dump(VotingRegressor(steps).fit([[0.0], [1.0]], [0.0, 2.0]), tmp_path / "model.joblib")
    command = [sys.executable, "-c", build[1] + LOAD_AFTER, tmp_path]
    done = subprocess.run(command, cwd=first / "code", capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def expect(model_dir: Path, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    path = next(model_dir.glob("model.*"))
    model: Any = skops.io.load(path) if path.suffix == ".skops" else joblib.load(path)
    predictions: NDArray[np.float64] = model.predict(rows)
    return predictions
