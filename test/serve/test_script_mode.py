"""serving/script_mode.py and toolkit.py, compared with AWS's toolkit (PyPI: sagemaker-inference)."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from project import ManyServer, Server, assemble, forget_code
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.transformer import Transformer
from scipy import sparse

from serving import settings
from serving.errors import StartError
from serving.invocation import Invoker
from serving.models import Loader, Model, import_handler, load_model
from serving.request import Request, Response

JSON, CSV, NPY, NPZ = "application/json", "text/csv", "application/x-npy", "application/x-npz"
SETTINGS = settings.read({}, Path("/nonexistent"))

HANDLER = """
import numpy as np
def load(model_dir): return "the handler's"
def decode(model, records): return np.asarray(records).tolist()
def predict(model, inputs): return [sum(record) for record in inputs]
def encode(model, outputs): return {"sums": outputs}
"""
MODEL = """
class Model:
    def predict(self, data): return data.sum(axis=1)
def model_fn(model_dir): return Model()
"""
ECHO = """
def model_fn(model_dir): return 0
def predict_fn(data, model): return data
"""


@pytest.fixture
def code(code: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (code.parent / "model/weights.bin").touch()
    (code / "model_handler.py").write_text(HANDLER)
    monkeypatch.setenv("SM_MODEL_DIR", "")  # so that it is unset again after the test
    monkeypatch.delenv("SM_MODEL_DIR")
    return code


def write(code: Path, script: str, name: str = "inference.py") -> Path:
    (code / name).write_text(script)
    return code


def load(code: Path) -> Model:
    return load_model(import_handler(), code.parent / "model")


def ask(code: Path, body: bytes = b"[[1, 2]]", content_type: str | None = JSON, accept: str | None = None) -> Response:
    """The answer of this server."""
    request = Request(body, content_type, accept, inference_id="id-1", custom_attributes="a=b")
    Invoker(load(code), SETTINGS, lambda _: None).run([request])
    assert request.response
    return request.response


class Defaults(DefaultInferenceHandler):  # type: ignore[misc]
    """The toolkit with what AWS's framework containers add to it."""

    def default_predict_fn(self, data: Any, model: Any, context: Any = None) -> Any:
        return model.predict(data)


class ToolkitContext:
    """The parts of Multi Model Server's context that the toolkit uses."""

    def __init__(self, model_dir: Path, headers: dict[str, str]) -> None:
        self.system_properties = {"model_dir": str(model_dir)}
        self.request_processor = [SimpleNamespace(get_request_properties=lambda: headers)]
        self.status, self.media_type = 200, ""

    def set_response_content_type(self, _: int, value: str) -> None:
        self.media_type = value

    def set_response_status(self, code: int, phrase: str) -> None:
        self.status = code


def ask_toolkit(code: Path, body: bytes, content_type: str | None, accept: str | None) -> tuple[int, str, bytes]:
    """Status, content type and body of the toolkit's answer; the body as Multi Model Server sends it."""
    headers = {"Content-Type": content_type, "Accept": accept}
    context = ToolkitContext(code.parent / "model", {name: value for name, value in headers.items() if value})
    forget_code()
    (written,) = Transformer(Defaults()).transform([{"body": body}], context)
    if not isinstance(written, (bytes, bytearray)):
        written = (written if isinstance(written, str) else json.dumps(written, indent=2)).encode()
    return context.status, context.media_type, bytes(written)


def compare(code: Path, body: bytes = b"[[1, 2]]", content_type: str | None = JSON, accept: str | None = None) -> None:
    """Assert that both answers are the same."""
    expected = ask_toolkit(code, body, content_type, accept)
    forget_code()
    found = ask(code, body, content_type, accept)
    assert (found.status, found.media_type, found.body) == expected
    assert found.status == 200


def save(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def save_sparse(matrix: Any) -> bytes:
    stream = io.BytesIO()
    sparse.save_npz(stream, matrix)
    return stream.getvalue()


@pytest.mark.parametrize("accept", [None, "*/*", JSON, CSV, NPY, f"{CSV}, {JSON}", f"image/png,{NPY}"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"[[1, 2], [3, 4.5]]", JSON),
        (b"1.5,2\n3,4.5\n", CSV),
        (save(np.array([[1, 2], [3, 4]], dtype=np.float32)), NPY),
    ],
)
def test_defaults_answer_like_the_toolkit(body: bytes, content_type: str, accept: str | None, code: Path) -> None:
    compare(write(code, MODEL), body, content_type, accept)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"instances": [[1]]}', JSON),
        (b'["a", "b"]', JSON),
        (b"[[1, null], [NaN, Infinity]]", JSON),
        (b"3", JSON),
        (b"1,2,3", CSV),
        (b"1\n2\n3\n", CSV),
        (b"1,2.5,x\n4,5,y\n", CSV),
        ("é,1\nü,2\n".encode(), CSV),
        (save(np.arange(3)), NPY),
        (save_sparse(sparse.csr_matrix([[0, 1], [2, 0]])), NPZ),
    ],
)
def test_requests_are_decoded_like_in_the_toolkit(body: bytes, content_type: str, code: Path) -> None:
    shown = "def output_fn(data, accept): return repr((type(data).__name__, getattr(data, 'dtype', 0), str(data)))"
    compare(write(code, ECHO + shown), body, content_type)


@pytest.mark.parametrize(
    "prediction",
    [
        "[1, 2.5, float('nan')]",
        "{'score': __import__('numpy').float32(0.1)}",
        "'text'",
        "__import__('numpy').array([[1, 2], [3, 4]])",
        "__import__('numpy').array(['a', 'é'])",
    ],
)
@pytest.mark.parametrize("accept", [JSON, CSV, NPY])
def test_predictions_are_encoded_like_in_the_toolkit(prediction: str, accept: str, code: Path) -> None:
    write(code, f"def model_fn(model_dir): return 0\ndef predict_fn(data, model): return {prediction}")
    if accept == CSV and prediction[0] in "{'":
        expected = ask_toolkit(code, b"[]", JSON, accept)
        assert (expected[0], ask(code, b"[]", JSON, accept).status) == (500, 500)
    else:
        compare(code, b"[]", JSON, accept)


@pytest.mark.parametrize(
    "answer",
    [
        "b'\\x00\\xff'",
        "bytearray(b'ab')",
        "'é'",
        "('a', 'text/x-mine')",
        "(b'a', 'text/x-mine', 'more')",
        "({'a': [1]}, 'application/x-mine')",
        "{'a': [1, 'é']}",
        "[1]",
        "None",
    ],
)
@pytest.mark.parametrize("accept", [None, "image/png", f"{CSV};q=0.5, {JSON}"])
def test_an_answer_is_what_the_script_returns(answer: str, accept: str | None, code: Path) -> None:
    compare(write(code, ECHO + f"def output_fn(data, accept): return {answer}\n"), accept=accept)
    compare(
        write(code, f"def transform_fn(model, data, content_type, accept): return {answer}\n{MODEL}"), accept=accept
    )


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("[é]".encode(), JSON),
        (b"1,2", CSV),
        (b"1,2", f"{CSV}; charset=utf-8"),
        (b"\xff", "application/octet-stream"),
        (b"a", "Text/CSV"),
        (b"", JSON),
        (b"1", None),
    ],
)
@pytest.mark.parametrize("context", ["", ", context"])
def test_functions_get_the_same_arguments_as_in_the_toolkit(
    body: bytes, content_type: str | None, context: str, code: Path
) -> None:
    script = f"""
def model_fn(model_dir{context}): return model_dir
def input_fn(body, content_type{context}): return body, content_type
def predict_fn(data, model{context}): return data, model
def output_fn(prediction, accept{context}): return repr((prediction, accept))
"""
    compare(write(code, script), body, content_type)
    script = f"""
def model_fn(model_dir{context}): return model_dir
def transform_fn(model, body, content_type, accept{context}): return repr((model, body, content_type, accept))
"""
    compare(write(code, script), body, content_type, CSV)


def test_hooks_before_and_after_loading_are_called(code: Path) -> None:
    script = """
calls = []
def pre_model_fn(model_dir): calls.append(("pre", type(model_dir).__name__))
def model_fn(model_dir): return calls
def model_warmup_fn(model_dir, model): model.append("warm")
def predict_fn(data, model): return model
"""
    compare(write(code, script))


def test_the_script_can_read_the_model_folder_from_the_environment(code: Path) -> None:
    script = "import os\nHERE = os.environ['SM_MODEL_DIR']\ndef model_fn(model_dir): return HERE == model_dir\n"
    assert ask(write(code, script + "def predict_fn(data, model): return model\n")).body == b"true"


def test_the_environment_sets_the_default_answer_type(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", CSV)
    compare(write(code, MODEL))


def test_the_context_has_the_request_and_sets_status_and_headers(code: Path) -> None:
    script = """
from serving.request import current
def model_fn(model_dir, context): return context.system_properties["model_dir"] == model_dir
def transform_fn(model, body, content_type, accept, context):
    sent = context.request_processor[0].get_request_properties()
    context.set_response_status(201, "Created")
    context.set_response_header(0, "X-Mine", "1")
    context.set_response_content_type(0, "ignored/too")
    current().response_attributes = "c=d"
    ids = [context.get_request_id(), context.get_request_header(0, "x-amzn-sagemaker-inference-id")]
    return [model, sent["Content-Type"], context.get_all_request_header(0)["X-Amzn-SageMaker-Custom-Attributes"], *ids]
"""
    found = ask(write(code, script))
    assert (found.status, found.media_type) == (201, JSON)
    assert dict(found.headers) == {"X-Mine": "1", "X-Amzn-SageMaker-Custom-Attributes": "c=d"}
    assert json.loads(bytes(found.body)) == [True, JSON, "a=b", "id-1", "id-1"]


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("def output_fn(prediction, accept): return repr(prediction)", b"{'sums': [3, 7]}"),
        ("def predict_fn(data, model): return [model]", b'["the handler\'s"]'),
        ("def input_fn(body, content_type): return [[1, 1]]", b'{"sums": [2]}'),
        ("def model_fn(model_dir): return sum\ndef input_fn(body, content_type): return [4, 5]", b"9"),
    ],
)
def test_the_handler_replaces_missing_functions(script: str, answer: bytes, code: Path) -> None:
    assert ask(write(code, script), b"[[1, 2], [3, 4]]").body == answer


@pytest.mark.parametrize(("body", "sums"), [(b"1,2,3\n", b"[6]"), (b"1,2.5\n3,4.5\n", b"[3.5, 7.5]"), (b"2", b"[2]")])
def test_csv_of_any_shape_is_passed_to_the_handler_as_records(body: bytes, sums: bytes, code: Path) -> None:
    write(code, "def output_fn(prediction, accept): return str(prediction['sums'])")
    assert ask(code, body, CSV).body == sums


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status"),
    [
        (b"[1", JSON, None, 400),
        (b"[[1], [2, 3]]", JSON, None, 400),
        (b"\xff", JSON, None, 400),
        (b"1,2\n3\n", CSV, None, 400),
        (b"not npy", NPY, None, 400),
        (b"not npz", NPZ, None, 400),
        (save(np.array([{}], dtype=object)), NPY, None, 400),
        (b"a", "image/png", None, 415),
        (b"[[1, 2]]", JSON, "image/png", 406),
    ],
)
def test_client_errors_have_their_statuses(
    body: bytes, content_type: str, accept: str | None, status: int, code: Path
) -> None:
    """The toolkit answers all of them with 500, and reads the pickle."""
    found = ask(write(code, MODEL), body, content_type, accept)
    assert (found.status, list(json.loads(bytes(found.body)))) == (status, ["error"])


def test_media_types_are_matched_less_strictly_than_in_the_toolkit(code: Path) -> None:
    found = ask(write(code, MODEL), b"1,2\n3,4\n", "Text/CSV; charset=utf-8", f"{CSV};q=0.9, image/png")
    assert (found.status, found.media_type, found.body) == (200, CSV, b"3\n7\n")


@pytest.mark.parametrize("error", ["ValueError('secret')", "KeyError('secret')", "SystemExit('secret')"])
def test_an_error_of_the_script_is_500_and_reveals_nothing(
    error: str, code: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = ask(write(code, MODEL + f"def input_fn(body, content_type): raise {error}\n"))
    assert found.status == 500
    assert b"secret" not in bytes(found.body)
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("raised", "status", "message"),
    [
        ("errors.BaseInferenceToolkitError(422, 'Too long.', 'Unprocessable')", 422, "Too long."),
        ("errors.GenericInferenceToolkitError(400, 'Too short.')", 400, "Too short."),
        ("errors.UnsupportedFormatError('x')", 415, "The content type is not supported."),
        ("BadRequest('Too wide.')", 400, "Too wide."),
    ],
)
def test_errors_with_a_status_keep_it(raised: str, status: int, message: str, code: Path) -> None:
    imports = "from sagemaker_inference import errors\nfrom serving.errors import BadRequest\n"
    found = ask(write(code, f"{imports}{MODEL}def input_fn(body, content_type): raise {raised}\n"))
    assert (found.status, json.loads(bytes(found.body))) == (status, {"error": message})


def refusal(code: Path) -> str:
    with pytest.raises(StartError) as caught:
        load(code)
    return str(caught.value)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "def model_fn(model_dir:\n",
            r"inference\.py could not be imported: SyntaxError: .*line 1.*Fix the error; the traceback is in the log",
        ),
        (
            "import lightgbm\n" + MODEL,
            r"inference\.py could not be imported: ModuleNotFoundError.* Add lightgbm to requ",
        ),
        ("from sagemaker_containers.beta import framework\n" + MODEL, r"Add sagemaker-containers to requirements\.in"),
        ("import mine\n" + MODEL, r"Put mine\.py, .* next to code/model_handler\.py\. A pickle refers"),
        ("raise SystemExit(3)\n" + MODEL, r"inference\.py could not be imported: SystemExit: 3"),
        ("def model_fn(): pass", r"model_fn in inference\.py takes 0 arguments. It must take \(model_dir\) or"),
        ("def predict_fn(a, b, c, d): pass", r"takes 4 .*\(data, model\) or \(data, model, context\)\."),
        ("def input_fn(a, b): pass\ndef transform_fn(a, b, c, d): pass", r"has transform_fn and input_fn\. "),
        ("def model_fn(model_dir): raise OSError('gone')", r"The model in .* could not be loaded: OSError: gone"),
    ],
)
def test_a_broken_script_is_a_start_error(script: str, message: str, code: Path) -> None:
    with pytest.raises(StartError, match=message):
        load(write(code, script))


def test_two_scripts_are_an_error_unless_the_environment_names_one(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(write(code, MODEL), "def predict_fn(data, model): return 'other'\n", "other.py")
    assert "Several files have functions of SageMaker's script mode: inference.py and other.py." in refusal(code)
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "other.py")
    assert ask(code).body == b'"other"'


@pytest.mark.parametrize(
    "script", ["# predict_fn", "def main():\n    def predict_fn(data, model): pass\n", "predict_fn_old = None", "def ("]
)
def test_a_file_that_only_mentions_the_functions_is_not_a_script(script: str, code: Path) -> None:
    model = load(write(code, script))
    assert model.transform is None


def test_the_log_names_the_script_and_its_functions(code: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    ask(write(code, MODEL + "predict_fn = lambda data, model: 1\n", "mine.py"))
    assert "Script mode: requests are answered by model_fn, predict_fn in mine.py." in caplog.text


@pytest.mark.parametrize(
    ("script", "preloads"),
    [
        (MODEL, False),
        (MODEL + "PRELOAD = True\n", True),
        ("def predict_fn(data, model): return data\n", True),
        ("PRELOAD = False\ndef predict_fn(data, model): return data\n", False),
    ],
)
def test_the_script_loads_its_model_in_each_worker(script: str, preloads: bool, code: Path) -> None:
    """As in the toolkit, because it could start threads or use CUDA."""
    write(code, script)
    assert Loader(import_handler(), code.parent / "model").preloads == preloads


def test_the_script_is_imported_in_the_process_that_loads_its_model(code: Path) -> None:
    write(code, MODEL)
    handler = import_handler()
    assert "inference" not in sys.modules
    load_model(handler, code.parent / "model")
    assert "inference" in sys.modules


INPUTS: list[tuple[str, str]] = [
    ("bare arrays", ""),
    ("its own form", "import json\ndef input_fn(body, content_type): return np.array(json.loads(body)['instances'])\n"),
    ("text", "import io\ndef input_fn(body, content_type): return np.array(eval(body))\n"),
]


@pytest.mark.parametrize("source", [source for _, source in INPUTS], ids=[name for name, _ in INPUTS])
def test_the_model_is_checked_before_it_is_served(source: str, code: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    expected = code.parent / "model/expected.json"
    expected.write_text(json.dumps({"inputs": [[1, 2], [3, 4]], "predictions": [3, 7]}))
    load(write(code, f"import numpy as np\n{source}{MODEL}"))
    assert "2 of 2 predictions agree" in caplog.text
    forget_code()
    expected.write_text(json.dumps({"inputs": [[1, 2], [3, 4]], "predictions": [3, 8]}))
    assert "1 of 2 predictions differ" in refusal(code)


def test_an_answer_that_cannot_be_compared_is_an_error(code: Path) -> None:
    (code.parent / "model/expected.json").write_text(json.dumps({"inputs": [[1]], "predictions": [1]}))
    write(code, MODEL + "def output_fn(prediction, accept): return 'some text'\n")
    assert "The model fails on the inputs of expected.json: JSONDecodeError" in refusal(code)


SERVED = """
import os
def model_fn(model_dir): return os.listdir(model_dir)
def transform_fn(model, body, content_type, accept): return f"{type(body).__name__} {sorted(model)}", "text/x-mine"
"""


@pytest.mark.parametrize("variant", ["fastapi", "flask"])
@pytest.mark.parametrize("preload", ["", "PRELOAD = True\n"])
def test_a_script_is_served(variant: str, preload: str, project: Path) -> None:
    write(project / "code", preload + SERVED)
    with Server(project, variant, SM_WORKERS="2") as server:
        server.wait_until_ready()
        replies = [server.invoke(b"\xff", "application/octet-stream", Accept="a/b") for _ in range(4)]
        assert {(reply.status, reply.body) for reply in replies} == {(200, b"bytes ['model.json']")}
        assert replies[0].headers["Content-Type"] == "text/x-mine"
        assert "Script mode: requests are answered by model_fn, transform_fn in inference.py." in server.log()


@pytest.mark.parametrize("variant", ["fastapi"])
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("def model_fn(model_dir): raise OSError('gone')\n", "could not be loaded: OSError: gone"),
        ("import lightgbm\ndef model_fn(model_dir): pass\n", "inference.py could not be imported: ModuleNotFoundError"),
    ],
)
def test_a_script_that_cannot_load_its_model_stops_the_server(
    script: str, message: str, variant: str, project: Path
) -> None:
    write(project / "code", script)
    with Server(project, variant) as server:
        assert server.wait() == 1
    assert message in server.last_line()


@pytest.mark.parametrize("variant", ["fastapi", "flask"])
def test_many_models_are_served_by_one_script(variant: str, samples: dict[str, Path], tmp_path: Path) -> None:
    project = assemble(tmp_path / "project", variant, samples["json"], multi_model=True)
    write(project / "code", SERVED)
    with ManyServer(project, variant) as server:
        server.wait_until_ready()
        for name in ("one", "two"):
            folder = tmp_path / name / "model"
            folder.mkdir(parents=True)
            (folder / name).touch()
            assert server.load_from(folder, name).status == 200, server.log()
        for name in ("one", "two"):
            assert server.ask(name, [[1]]).body == f"str ['{name}']".encode()
        assert "in inference.py." in server.log()


def test_the_functions_are_called_once_per_request(code: Path) -> None:
    write(code, ECHO + "calls = []\ndef output_fn(data, accept): calls.append(1); return str(len(calls))\n")
    requests = [Request(b"[[1]]", JSON) for _ in range(3)]
    deliver: Callable[[list[Request]], None] = lambda _: None  # noqa: E731
    invoker = Invoker(load(code), SETTINGS, deliver)
    assert invoker.batcher.max_requests == 1
    invoker.run(requests)
    assert [request.response and request.response.body for request in requests] == [b"1", b"2", b"3"]
