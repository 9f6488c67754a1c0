"""templates/tools/describe: the files it writes for scikit-learn models, and its errors."""

import importlib
import json
import math
import pickle
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from project import TEMPLATES
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

TOOLS = TEMPLATES / "tools/describe/tools"


@pytest.fixture(scope="module")
def tool() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        yield importlib.import_module("describe_model")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project/code").mkdir(parents=True)
    return tmp_path / "project"


def make_frame(rows: int = 50) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, rows),
            "income": random.normal(5e4, 1e4, rows),
            "city": random.choice(["Oslo", "Bergen, old"], rows),
        }
    )
    frame.loc[40, "income"] = np.nan
    return frame


def make_pipeline_of_columns(frame: pd.DataFrame, labels: Any) -> Any:
    encode = ColumnTransformer([("city", OneHotEncoder(), ["city"]), ("age", "passthrough", ["age"])])
    return make_pipeline(encode, LogisticRegression()).fit(frame, labels)


def read(project: Path, name: str) -> Any:
    return json.loads((project / name).read_text())


def test_a_file_of_rows_becomes_a_signature_and_predictions(tool: Any, project: Path, tmp_path: Path) -> None:
    frame = make_frame()
    model = make_pipeline_of_columns(frame, frame["age"] > 40)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    frame.assign(label=1).to_csv(tmp_path / "rows.csv")
    assert tool.main([str(tmp_path / "model.pkl"), str(tmp_path / "rows.csv"), "--folder", str(project)]) == 0
    signature, expected = read(project, "model/signature.json"), read(project, "model/expected.json")
    found = [(each["name"], each["type"], each["required"]) for each in signature["inputs"]]
    assert found == [("age", "long", True), ("income", "double", False), ("city", "string", True)]
    assert signature["outputs"] == [{"name": "prediction", "type": "boolean"}]
    assert len(expected["inputs"]) == 20
    rows = pd.DataFrame(expected["inputs"])
    assert expected["predictions"] == model.predict(rows).tolist()
    np.testing.assert_allclose(expected["probabilities"], model.predict_proba(rows))
    assert expected["versions"]["pandas"] == pd.__version__
    assert read(project, "test/sample_request.json") == {"instances": expected["inputs"][:2]}
    assert (project / "test/sample_request.csv").read_text().startswith("age,income,city\n")


def test_saved_rows_are_spread_over_the_file(tool: Any, project: Path) -> None:
    rows = [[float(number)] for number in range(39)]
    tool.describe(LinearRegression().fit(rows, np.arange(39)), rows, project)
    assert read(project, "model/expected.json")["inputs"][-1] == [37.0]


def test_a_model_trained_on_arrays_gets_lists_and_no_signature(tool: Any, project: Path) -> None:
    frame = make_frame()[["age"]]
    named = LinearRegression().fit(frame, frame["age"])
    tool.describe(named, frame, project)
    assert (project / "model/signature.json").exists()
    tool.describe(LinearRegression().fit(frame.to_numpy(), frame["age"]), frame, project)
    assert not (project / "model/signature.json").exists()
    assert read(project, "model/expected.json")["inputs"][0] == [int(frame["age"][0])]


def test_several_outputs_get_the_given_names(tool: Any, project: Path) -> None:
    frame = make_frame()[["age"]]
    model = LinearRegression().fit(frame, np.c_[frame["age"], frame["age"]])
    tool.describe(model, frame, project)
    assert read(project, "model/signature.json")["outputs"] == [{"type": "double"}, {"type": "double"}]
    tool.describe(model, frame, project, outputs=["price", "risk"])
    assert read(project, "model/expected.json")["predictions"][0].keys() == {"price", "risk"}
    assert [each["name"] for each in read(project, "model/signature.json")["outputs"]] == ["price", "risk"]


def test_naming_outputs_needs_a_signature(tool: Any, project: Path) -> None:
    model = LinearRegression().fit([[1.0], [2.0]], [[1.0, 2.0], [2.0, 3.0]])
    with pytest.raises(tool.Problem, match="--outputs needs"):
        tool.describe(model, [[1.0]], project, outputs=["price", "risk"])
    assert not (project / "model").exists()


def test_probabilities_of_several_outputs_are_grouped_by_record(tool: Any, project: Path) -> None:
    frame = make_frame()[["age"]]
    labels = np.c_[frame["age"] > 40, frame["age"] > 60]
    tool.describe(RandomForestClassifier(3).fit(frame, labels), frame, project)
    assert np.array(read(project, "model/expected.json")["probabilities"]).shape == (20, 2, 2)


class Echo:
    """A model that predicts fixed values."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def predict(self, rows: Any) -> Any:
        return self.values


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (pd.array([1, None], dtype="Int64"), "long", [1, None]),
        (pd.array([True, None], dtype="boolean"), "boolean", [True, None]),
        (pd.array(["a", None], dtype="string"), "string", ["a", None]),
        (pd.Categorical([7, 8]), "long", [7, 8]),
        (pd.to_datetime(["2024-05-31T02:00+02:00", None]), "datetime", ["2024-05-31T00:00:00", None]),
        ([Decimal("1.5"), None], "double", [1.5, None]),
        (np.array([1.5, np.nan], dtype="float32"), "float", [1.5, None]),
    ],
)
def test_pandas_values_become_json(tool: Any, project: Path, value: Any, kind: str, expected: list[Any]) -> None:
    tool.describe(Echo([1, 2]), pd.DataFrame({"x": value, "text": ["a", "b"]}), project)
    assert [each["x"] for each in read(project, "model/expected.json")["inputs"]] == expected
    assert read(project, "model/signature.json")["inputs"][0]["type"] == kind


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([math.nan, math.inf], [None, None]),
        ([Decimal("1.5"), np.int64(2)], [1.5, 2]),
        (np.array(["2024-05-31", "NaT"], dtype="datetime64[ns]"), ["2024-05-31T00:00:00", None]),
        (pd.DataFrame({"price": [1, 2]}), [{"price": 1}, {"price": 2}]),
    ],
)
def test_predictions_of_any_type_become_json(tool: Any, project: Path, values: Any, expected: list[Any]) -> None:
    tool.describe(Echo(values), pd.DataFrame({"text": ["a", "b"]}), project)
    assert read(project, "model/expected.json")["predictions"] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.pkl", "rows.csv"], "file not found: "),
        (["broken.pkl", "rows.csv"], "cannot be loaded here"),
        (["model.pkl", "other.csv"], "the rows lack columns that the model has: age"),
        (["model.pkl", "empty.csv"], "cannot be read"),
        (["model.pkl", "rows.csv", "--type", "age=number"], "--type age=number: expected COLUMN=TYPE"),
        (["model.pkl", "rows.csv", "--outputs", "a,b"], "--outputs has 2 names"),
    ],
)
def test_an_error_is_one_sentence_and_nothing_is_written(
    arguments: list[str], message: str, tool: Any, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = make_frame()
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LinearRegression().fit(frame[["age"]], frame["age"])))
    (tmp_path / "broken.pkl").write_bytes(b"no pickle")
    frame.to_csv(tmp_path / "rows.csv")
    frame[["city"]].to_csv(tmp_path / "other.csv")
    (tmp_path / "empty.csv").write_text("")
    model, rows, *more = arguments
    assert tool.main([str(tmp_path / model), str(tmp_path / rows), *more, "--folder", str(project)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert message in lines[-1]
    assert [path.name for path in project.iterdir()] == ["code"]


def test_a_class_of_the_training_script_is_found_in_code_or_by_calling_describe_there(
    project: Path, tmp_path: Path
) -> None:
    script = (
        "import pickle, sys\n"
        "class Double:\n"
        "    def predict(self, rows):\n"
        "        return [2 * row[0] for row in rows.tolist()]\n"
        "if __name__ == '__main__':\n"
        f"    sys.path.append({str(TOOLS)!r})\n"
        "    from describe_model import describe\n"
        f"    describe(Double(), [[1.0], [2.0]], {str(project)!r})\n"
        "    pickle.dump(Double(), open('model.pkl', 'wb'))\n"
    )
    (tmp_path / "train.py").write_text(script)
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, check=True)
    assert read(project, "model/expected.json")["predictions"] == [2.0, 4.0]
    rows = tmp_path / "rows.csv"
    rows.write_text("3\n4\n")
    command = [sys.executable, TOOLS / "describe_model.py", "model.pkl", rows, "--no-header", "--folder", project]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "call describe(model, rows) from the script" in done.stderr) == (2, True)
    (project / "code/serving").symlink_to(TEMPLATES / "container/code/serving")
    (project / "code/train.py").write_text(script)
    subprocess.run(command, cwd=tmp_path, check=True)
    assert read(project, "model/expected.json")["predictions"] == [6.0, 8.0]


def test_progress_is_shown_after_one_second(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with tool.progress("predicting"):
        importlib.import_module("time").sleep(1.1)
    assert capsys.readouterr().err == "predicting ... 1 s\n"
    with tool.progress("predicting"):
        pass
    assert capsys.readouterr().err == ""
