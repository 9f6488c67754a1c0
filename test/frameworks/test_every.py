"""Tests for every framework, format and server."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import train
from project import TEMPLATES, ManyServer, Server, list_descendants, wait_for

RECORD = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
# A record is a row of numbers.
TABULAR = ("sklearn", "xgboost", "lightgbm", "catboost", "tensorflow", "pytorch", "onnx", "custom")
EXPECTED = r"8 .* per record|is not a list of numbers|is an object|is not a number"


@pytest.fixture(scope="session")
def library_tests(request: pytest.FixtureRequest) -> Any:
    """The framework's own test module, with

    expect(model_dir, rows): the library's own predictions as an array
    TOLERANCE: the relative tolerance for them (default: 0)
    values(predictions): converts the predictions of a response to such an array, if needed
    ACCEPTED: which of None, "nan" and "inf" a record can contain
    BROKEN: a defect of a model -> a function that damages the model's folder, and the message in the log
    """
    return importlib.import_module(f"test_{request.config.getoption('framework')}")


def read_requests(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "test").glob("sample_request.*")}


def test_the_sample_reports_the_files_it_wrote(one: Path) -> None:
    output = train(one)
    assert "Wrote model/" in output
    assert output.endswith("Next: test/run_local.sh\n")
    assert sorted(read_requests(one)) == ["sample_request.csv", "sample_request.json"]


def test_training_the_sample_is_reproducible(first: Path) -> None:
    """The data, the model and its quality are the same."""
    output, requests = train(first), read_requests(first)
    command = [sys.executable, first / "sample_model/train.py"]
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert (again.stdout, read_requests(first)) == (output, requests)


def test_predictions_equal_the_librarys_own(server: Server, folder: Path, library_tests: Any) -> None:
    rows = np.array(json.loads((folder / "test/sample_request.json").read_text())["instances"])
    expected = library_tests.expect(folder / "model", rows)
    for name, media_type in [("sample_request.json", "application/json"), ("sample_request.csv", "text/csv")]:
        reply = server.invoke((folder / "test" / name).read_bytes(), media_type)
        assert reply.status == 200, reply.body
        predictions = getattr(library_tests, "values", list)(reply.json()["predictions"])
        found = np.array(predictions, expected.dtype).reshape(expected.shape)
        np.testing.assert_allclose(found, expected, rtol=getattr(library_tests, "TOLERANCE", 0))


def test_the_contract_is_kept(server: Server, folder: Path) -> None:
    check = [sys.executable, folder / "test/check_contract.py", f"http://127.0.0.1:{server.port}"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.only_for(TABULAR)
@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([RECORD[:7]], r"8 .* per record, got 7"),
        ([RECORD, RECORD[:7]], r"8 .* per record, got 7 in record 2"),
        ([[RECORD]], EXPECTED),
        ([[*RECORD[:7], "eight"]], EXPECTED),
        ([[*RECORD[:7], {}]], EXPECTED),
        (None, EXPECTED),
        ([], "no records"),
    ],
)
def test_a_bad_request_gets_an_error_with_what_was_expected(server: Server, records: object, message: str) -> None:
    reply = server.invoke({"instances": records})
    assert reply.status == 400, reply.body
    assert list(reply.json()) == ["error"]
    assert re.search(message, reply.json()["error"]), reply.json()


@pytest.mark.only_for(TABULAR)
@pytest.mark.parametrize("value", [None, "nan", "inf"])
def test_missing_and_infinite_values_are_rejected_unless_the_model_accepts_them(
    value: str | None, server: Server, library_tests: Any
) -> None:
    reply = server.invoke({"instances": [[*RECORD[:7], value]]})
    if value in getattr(library_tests, "ACCEPTED", ()):
        assert reply.status == 200, reply.body
    else:
        assert reply.status == 400, reply.body
        assert re.search("missing, infinite or|missing or infinite|infinite value", reply.json()["error"])


def test_a_broken_model_is_not_served(one: Path, library_tests: Any, tmp_path: Path) -> None:
    """Start the whole server for the first defect, and only load the model for the others."""
    project = shutil.copytree(one, tmp_path / "project")
    damaged, expected = {}, {}
    for name, (damage, message) in library_tests.BROKEN.items():
        damaged[name] = tmp_path / name.replace(" ", "-") / "model"
        shutil.copytree(one / "model", damaged[name])
        damage(damaged[name])
        expected[name] = message
    first, *others = damaged
    with Server(project, "fastapi", SM_MODEL_DIR=str(damaged[first])) as server:
        status = server.wait()
    lines = load_each(project, LOADED, *(damaged[name] for name in others))
    found = {first: server.last_line(), **dict(zip(others, lines, strict=True))}
    wrong = [f"{name}: {line}" for name, line in found.items() if not re.search(expected[name], line)]
    assert status != 0 and not wrong, "\n".join(wrong)


def test_a_model_is_served_only_if_its_predictions_are_as_expected(first: Path, tmp_path: Path) -> None:
    """Use the sample's predictions as expected.json, unchanged and with one number changed."""
    records = json.loads((first / "test/sample_request.json").read_text())["instances"]
    [answer] = load_each(first, f"model.answer({{'inputs': {records}}})", first / "model")
    folders = [shutil.copytree(first / "model", tmp_path / name / "model") for name in ("same", "other")]
    for folder, change in zip(folders, (0, 1), strict=True):
        expected = {"inputs": records, "predictions": add(answer["predictions"], change)}
        (folder / "expected.json").write_text(json.dumps(expected))
    same, other = load_each(first, LOADED, *folders)
    assert same == "It is loaded."
    assert f"1 of {len(records)} predictions differ" in other


@pytest.mark.only_for([name for name in TABULAR if name != "custom"])
def test_the_files_of_describe_model_agree_with_the_server(first: Path, tmp_path: Path) -> None:
    project = shutil.copytree(first, tmp_path / "project")
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([[float(number + at) for at in range(8)] for number in range(30)]))
    model = next((project / "model").glob("model.*"), project / "model")
    subprocess.run([sys.executable, project / "tools/describe_model.py", model, rows], cwd=tmp_path, check=True)
    assert len(json.loads((project / "model/expected.json").read_text())["predictions"]) == 20
    assert load_each(project, LOADED, project / "model") == ["It is loaded."]


def add(value: Any, number: int) -> Any:
    """Return the value with `number` added to its first number."""
    if isinstance(value, list):
        return [add(value[0], number), *value[1:]]
    if isinstance(value, dict):
        return {name: add(each, number) if not isinstance(each, str) else each for name, each in value.items()}
    return value + number


def load_each(project: Path, then: str, *folders: Path) -> list[Any]:
    """Load each folder in a process of the project. Returns the error for each model, or the value of `then`."""
    program = LOAD_EACH.replace("THEN", then)
    arguments = [project / "code", *folders]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))


LOADED = "'It is loaded.'"
LOAD_EACH = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from serving import models
from serving.errors import StartError
handler, reasons = models.import_handler(), []
for folder in sys.argv[2:]:
    try:
        model = models.load_model(handler, Path(folder))
        reasons.append(THEN)
    except StartError as error:
        reasons.append(str(error))
print(json.dumps(reasons))
"""


# Defects for all frameworks.


def truncate(pattern: str) -> Any:
    """Truncate the file that matches the pattern to half its size."""

    def damage(model_dir: Path) -> None:
        path = next(model_dir.rglob(pattern))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return damage


def put(name: str, content: bytes, instead: str = "") -> Any:
    """Write a file to the model's folder, and remove the files that match `instead`."""

    def damage(model_dir: Path) -> None:
        for path in model_dir.rglob(instead) if instead else []:
            path.unlink()
        (model_dir / name).write_bytes(content)

    return damage


def double(model_dir: Path) -> None:
    """Leave two files that could be the model."""
    path = next(model_dir.glob("model.*"))
    shutil.copy(path, path.with_stem("new"))
    path.rename(path.with_stem("old"))


def rename(model_dir: Path) -> None:
    """Rename the model so that its extension is unknown."""
    path = next(model_dir.glob("model.*"))
    path.rename(path.with_suffix(".bin"))


@pytest.mark.only_for(TABULAR)  # the others have one model per endpoint
def test_many_models_are_loaded_served_and_unloaded(first: Path, tmp_path: Path) -> None:
    """Serve two copies of the sample in separate processes. Unloading one does not affect the other."""
    folder = shutil.copytree(first, tmp_path / "project")
    for source in ("multi-model/code", "servers/fastapi/code"):
        shutil.copytree(TEMPLATES / source, folder / "code", dirs_exist_ok=True)
    request = (folder / "test/sample_request.json").read_bytes()
    with ManyServer(folder, "fastapi") as server:
        server.wait_until_ready()
        before = list_descendants(server.process.pid)
        for name in ("first", "second"):
            reply = server.load_from(folder / "model", name)
            assert (reply.status, reply.json()) == (200, {"status": "Workers scaled"}), server.log()
        answers = [server.ask(name, request) for name in ("first", "second", "first")]
        assert [answer.status for answer in answers] == [200] * 3, server.log()
        assert len({answer.body for answer in answers}) == 1
        assert server.unload("first").status == 200
        assert server.ask("second", request).body == answers[0].body
        assert server.unload("second").status == 200
        wait_for(lambda: list_descendants(server.process.pid) == before, "the processes of the models to end")
        server.terminate()
        assert server.wait() == 0
