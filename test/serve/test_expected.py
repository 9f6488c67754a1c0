"""serving/expected.py: model/expected.json, with scikit-learn models, in this process and in servers."""

import json
import pickle
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from project import ManyServer, Server, assemble
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from serving.errors import StartError
from serving.expected import measure
from serving.models import find_model_file, import_handler, list_files, load_model

SKLEARN = metadata.version("scikit-learn")
ROWS = np.random.default_rng(1).normal(size=(20, 3))


@pytest.fixture(autouse=True)
def _fresh_handler() -> None:
    sys.modules.pop("model_handler", None)


@pytest.fixture
def model() -> Any:
    return LogisticRegression().fit(ROWS, np.where(ROWS[:, 0] > 0, "yes", "no"))


def write(folder: Path, model: Any, **lists: Any) -> Path:
    """Write the model and its expected.json. Lists that are None are omitted."""
    probabilities = {"probabilities": model.predict_proba(ROWS).tolist()} if hasattr(model, "predict_proba") else {}
    saved = {"inputs": ROWS.tolist(), "predictions": model.predict(ROWS).tolist(), **probabilities, **lists}
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    (folder / "expected.json").write_text(json.dumps({k: v for k, v in saved.items() if v is not None}))
    return folder


def load(folder: Path) -> None:
    load_model(import_handler(), folder)


def refusal(folder: Path) -> str:
    with pytest.raises(StartError) as caught:
        load(folder)
    return str(caught.value)


def test_a_model_that_agrees_is_loaded(tmp_path: Path, model: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    load(write(tmp_path, model))
    assert "20 of 20 predictions agree (largest difference 0)." in caplog.text


def test_the_largest_difference_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    model = LinearRegression().fit(ROWS, ROWS @ [1, 2, 3])
    predictions = model.predict(ROWS)
    predictions[7] *= 1 + 3e-9
    load(write(tmp_path, model, predictions=predictions.tolist()))
    assert "20 of 20 predictions agree (largest difference 3e-09)." in caplog.text


def test_the_file_can_set_the_tolerance(tmp_path: Path) -> None:
    """tools/convert.py --tolerance writes it."""
    model = LinearRegression().fit(ROWS, ROWS @ [1, 2, 3])
    predictions = (model.predict(ROWS) * (1 + 1e-4)).tolist()
    assert "20 of 20 predictions differ" in refusal(write(tmp_path, model, predictions=predictions))
    load(write(tmp_path, model, predictions=predictions, tolerance=1e-3))


def test_a_model_that_differs_is_refused_with_the_first_records(tmp_path: Path, model: Any) -> None:
    labels = model.predict(ROWS)
    labels[[1, 4, 5, 9]] = "may"
    message = refusal(write(tmp_path, model, predictions=labels.tolist()))
    assert "4 of 20 predictions differ from " in message
    assert f"record 2: expected predictions 'may', got '{model.predict(ROWS)[1]}'; record 5: expected" in message
    assert "record 6" in message and "record 10" not in message
    assert "SM_EXPECTED=off" in message


@pytest.mark.parametrize(
    ("versions", "cause"),
    [
        (
            {"scikit-learn": "1.0.2"},
            f"other versions: scikit-learn was 1.0.2 and is {metadata.version('scikit-learn')}.",
        ),
        (
            {"scikit-learn": metadata.version("scikit-learn"), "no-such-package": "1"},
            "its columns may be in another order",
        ),
        (None, "or a preprocessing step may be missing"),
        (["1.0.2"], "or a preprocessing step may be missing"),
    ],
)
def test_the_error_names_the_likely_cause(versions: Any, cause: str, tmp_path: Path, model: Any) -> None:
    assert cause in refusal(write(tmp_path, model, predictions=["may"] * 20, versions=versions))


def test_probabilities_are_compared(tmp_path: Path, model: Any) -> None:
    probabilities = model.predict_proba(ROWS)
    probabilities[19] += [1e-4, -1e-4]
    message = refusal(write(tmp_path, model, probabilities=probabilities.tolist()))
    assert "1 of 20 predictions differ" in message
    assert "record 20: expected probabilities [0." in message


def test_the_environment_can_set_the_tolerance(tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path, model, probabilities=(model.predict_proba(ROWS) + 9e-7).tolist())
    load(folder)
    monkeypatch.setenv("SM_EXPECTED_TOLERANCE", "8e-7")
    assert "differ from" in refusal(folder)
    monkeypatch.setenv("SM_EXPECTED_TOLERANCE", "much")
    assert refusal(folder) == "SM_EXPECTED_TOLERANCE is 'much': set it to a number from 0 to 1, or unset it."


def test_the_check_can_be_turned_off(tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, model)
    (tmp_path / "expected.json").write_text("broken")
    monkeypatch.setenv("SM_EXPECTED", "off")
    load(tmp_path)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"predictions": None}, "expected.json has no list of predictions. Write it again"),
        ({"inputs": 3}, "has no list of inputs"),
        ({"inputs": []}, "has no list of inputs"),
        ({"probabilities": {}}, "has no list of probabilities"),
        ({"predictions": ["yes"]}, "differ in length: 20 inputs, 1 predictions, 20 probabilities"),
        ({"inputs": [[1, 2]] * 20}, "The model fails on the inputs of expected.json: BadRequest: Expected 3 features"),
    ],
)
def test_a_broken_file_is_a_clear_error(lists: dict[str, Any], message: str, tmp_path: Path, model: Any) -> None:
    assert message in refusal(write(tmp_path, model, **lists))


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x80"])
def test_a_file_of_another_kind_is_a_clear_error(text: str, tmp_path: Path, model: Any) -> None:
    write(tmp_path, model)
    (tmp_path / "expected.json").write_bytes(text.encode("latin-1"))
    assert "expected.json is not JSON" in refusal(tmp_path) or "has no list of inputs" in refusal(tmp_path)


HANDLER = """
def load(model_dir): return None
def predict(model, inputs): return {answer}
"""


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("[float('nan')] * len(inputs)", None),
        ("{'predictions': [None] * len(inputs)}", None),
        ("[None]", "must have a list of predictions, one per input"),
        ("{'answers': [None] * len(inputs)}", "must have a list of predictions, one per input"),
        ("inputs / 0", "The model fails on the inputs of expected.json: TypeError: "),
        ("(value for value in inputs)", "The model fails on the inputs"),
    ],
)
def test_all_kinds_of_handlers_are_compared(
    answer: str, problem: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "model_handler.py").write_text(HANDLER.format(answer=answer))
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "any").touch()
    (folder / "expected.json").write_text('{"inputs": [[1], [2]], "predictions": [NaN, null], "probabilities": [0, 1]}')
    if problem:
        assert problem in refusal(folder)
    else:
        load(folder)
        assert "The probabilities in expected.json are not compared" in caplog.text


@pytest.mark.parametrize(
    ("expected", "found", "difference"),
    [
        (1, 1.0, 0),
        (3, 4, np.inf),
        (2.0, 1.0, 0.5),
        (0, 1e-12, 1e-6),
        (0.0, -1e-7, 0.1),
        (True, 1, np.inf),
        (True, True, 0),
        ("a", "b", np.inf),
        (None, None, 0),
        (None, 0.0, np.inf),
        ([1.0, [2.0]], [1.0, [2.5]], 0.2),
        ([1.0], [1.0, 2.0], np.inf),
        ({"label": "a", "score": 4.0}, {"label": "a", "score": 5.0}, 0.2),
        ({"label": "a"}, {"score": "a"}, np.inf),
        ([], [], 0),
    ],
)
def test_differences_are_relative_and_other_values_must_be_equal(
    expected: object, found: object, difference: float
) -> None:
    assert measure(expected, found, 1e-6) == pytest.approx(difference)


def test_differences_near_0_are_relative_to_the_minimum_magnitude() -> None:
    assert [measure(0.0, 1e-9, smallest) for smallest in (1e-6, 1.0)] == pytest.approx([1e-3, 1e-9])


def test_the_file_is_not_taken_for_a_model(tmp_path: Path) -> None:
    for name in ("expected.json", "signature.json"):
        (tmp_path / name).touch()
    assert list_files(tmp_path) == []
    (tmp_path / "churn.json").touch()
    assert find_model_file(tmp_path, ".json").name == "churn.json"


def expect(project: Path, *predictions: float) -> None:
    """Write expected.json for records [1, 1, …] of the sample, which is linear in all features."""
    inputs = [[number] * 8 for number in range(len(predictions))]
    (project / "model/expected.json").write_text(json.dumps({"inputs": inputs, "predictions": predictions}))


def predict(sample: Path) -> list[float]:
    saved = json.loads((sample / "model/model.json").read_text())
    return [saved["bias"], sum(saved["weights"]) + saved["bias"]]


@pytest.mark.parametrize("preload", [True, False])
def test_a_server_starts_only_if_its_predictions_agree(
    preload: bool, project: Path, sample: Path, variant: str
) -> None:
    """The check runs in each worker before /ping is answered."""
    handler = project / "code/model_handler.py"
    handler.write_text(handler.read_text().replace("PRELOAD = True", f"PRELOAD = {preload}"))
    first, second = predict(sample)
    expect(project, first, second)
    with Server(project, variant, SM_WORKERS="2") as server:
        server.wait_until_ready()
        assert "2 of 2 predictions agree (largest difference " in server.log()
    expect(project, first, second + 1)
    with Server(project, variant, SM_WORKERS="2") as server:
        assert server.wait() == 1
    assert "1 of 2 predictions differ from" in server.last_line()
    assert "record 2: expected predictions" in server.last_line()


def test_a_model_that_starts_threads_is_checked_in_the_worker(samples: dict[str, Path], tmp_path: Path) -> None:
    """The threads would not survive the fork, and every request would hang."""
    project = assemble(tmp_path / "project", "fastapi", samples["joblib"])
    model = HistGradientBoostingClassifier(max_iter=5).fit(ROWS.repeat(50, 0), (ROWS[:, 0] > 0).repeat(50))
    write(project / "model", model)
    (project / "model/model.joblib").unlink()
    with Server(project, "fastapi", SM_WORKERS="1", OMP_NUM_THREADS="2") as server:
        server.wait_until_ready()
        assert "20 of 20 predictions agree" in server.log()
        assert server.invoke({"instances": ROWS.tolist()}).json() == {"predictions": model.predict(ROWS).tolist()}


@pytest.mark.parametrize("variant", ["fastapi"])
def test_a_model_that_does_not_agree_is_not_loaded_in_multi_model_mode(
    variant: str, sample: Path, tmp_path: Path
) -> None:
    project = assemble(tmp_path / "project", variant, sample, multi_model=True)
    first, second = predict(sample)
    expect(project, first, second)
    other = shutil.copytree(project / "model", tmp_path / "other/model")
    expect(tmp_path / "other", first + 1, second)
    with ManyServer(project, variant) as server:
        server.wait_until_ready()
        assert server.load_from(project / "model", "good").status == 200
        assert server.load_from(other, "bad").status == 500
        assert "1 of 2 predictions differ from" in server.log()
