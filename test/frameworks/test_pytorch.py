"""Tests specific to PyTorch."""

import importlib.util
import json
import re
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from conftest import replace_model
from numpy.typing import NDArray
from project import TEMPLATES, Server
from test_every import LOADED, RECORD, double, load_each, rename, truncate
from torch import nn

from serving.errors import BadRequest, StartError

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")

TOLERANCE = 1e-6  # the order of float32 sums depends on the number of threads and records
FORMATS = ("pt", "pt2")
Tensor = torch.Tensor
VERSIONS = {  # format -> the file in the archive with the version, its content, and a future version
    ".pt": ("/version", b"3", b"99"),
    ".pt2": ("/models/model.json", b'"schema_version": {"major": 8', b'"schema_version": {"major": 99'),
}


def make_newer(model_dir: Path) -> None:
    path = next(model_dir.glob("model.*"))
    end, old, new = VERSIONS[path.suffix]
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(old, new) if name.endswith(end) else content)


def save_with_torch(content: Any, **options: bool) -> Any:
    """Replace the model with the output of torch.save."""

    def damage(model_dir: Path) -> None:
        torch.save(content, next(model_dir.glob("model.*")), **options)

    return damage


def write_lightgbm(model_dir: Path) -> None:
    next(model_dir.glob("model.*")).write_bytes(b"tree\nversion=v4\nnum_class=1\n")


CHECKPOINT = r"looks like a PyTorch checkpoint \(.*Load it where its class is.*torch\.jit\.script.*torch\.export"

BROKEN = {
    "truncated": (truncate("model.*"), r"could not be loaded: (RuntimeError|BadZipFile): .*truncated or damaged"),
    "of another framework": (write_lightgbm, r"looks like a LightGBM model \(model.txt\)"),
    "two candidates": (double, r"has several model files"),
    "another name": (rename, r"There is no model\.pt.* in .*, only model\.bin"),
    "newer": (make_newer, r"with version 99, but the maximum|version SchemaVersion\(major=99.* does not match"),
    "weights": (save_with_torch(nn.Linear(8, 1).state_dict()), CHECKPOINT),
    "old weights": (
        save_with_torch(nn.Linear(8, 1).state_dict(), _use_new_zipfile_serialization=False),
        CHECKPOINT,
    ),
    "a module": (save_with_torch(nn.Linear(8, 1)), CHECKPOINT),
    "an old module": (save_with_torch(nn.Linear(8, 1), _use_new_zipfile_serialization=False), CHECKPOINT),
}


def expect(model_dir: Path, rows: NDArray[np.float64]) -> NDArray[np.float32]:
    path = next(model_dir.glob("model.*"))
    model = torch.jit.load(path) if path.suffix == ".pt" else torch.export.load(path).module()
    return model(torch.tensor(rows, dtype=torch.float32)).detach().numpy()


class Flats(nn.Module):
    """A model with two named inputs and two named outputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.cities = nn.Embedding(10, 4)
        self.last = nn.Linear(12, 1)

    def forward(self, sizes: Tensor, city: Tensor) -> dict[str, Tensor]:
        place = self.cities(city)
        return {"price": self.last(torch.cat([sizes, place], 1)).squeeze(1), "place": place}


class OneAtATime(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(1, 8).cumsum(1)


class SmallFloats(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x * 2, y + 1


class Rows(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - torch.ones(8)).sum(1)


class Listed(nn.Module):
    def forward(self, x: list[Tensor]) -> Tensor:
        return x[0]


def save(model: nn.Module, model_dir: Path, ending: str, shapes: dict[str, Any], **example: Tensor) -> None:
    """Write model.pt with an inputs.json, or model.pt2. `shapes` are those for torch.export; None: fixed.

    The example is passed by keyword, in any order.
    """
    if ending == "pt2":
        program = torch.export.export(model.eval(), (), example, dynamic_shapes=shapes)
        torch.export.save(program, model_dir / "model.pt2")
        return
    inputs = {
        name: {
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": [None if axis in (shapes[name] or ()) else length for axis, length in enumerate(tensor.shape)],
        }
        for name, tensor in example.items()
    }
    torch.jit.save(torch.jit.script(model), model_dir / "model.pt", _extra_files={"inputs.json": json.dumps(inputs)})


def import_handler(ending: str) -> ModuleType:
    """Import the handler of a format."""
    name = "model_handler.pt2.py" if ending == "pt2" else "model_handler.py"
    spec = importlib.util.spec_from_file_location(f"handler_{ending}", TEMPLATES / "frameworks/pytorch/code" / name)
    assert spec and spec.loader
    handler = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(handler)
    return handler


def answer(handler: ModuleType, model: Any, records: Any) -> Any:
    """Return the predictions for records as parsed from JSON."""
    outputs = handler.encode(model, handler.predict(model, handler.decode(model, records)))
    return outputs.tolist() if isinstance(outputs, np.ndarray) else outputs


def test_a_module_is_served_after_exporting_it_as_advised(
    one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = "pt2" if one.name.startswith("pytorch-pt2") else "pt"
    model = Rows()
    torch.save(nn.Linear(8, 1), tmp_path / f"model.{ending}")
    [message] = load_each(one, LOADED, tmp_path)
    patterns = {"pt": r"torch\.jit\.script.*?'model\.pt'\)", "pt2": r"torch\.export\.save.*'model\.pt2'\)"}
    advice = re.search(patterns[ending], message)
    assert advice, message
    monkeypatch.chdir(tmp_path)
    exec(advice[0], {"torch": torch, "model": model, "example": torch.zeros(2, 8)})
    handler = import_handler(ending)
    assert answer(handler, handler.load(tmp_path), [RECORD] * 3) == [28] * 3


def test_inputs_and_outputs_are_matched_by_name(one: Path, tmp_path: Path) -> None:
    ending = "pt2" if one.name.startswith("pytorch-pt2") else "pt"
    some = {0: torch.export.Dim("n")}
    example = {"city": torch.zeros(2, dtype=torch.int64), "sizes": torch.zeros(2, 8)}
    expected = Flats()(torch.tensor([RECORD, RECORD]), torch.tensor([3, 9]))
    with replace_model(one, tmp_path) as (model_dir, start):
        save(Flats(), model_dir, ending, {"sizes": some, "city": some}, **example)
        server = start()
        for inputs in (
            {"sizes": [RECORD, RECORD], "city": [3, 9]},
            [{"sizes": RECORD, "city": 3}, {"sizes": RECORD, "city": 9}],
        ):
            reply = server.invoke({"inputs": inputs})
            assert reply.status == 200, reply.body
            found = reply.json()["predictions"]
            assert [list(each) for each in found] == [["price", "place"]] * 2
            for name, values in expected.items():
                np.testing.assert_allclose([each[name] for each in found], values.detach(), rtol=TOLERANCE)
        for inputs, message in (
            ({"sizes": [RECORD]}, "Expected the inputs "),
            ({"sizes": [RECORD], "town": [3]}, "Expected the inputs "),
            ([RECORD], "This model has 2 inputs"),
            ({"sizes": [RECORD], "city": [1.5]}, "(int64) per record"),
            ({"sizes": [RECORD[:7]], "city": [1]}, "8 numbers (float32) per record, got 7"),
        ):
            reply = server.invoke({"inputs": inputs})
            assert reply.status == 400, reply.body
            assert message in reply.json()["error"]


def test_batched_requests_get_the_same_predictions_as_alone(one: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(one, tmp_path / "project")
    rows = np.random.default_rng(0).uniform(0, 10, size=(200, 8)).round(2)
    with Server(folder, "fastapi") as server:
        server.wait_until_ready()
        with ThreadPoolExecutor(16) as clients:
            replies = list(clients.map(lambda row: server.invoke({"instances": [row.tolist()]}), rows))
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert max(line.get("batch_requests", 0) for line in lines) > 1
    assert {reply.status for reply in replies} == {200}
    alone = [expect(folder / "model", row[np.newaxis])[0] for row in rows]
    np.testing.assert_allclose([reply.json()["predictions"][0] for reply in replies], alone, rtol=TOLERANCE)
    assert not [line for line in lines if line["level"] != "INFO" and "No GPU" not in line["message"]]


@pytest.mark.parametrize("ending", FORMATS)
def test_a_model_with_a_fixed_batch_size_runs_as_often_as_needed(ending: str, tmp_path: Path) -> None:
    save(OneAtATime(), tmp_path, ending, {"x": None}, x=torch.zeros(1, 8))
    handler = import_handler(ending)
    found = answer(handler, handler.load(tmp_path), [RECORD, RECORD, RECORD[::-1]])
    assert found == np.cumsum([RECORD, RECORD, RECORD[::-1]], axis=1).tolist()


@pytest.mark.parametrize("ending", FORMATS)
def test_floats_that_numpy_lacks_are_converted(ending: str, tmp_path: Path) -> None:
    some = {0: torch.export.Dim.AUTO}
    example = {"x": torch.zeros(2, 2, dtype=torch.bfloat16), "y": torch.zeros(2, dtype=torch.float16)}
    save(SmallFloats(), tmp_path, ending, {"x": some, "y": some}, **example)
    handler = import_handler(ending)
    model = handler.load(tmp_path)
    first, second = answer(handler, model, {"x": [[1, 2.5], [3, 4]], "y": [0.5, 7]})
    assert {name: value.tolist() for name, value in first.items()} == {"output_0": [2, 5], "output_1": 1.5}
    assert second["output_0"].dtype == np.float32
    with pytest.raises(BadRequest, match=r"missing or infinite value. Expected .* \(float16\)"):
        answer(handler, model, {"x": [[1, 2]], "y": [1e6]})


def test_lengths_outside_the_exported_range_are_a_client_error(tmp_path: Path) -> None:
    up_to_four = {"x": {0: torch.export.Dim("n", max=4)}}
    save(Rows(), tmp_path, "pt2", up_to_four, x=torch.zeros(2, 8))
    handler = import_handler("pt2")
    model = handler.load(tmp_path)
    assert answer(handler, model, [RECORD] * 4) == [28] * 4
    with pytest.raises(BadRequest, match=r"does not accept inputs of shape \(5, 8\) \(float32\)"):
        answer(handler, model, [RECORD] * 5)


def test_a_shape_that_torchscript_without_inputs_json_rejects_is_a_client_error(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(Rows()), tmp_path / "model.pt")
    handler = import_handler("pt")
    model = handler.load(tmp_path)
    assert answer(handler, model, [RECORD, RECORD]) == [28, 28]
    with pytest.raises(BadRequest, match=r"does not accept inputs of shape \(2, 7\) \(float32\)"):
        answer(handler, model, [RECORD[:7], RECORD[:7]])


class Lookup(torch.nn.Module):
    """An embedding, which takes integers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(5, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.table(ids).sum(dim=(1, 2))


def test_an_inputs_json_next_to_the_model_is_used(tmp_path: Path) -> None:
    lookup = Lookup()
    torch.jit.save(torch.jit.script(lookup), tmp_path / "model.pt")
    handler = import_handler("pt")
    with pytest.raises(BadRequest, match=r"Without an inputs\.json next to the model, all inputs are passed as"):
        answer(handler, handler.load(tmp_path), [[1, 4]])
    (tmp_path / "inputs.json").write_text('{"ids": {"dtype": "int64", "shape": [null, 2]}}')
    assert answer(handler, handler.load(tmp_path), [[1, 4]]) == lookup(torch.tensor([[1, 4]])).tolist()


def test_a_bug_in_torchscript_with_inputs_json_is_not_a_client_error(tmp_path: Path) -> None:
    save(Rows(), tmp_path, "pt", {"x": (0, 1)}, x=torch.zeros(2, 8))
    handler = import_handler("pt")
    with pytest.raises(RuntimeError, match="must match the size"):
        answer(handler, handler.load(tmp_path), [RECORD[:7]])


@pytest.mark.parametrize(("model", "files"), [(Rows(), {"inputs.json": '{"y": {"dtype": "float32"}}'}), (Listed(), {})])
def test_torchscript_with_unsupported_arguments_is_not_served(
    model: nn.Module, files: dict[str, str], tmp_path: Path
) -> None:
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt", _extra_files=files)
    with pytest.raises(StartError, match=r"forward\(\) takes x: .*inputs\.json"):
        import_handler("pt").load(tmp_path)
