"""GET /metrics with many models covers all their processes, including those that have ended."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import ManyServer, assemble, read_metrics, wait_for

HANDLER = """
import os, signal, time
from serving.metrics import Counter
RECORDS = Counter("records_total", "Records.")
def load(model_dir): return model_dir.parent.name
def predict(model, inputs):
    RECORDS.inc(len(inputs))
    start = time.process_time()
    while time.process_time() < start + 0.1: pass
    if model == "crashes": os.kill(os.getpid(), signal.SIGKILL)
    return inputs
"""


@pytest.fixture(scope="module")
def many(variant: str, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyServer]:
    folder = assemble(tmp_path_factory.mktemp(variant) / "project", variant, sample, multi_model=True)
    (folder / "code/model_handler.py").write_text(HANDLER)
    with ManyServer(folder, variant) as server:
        yield server.wait_until_ready()  # type: ignore[misc]


def load(server: ManyServer, name: str) -> None:
    folder = server.folder / "models" / name / "model"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    assert server.load_from(folder, name).status == 200


def test_the_metrics_of_all_models_add_up_and_outlive_their_processes(many: ManyServer) -> None:
    assert read_metrics(many)["serving_model_processes"] == 0
    for name in ("a", "b", "crashes"):
        load(many, name)
    before = time.time()
    for name in ("a", "a", "b"):
        assert many.ask(name, {"instances": [[1], [2]]}).status == 200
    assert many.ask("a", b"{").status == 400
    assert many.ask("gone", b"{}").status == 404
    found = read_metrics(many)
    counts = {name: found[f'serving_requests_total{{code="{name}"}}'] for name in ("200", "400", "404", "500")}
    assert counts == {"200": 3, "400": 1, "404": 1, "500": 0}
    assert found["records_total"] == found["serving_prediction_records_sum"] == 6
    assert found["serving_queue_seconds_count"] == 4
    assert found["serving_model_processes"] == 3
    assert before - 60 < found["serving_model_loaded_timestamp_seconds"] < before
    assert found["serving_cpu_seconds_total"] >= 0.3

    assert many.ask("crashes", [[1]]).status == 500
    wait_for(lambda: read_metrics(many)["serving_model_processes"] == 3, "another process")
    for name in ("a", "b"):
        assert many.unload(name).status == 200
    after = read_metrics(many)
    assert after["serving_model_processes"] == 1
    assert after['serving_requests_total{code="500"}'] == 1
    assert after["records_total"] == 7
    assert after["serving_cpu_seconds_total"] >= found["serving_cpu_seconds_total"] + 0.1
    assert after["serving_memory_bytes"] > 10 * 2**20
    for name, value in found.items():
        if name.endswith(("_count", "_sum")) or "_total" in name or "_bucket" in name:
            assert after[name] >= value, name


def test_the_metrics_page_is_not_listed_as_a_model(many: ManyServer) -> None:
    assert "metrics" not in json.dumps(many.list_models())
    assert many.request("GET", "/models/metrics").status == 404
