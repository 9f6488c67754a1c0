"""Many models behind one endpoint: code/serve with SAGEMAKER_MULTI_MODEL=true."""

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from project import ManyServer, Reply, Server, assemble, list_descendants, wait_for

# model.json defines how a model behaves.
HANDLER = """
import json, os, signal, time

def load(model_dir):
    model = json.loads((model_dir / "model.json").read_text())
    time.sleep(model.get("load_seconds", 0))
    spin = time.monotonic() + model.get("load_spinning", 0)
    while time.monotonic() < spin:
        pass
    model["ballast"] = [os.urandom(1024) for _ in range(1024 * model.get("mb", 0))]
    if model.get("broken"):
        raise ValueError("secret")
    return model

PROVES_BATCHING = False  # the prediction contains the number of records

def predict(model, inputs):
    if model.get("crashes"):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(model.get("seconds", 0))
    if model.get("pieces"):
        return iter([f"{model['answer']}{number} " for number in range(model["pieces"])])
    return [[model["answer"], os.getpid(), len(inputs)]] * len(inputs)
"""
MANY = int(os.environ.get("MANY", "1000"))


class ScriptedServer(ManyServer):
    """A server whose models behave as defined in their model.json."""

    def write(self, name: str, **model: Any) -> Path:
        """Write a model where SageMaker would put it and return its folder."""
        folder = self.folder / "models" / name / "model"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").write_text(json.dumps({"answer": name, **model}))
        return folder

    def load(self, name: str, **model: Any) -> Reply:
        return self.load_from(self.write(name, **model), name)

    def ask(self, name: str, body: object = ((1.0, 2.0),), **headers: str) -> Reply:
        return super().ask(name, body, **headers)

    def lines(self, model: str) -> list[dict[str, Any]]:
        """Return the log lines of a model."""
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("model") == model]


def good(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return reply.json()


@pytest.fixture(scope="module")
def many(variant: str, samples: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedServer]:
    """A server without models; each test loads its own."""
    folder = assemble(tmp_path_factory.mktemp(variant) / "project", variant, samples["json"], multi_model=True)
    (folder / "code/model_handler.py").write_text(HANDLER)
    with ScriptedServer(folder, variant) as running:
        yield running.wait_until_ready()


@pytest.fixture(autouse=True)
def unload_all(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unload the models that a test has left."""
    yield
    if "many" in request.fixturenames:
        server = request.getfixturevalue("many")
        for model in server.list_models()["models"]:
            server.unload(model["modelName"])


def test_models_are_loaded_listed_and_unloaded_with_the_responses_of_the_contract(many: ScriptedServer) -> None:
    assert many.list_models() == {"models": []}
    assert many.request("GET", "/models/one").status == 404
    url = str(many.write("one"))
    assert good(many.load("one")) == {"status": "Workers scaled"}
    again = many.load("one")
    assert (again.status, again.json()) == (409, {"message": "Model one is already registered."})
    assert good(many.request("GET", "/models/one")) == {"modelName": "one", "modelUrl": url}
    assert many.list_models() == {"models": [{"modelName": "one", "modelUrl": url}]}
    assert good(many.unload("one")) == {"status": 'Model "one" unregistered'}
    for gone in (many.unload("one"), many.ask("one"), many.request("GET", "/models/one")):
        assert (gone.status, gone.json()) == (404, {"message": "Model not found: one"})


def test_the_list_of_models_has_pages_if_requested(many: ScriptedServer) -> None:
    for name in ("a", "b", "c"):
        good(many.load(name))
    first = many.list_models("?limit=2")
    rest = many.list_models(f"?limit=2&next_page_token={first['nextPageToken']}")
    assert [model["modelName"] for model in first["models"] + rest["models"]] == ["a", "b", "c"]
    assert "nextPageToken" not in rest


@pytest.mark.parametrize(
    ("order", "status", "message"),
    [
        ({"model_name": "x", "url": "/nowhere/model"}, 404, "Model not found: x"),
        ({"model_name": "x"}, 400, "model_name"),
        ({"model_name": 3, "url": "/tmp"}, 400, "model_name"),
        ([], 400, "model_name"),
    ],
)
def test_an_invalid_request_to_load_a_model_is_rejected(
    order: object, status: int, message: str, many: ScriptedServer
) -> None:
    reply = many.request("POST", "/models", json.dumps(order).encode())
    assert reply.status == status
    assert message in reply.body.decode()


def test_a_model_that_fails_to_load_is_an_error_and_leaves_no_process(many: ScriptedServer) -> None:
    before = list_descendants(many.process.pid)
    reply = many.load("bad", broken=True)
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert many.list_models() == {"models": []}
    wait_for(lambda: list_descendants(many.process.pid) == before, "its process to end")
    assert any("secret" in line["message"] for line in many.lines("bad"))
    good(many.load("bad"))  # fixed


def test_each_model_predicts_in_its_own_process(many: ScriptedServer) -> None:
    good(many.load("first"))
    good(many.load("second"))
    replies = [good(many.ask(name))["predictions"][0] for name in ("first", "second", "first")]
    assert [answer for answer, *_ in replies] == ["first", "second", "first"]
    assert replies[0][1] == replies[2][1] != replies[1][1]


def test_an_invocation_has_all_features_of_a_single_model(many: ScriptedServer) -> None:
    good(many.load("full"))
    reply = many.ask("full", [[1]], X_Amzn_SageMaker_Inference_Id="id-7", Accept="text/csv")
    assert reply.headers["Content-Type"].startswith("text/csv")
    assert [line["status"] for line in many.lines("full") if line.get("id") == "id-7"] == [200]
    assert many.ask("full", {"nonsense": 1}).status == 400
    assert many.request("POST", "/models/full/invoke", b"x", Content_Type="text/html").status == 415
    assert many.request("POST", "/models/full/invoke", b"1" * (26 * 2**20)).status == 413
    assert many.request("POST", "/invocations", b"[]").status == 404
    assert many.request("PUT", "/models/full").status == 405


def test_a_large_request_is_answered(many: ScriptedServer) -> None:
    good(many.load("large"))
    rows = good(many.ask("large", [[0.5] * 50] * 50000))["predictions"]
    assert len(rows) == 50000


def test_the_log_names_a_model_by_its_target(many: ScriptedServer) -> None:
    order = json.dumps({"model_name": "4f2a", "url": str(many.write("4f2a"))}).encode()
    good(many.request("POST", "/models", order, X_Amzn_SageMaker_Target_Model="houses.tar.gz"))
    good(many.ask("4f2a"))
    assert "invocation" in [line["message"] for line in many.lines("houses.tar.gz")]


def test_requests_to_one_model_are_batched(many: ScriptedServer) -> None:
    good(many.load("batch", seconds=0.3))
    with ThreadPoolExecutor(8) as pool:
        sizes = [good(reply)["predictions"][0][2] for reply in pool.map(lambda _: many.ask("batch"), range(8))]
    assert max(sizes) > 1


def test_loading_a_model_blocks_neither_ping_nor_other_models(many: ScriptedServer) -> None:
    """One model sleeps while it loads, the other keeps a CPU busy."""
    slow = {"sleeps": "load_seconds", "works": "load_spinning"}
    good(many.load("quick"))
    with ThreadPoolExecutor(2) as pool:
        loading = {name: pool.submit(many.load, name, **{key: 3}) for name, key in slow.items()}
        waited = []
        while not all(future.done() for future in loading.values()):
            started = time.monotonic()
            assert many.request("GET", "/ping").status == 200
            good(many.ask("quick"))
            waited.append(time.monotonic() - started)
            for name, future in loading.items():
                status = many.ask(name).status
                assert status == 404 or (status == 200 and good(future.result(10)))  # its answer may be late
            time.sleep(0.05)
        for future in loading.values():
            good(future.result())
    assert len(waited) > 10
    assert max(waited) < 2


def test_a_stream_is_sent_in_pieces_and_ends(many: ScriptedServer) -> None:
    good(many.load("stream", pieces=50))
    assert many.ask("stream").body.decode().split() == [f"stream{number}" for number in range(50)]
    good(many.unload("stream"))


def test_accepted_requests_are_answered_before_a_model_is_unloaded(many: ScriptedServer) -> None:
    good(many.load("busy", seconds=1))
    with ThreadPoolExecutor(5) as pool:
        pending = [pool.submit(many.ask, "busy") for _ in range(4)]
        time.sleep(0.3)
        good(many.unload("busy"))
        replies = [future.result() for future in pending]
    assert [reply.status for reply in replies] == [200] * 4


def test_a_model_that_is_being_loaded_can_be_unloaded(many: ScriptedServer) -> None:
    before = list_descendants(many.process.pid)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(many.load, "doomed", load_seconds=25)
        wait_for(lambda: list_descendants(many.process.pid) != before, "the model to be loading")
        assert many.load("doomed").status == 409
        good(many.unload("doomed"))
        assert list_descendants(many.process.pid) == before
        assert loading.result().status == 404
    assert many.list_models() == {"models": []}


def test_a_process_that_dies_is_replaced_without_affecting_others(many: ScriptedServer) -> None:
    good(many.load("fragile"))
    good(many.load("firm"))
    _, process, _ = good(many.ask("fragile"))["predictions"][0]
    os.kill(process, signal.SIGKILL)
    good(many.ask("firm"))

    def answers() -> bool:
        reply = many.ask("fragile")
        assert reply.status in (200, 500, 503)
        return reply.status == 200 and reply.json()["predictions"][0][1] != process

    wait_for(answers, "another process")


def test_a_model_whose_process_dies_repeatedly_is_unloaded(many: ScriptedServer) -> None:
    good(many.load("mortal", crashes=True))
    wait_for(lambda: many.ask("mortal").status == 404, "the model to be unloaded")
    assert good(many.request("GET", "/ping")) == {}


def read_memory(pids: list[int]) -> float:
    """Return the memory of the processes in MB, counting shared pages once."""
    size = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            size += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return size / 1024


def test_unloading_frees_the_memory_before_it_responds(many: ScriptedServer) -> None:
    good(many.load("small"))
    before = read_memory(list_descendants(many.process.pid))
    good(many.load("big", mb=300))
    assert read_memory(list_descendants(many.process.pid)) > before + 300
    good(many.unload("big"))
    assert read_memory(list_descendants(many.process.pid)) < before + 20


def test_no_request_is_lost_while_models_come_and_go(many: ScriptedServer) -> None:
    """Two models get requests all the time; eight others are loaded, used and unloaded repeatedly."""
    for name in ("stays-1", "stays-2"):
        good(many.load(name))
    finished = threading.Event()

    def keep_invoking(name: str) -> list[int]:
        statuses = []
        while not finished.is_set():
            statuses.append(many.ask(name).status)
        return statuses

    def come_and_go(name: str) -> list[int]:
        statuses = []
        for _ in range(10):
            good(many.load(name))
            statuses += [many.ask(name).status for _ in range(5)]
            good(many.unload(name))
        return statuses

    with ThreadPoolExecutor(12) as pool:
        steady = [pool.submit(keep_invoking, f"stays-{number}") for number in (1, 2)]
        try:
            changing = list(pool.map(come_and_go, [f"goes-{number}" for number in range(8)]))
        finally:
            finished.set()
        statuses = [status for each in [*changing, *(future.result() for future in steady)] for status in each]
    assert len(statuses) > 400
    assert set(statuses) == {200}


@pytest.mark.soak
def test_loading_using_and_unloading_a_thousand_models_leaks_no_memory(many: ScriptedServer) -> None:
    names = [f"m{number}" for number in range(MANY)]
    good(many.load("warm"))
    good(many.unload("warm"))
    before = read_memory(list_descendants(many.process.pid))
    shuffle = random.Random(7)
    with ThreadPoolExecutor(8) as pool:
        assert {reply.status for reply in pool.map(many.load, names)} == {200}
        assert len(many.list_models()["models"]) == MANY
        asked = shuffle.choices(names, k=2 * MANY)
        for name, reply in zip(asked, pool.map(many.ask, asked), strict=True):
            assert good(reply)["predictions"][0][0] == name
        assert {reply.status for reply in pool.map(many.unload, shuffle.sample(names, MANY))} == {200}
    assert many.list_models() == {"models": []}
    assert read_memory(list_descendants(many.process.pid)) < before + 30


def test_sigterm_answers_accepted_requests_and_ends_all_processes(
    many: ScriptedServer, variant: str, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    os.symlink(many.folder, folder)
    with ScriptedServer(folder, variant) as server:
        server.wait_until_ready()
        good(server.load("slow", seconds=1))
        good(server.load("idle"))
        processes = list_descendants(server.process.pid)
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(server.ask, "slow")
            time.sleep(0.4)
            server.terminate()
            good(pending.result())
        assert server.wait() == 0
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes), "the processes to end")


def test_the_server_exits_if_the_spawner_dies(many: ScriptedServer, variant: str, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    os.symlink(many.folder, folder)
    with ScriptedServer(folder, variant) as server:
        server.wait_until_ready()
        good(server.load("any"))
        process = good(server.ask("any"))["predictions"][0][1]
        spawner = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(spawner, signal.SIGKILL)
        assert server.wait() == 1


def test_a_single_model_is_served_without_the_multi_model_variable(
    samples: dict[str, Path], variant: str, tmp_path: Path
) -> None:
    folder = assemble(tmp_path / "project", variant, samples["json"], multi_model=True)
    with Server(folder, variant) as server:
        server.wait_until_ready()
        assert server.invoke(json.loads((folder / "test/sample_request.json").read_text())).status == 200


def test_a_single_model_container_names_the_option_for_many_models(
    samples: dict[str, Path], variant: str, tmp_path: Path
) -> None:
    folder = assemble(tmp_path / "project", variant, samples["json"])
    with Server(folder, variant, SAGEMAKER_MULTI_MODEL="true") as server:
        assert server.wait() == 1
        assert "--multi-model" in server.last_line()
