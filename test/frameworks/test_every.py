"""What holds for every framework, format and server."""

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
EXPECTED = r"8 .* per record|is not a list of numbers|is not a number"


@pytest.fixture(scope="session")
def particular(request: pytest.FixtureRequest) -> Any:
    """The framework's own test module, which has

    expect(model_dir, rows): the library's own predictions, as an array; they are equal to TOLERANCE (relative; 0)
    values(predictions): the same of an answer, where its predictions are not plain
    TAKES: those of None, "nan" and "inf" that a record may hold
    BROKEN: names of what can be wrong with a model -> what does that to the model's folder, and what the log says
    """
    return importlib.import_module(f"test_{request.config.getoption('framework')}")


def read_requests(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "test").glob("sample_request.*")}


def test_the_sample_says_what_it_made(one: Path) -> None:
    said = train(one)
    assert "Wrote model/" in said
    assert said.endswith("Next: test/run_local.sh\n")
    assert sorted(read_requests(one)) == ["sample_request.csv", "sample_request.json"]


def test_the_sample_makes_the_same_again(first: Path) -> None:
    """Whatever the format: the data, the model and its quality are the same."""
    said, requests = train(first), read_requests(first)
    command = [sys.executable, first / "sample_model/train.py"]
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert (again.stdout, read_requests(first)) == (said, requests)


def test_the_answer_is_the_librarys_own(server: Server, folder: Path, particular: Any) -> None:
    rows = np.array(json.loads((folder / "test/sample_request.json").read_text())["instances"])
    expected = particular.expect(folder / "model", rows)
    for name, media_type in [("sample_request.json", "application/json"), ("sample_request.csv", "text/csv")]:
        reply = server.invoke((folder / "test" / name).read_bytes(), media_type)
        assert reply.status == 200, reply.body
        predictions = getattr(particular, "values", list)(reply.json()["predictions"])
        found = np.array(predictions, expected.dtype).reshape(expected.shape)
        np.testing.assert_allclose(found, expected, rtol=getattr(particular, "TOLERANCE", 0))


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
def test_a_wrong_request_is_told_what_was_expected(server: Server, records: object, message: str) -> None:
    reply = server.invoke({"instances": records})
    assert reply.status == 400, reply.body
    assert list(reply.json()) == ["error"]
    assert re.search(message, reply.json()["error"]), reply.json()


@pytest.mark.only_for(TABULAR)
@pytest.mark.parametrize("value", [None, "nan", "inf"])
def test_what_is_no_number_is_refused_where_the_model_does_not_take_it(
    value: str | None, server: Server, particular: Any
) -> None:
    reply = server.invoke({"instances": [[*RECORD[:7], value]]})
    if value in getattr(particular, "TAKES", ()):
        assert reply.status == 200, reply.body
    else:
        assert reply.status == 400, reply.body
        assert re.search("missing, infinite or|missing or infinite|infinite value", reply.json()["error"])


def test_a_broken_model_never_gives_a_good_ping(one: Path, particular: Any, tmp_path: Path) -> None:
    """The first damage with the whole server, of the others only what it loads a model with."""
    project = shutil.copytree(one, tmp_path / "project")
    damaged, expected = {}, {}
    for name, (damage, message) in particular.BROKEN.items():
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


def test_a_model_is_served_only_if_it_predicts_what_is_expected(first: Path, tmp_path: Path) -> None:
    """What the sample answers as expected.json; then with one of its numbers changed."""
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
def test_what_describe_model_writes_agrees(first: Path, tmp_path: Path) -> None:
    project = shutil.copytree(first, tmp_path / "project")
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([[float(number + at) for at in range(8)] for number in range(30)]))
    model = next((project / "model").glob("model.*"), project / "model")
    subprocess.run([sys.executable, project / "tools/describe_model.py", model, rows], cwd=tmp_path, check=True)
    assert len(json.loads((project / "model/expected.json").read_text())["predictions"]) == 20
    assert load_each(project, LOADED, project / "model") == ["It is loaded."]


def add(value: Any, number: int) -> Any:
    """The value with a number added to the first number in it."""
    if isinstance(value, list):
        return [add(value[0], number), *value[1:]]
    if isinstance(value, dict):
        return {name: add(each, number) if not isinstance(each, str) else each for name, each in value.items()}
    return value + number


def load_each(project: Path, then: str, *folders: Path) -> list[Any]:
    """What a process of the project says of each folder: the error of a model, or the value of `then`."""
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


# Damages that every framework knows.


def truncate(pattern: str) -> Any:
    """Cuts the file that the pattern finds in the model's folder in half."""

    def damage(model_dir: Path) -> None:
        path = next(model_dir.rglob(pattern))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return damage


def put(name: str, content: bytes, instead: str = "") -> Any:
    """Writes a file into the model's folder, beside or instead of what the pattern finds there."""

    def damage(model_dir: Path) -> None:
        for path in model_dir.rglob(instead) if instead else []:
            path.unlink()
        (model_dir / name).write_bytes(content)

    return damage


def double(model_dir: Path) -> None:
    """Leaves two files that could be the model."""
    path = next(model_dir.glob("model.*"))
    shutil.copy(path, path.with_stem("new"))
    path.rename(path.with_stem("old"))


def rename(model_dir: Path) -> None:
    """Leaves a file that does not have the name of a model."""
    path = next(model_dir.glob("model.*"))
    path.rename(path.with_suffix(".bin"))


@pytest.mark.only_for(TABULAR)  # each of the others has an instance of its own
def test_many_models_of_it_come_answer_and_go(first: Path, tmp_path: Path) -> None:
    """Two copies of the sample, each in a process of its own, which the other's end does not disturb."""
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
