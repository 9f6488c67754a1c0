"""Tests specific to ONNX."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import replace_model
from numpy.typing import NDArray
from onnx.numpy_helper import from_array
from onnx.parser import parse_model
from project import Server
from test_every import RECORD, double, put, rename, truncate

HEAD = '<ir_version: 10, opset_import: ["": 21, "ai.onnx.ml": 3]>'
LIGHTGBM = b"tree\nversion=v4\nnum_class=1\n"


def change(**versions: int) -> Any:
    """Change the ONNX versions of the model."""

    def damage(model_dir: Path) -> None:
        model = onnx.load(model_dir / "model.onnx")
        model.ir_version = versions.get("ir", model.ir_version)
        model.opset_import[0].version = versions.get("opset", model.opset_import[0].version)
        onnx.save(model, model_dir / "model.onnx")

    return damage


def replace(graph: str) -> Any:
    """Replace the sample with another model."""

    def damage(model_dir: Path) -> None:
        onnx.save(parse_model(HEAD + graph), model_dir / "model.onnx")

    return damage


BROKEN = {
    "truncated": (truncate("model.onnx"), r"could not be loaded: InvalidProtobuf: .*truncated or damaged"),
    "empty": (put("model.onnx", b""), r"could not be loaded: InvalidArgument: .*No graph was found"),
    "of another framework": (put("model.onnx", LIGHTGBM), r"looks like a LightGBM model \(model.txt\)"),
    "two candidates": (double, "has several model files"),
    "another name": (rename, "There is no model.onnx in .*, only model.bin"),
    "newer format": (change(ir=99), r"needs an onnxruntime newer than .* \(max supported IR version: \d+\)\. Set"),
    "newer operators": (change(opset=99), r"needs an onnxruntime newer than .* is till opset \d+\)\. Set"),
    "with an operator of its own": (replace("g (float[N] x) => (float[N] y) { y = Nothing(x) }"), "No Op .* Nothing"),
    "of sequences": (
        replace("g (seq(float[N]) x) => (float[M] y) { y = ConcatFromSequence <axis = 0> (x) }"),
        r"cannot create the input x \(seq\(tensor\(float\)\)\)",
    ),
}


def expect(model_dir: Path, rows: NDArray[np.float64]) -> NDArray[np.float32]:
    session = ort.InferenceSession(model_dir / "model.onnx")
    (prices,) = session.run(None, {"measurements": rows.astype(np.float32)})
    return np.asarray(prices)


def save(model_dir: Path, graph: str, external: bool = False, **weights: NDArray[Any]) -> None:
    """Save a model given the text of its graph and its weights."""
    model = parse_model(HEAD + graph)
    model.graph.initializer.extend(from_array(values, name) for name, values in weights.items())
    location = {"save_as_external_data": True, "location": "model.onnx.data", "size_threshold": 0} if external else {}
    onnx.save(model, model_dir / "model.onnx", **location)


def error_of(server: Server, body: object) -> str:
    """Return the error message for a bad request."""
    reply = server.invoke(body)
    assert reply.status == 400, reply.body
    return str(reply.json()["error"])


TWO_INPUTS = """g (float[N, 2] size, int64[N] rooms, string[N, 1] town) => (float[N, 2] price, string[N, 1] where) {
    count = Cast <to = 1> (rooms)
    axis = Constant <value_ints = [1]> ()
    column = Unsqueeze(count, axis)
    price = Mul(size, column)
    where = Identity(town)
}"""


def test_inputs_and_outputs_have_names(one: Path, tmp_path: Path) -> None:
    with replace_model(one, tmp_path) as (model_dir, serve):
        save(model_dir, TWO_INPUTS)
        server = serve()
        columns = {"size": [[1, 2], [3, 4]], "rooms": [2, 3], "town": ["Ulm", "Köln"]}
        rows = [{"size": [1, 2], "rooms": 2, "town": "Ulm"}, {"size": [3, 4], "rooms": 3, "town": "Köln"}]
        expected = [{"price": [2, 4], "where": ["Ulm"]}, {"price": [9, 12], "where": ["Köln"]}]
        for body in ({"inputs": columns}, {"instances": rows}, {"inputs": rows}):
            assert server.invoke(body).json() == {"predictions": expected}
        assert "3 inputs" in error_of(server, {"instances": [RECORD]})
        assert error_of(server, {"inputs": {**columns, "age": [1, 1]}}).startswith(
            "Expected the inputs size, rooms, town"
        )
        assert "one number (int64) per record" in error_of(server, {"inputs": {**columns, "rooms": [1.5, 2]}})
        assert "one string per record" in error_of(server, {"inputs": {**columns, "town": [1, 2]}})
        assert "2 numbers (float32) per record, got 1" in error_of(server, {"inputs": {**columns, "size": [[1], [2]]}})
        assert "different numbers of records" in error_of(server, {"inputs": {**columns, "rooms": [1]}})


@pytest.mark.parametrize("size", [1, 2])
def test_a_model_with_a_fixed_batch_size_accepts_any_multiple_of_it(size: int, one: Path, tmp_path: Path) -> None:
    with replace_model(one, tmp_path) as (model_dir, serve):
        save(model_dir, f"g (float[{size}, 2] x) => (float[{size}] y) {{ y = MatMul(x, w) }}", w=np.float32([1, 10]))
        server = serve()
        records = [[number, 1] for number in range(6)]
        assert server.invoke({"instances": records}).json() == {"predictions": [10, 11, 12, 13, 14, 15]}
        if size == 2:
            assert error_of(server, {"instances": records[:5]}) == "This model takes 2 records at a time, got 5."


def test_inputs_without_a_record_axis_are_passed_in_full_and_not_batched(one: Path, tmp_path: Path) -> None:
    """Like a recurrent model, which takes its state of shape (layers, batch, size) and returns the next one."""
    graph = "g (float[N, 2] x, float[2, M, 1] state) => (float[N] y, float[2, M, 1] next) {"
    with replace_model(one, tmp_path) as (model_dir, serve):
        save(model_dir, graph + "y = MatMul(x, w) next = Add(state, one) }", w=np.float32([1, 10]), one=np.float32([1]))
        server = serve()
        inputs = {"x": [[1, 2]], "state": [[[5]], [[6]]]}
        expected = {"predictions": {"y": [21], "next": [[[6]], [[7]]]}}
        bodies = [{"inputs": inputs}, {"instances": [inputs]}] * 8
        with ThreadPoolExecutor(16) as pool:
            replies = [reply.json() for reply in pool.map(server.invoke, bodies)]
        assert replies == [expected] * 16
        more = {"inputs": {**inputs, "x": [[1, 2], [3, 4]]}}
        assert server.invoke(more).json()["predictions"]["y"] == [21, 43]
        assert "of shape (2, any, 1), got shape (1, 1, 1)" in error_of(server, {"inputs": {**inputs, "state": [[[5]]]}})
        assert "The input x takes float32 of shape (any, 2), got something else" in error_of(
            server, {"inputs": {**inputs, "x": [["a", 2]]}}
        )
        assert 'send {"inputs": {"x": ..., "state": ...}}' in error_of(server, {"instances": [inputs, inputs]})


CLASSIFIER = """g (float[N, 2] x) => (int64[N] label, seq(map(int64, float)) probabilities) {
    label, scores = ai.onnx.ml.LinearClassifier <
        classlabels_ints = [3, 7], coefficients = [1.0, 0.0, 0.0, 1.0], intercepts = [0.0, 0.0],
        post_transform = "SOFTMAX"
    > (x)
    probabilities = ai.onnx.ml.ZipMap <classlabels_int64s = [3, 7]> (scores)
}"""


def test_a_converted_sklearn_classifier_has_labels_and_probabilities(one: Path, tmp_path: Path) -> None:
    with replace_model(one, tmp_path) as (model_dir, serve):
        save(model_dir, CLASSIFIER)
        first, second = serve().invoke({"instances": [[5, 5], [0, 9]]}).json()["predictions"]
    assert first["probabilities"] == {"3": 0.5, "7": 0.5}
    assert second["label"] == 7
    assert second["probabilities"]["7"] > 0.99


def test_external_data_is_loaded_from_the_models_folder(one: Path, tmp_path: Path) -> None:
    with replace_model(one, tmp_path) as (model_dir, serve):
        weights = np.arange(8, dtype=np.float32)
        save(model_dir, "g (float[N, 8] x) => (float[N] y) { y = MatMul(x, w) }", external=True, w=weights)
        assert sorted(path.name for path in model_dir.iterdir()) == ["model.onnx", "model.onnx.data"]
        assert serve().invoke({"instances": [RECORD]}).json() == {"predictions": [float(RECORD @ weights)]}


def test_values_that_the_model_rejects_are_a_client_error(one: Path, tmp_path: Path) -> None:
    with replace_model(one, tmp_path) as (model_dir, serve):
        save(model_dir, "g (int64[N] i) => (float[N] y) { y = Gather(table, i) }", table=np.float32([1, 2, 3]))
        server = serve()
        assert server.invoke({"instances": [0, 2]}).json() == {"predictions": [1, 3]}
        assert (
            error_of(server, {"instances": [0, 9]}) == "The model does not accept inputs with these values or shapes."
        )
        lines = [json.loads(line) for line in server.log().splitlines()]  # JSON only: none from onnxruntime
        assert any("idx=9 must be within the inclusive range [-3,2]" in line.get("exception", "") for line in lines)


def test_shapes_that_the_model_rejects_are_a_client_error(one: Path, tmp_path: Path) -> None:
    with replace_model(one, tmp_path) as (model_dir, serve):
        save(model_dir, "g (float[N, A] x) => (float[N, B] y) { y = MatMul(x, w) }", w=np.ones((3, 2), np.float32))
        server = serve()
        assert server.invoke({"instances": [[1, 2, 3]]}).json() == {"predictions": [[6, 6]]}
        assert (
            error_of(server, {"instances": [[1, 2]]}) == "The model does not accept inputs with these values or shapes."
        )


@pytest.mark.parametrize("environ", [{}, {"SM_WORKERS": "2", "SM_THREADS": "2"}, {"OMP_NUM_THREADS": "2"}])
def test_any_number_of_threads_works(environ: dict[str, str], one: Path) -> None:
    with Server(one, "fastapi", **environ) as server:
        assert server.wait_until_ready().invoke({"instances": [RECORD]}).status == 200
