"""serving/stages.py: the stages of a request in the log at SM_LOG_LEVEL=DEBUG."""

import json
from pathlib import Path
from typing import Any

from project import ManyServer, Server, assemble, wait_for

SLOW = """
import time

def load(model_dir):
    return None

def decode(model, records):
    time.sleep(0.02)
    return records

def predict(model, inputs):
    time.sleep(0.1)
    return inputs

def encode(model, outputs):
    time.sleep(0.04)
    return outputs
"""
SCRIPT = """
import time

def transform_fn(model, body, content_type, accept):
    time.sleep(0.1)
    return "[]", accept
"""
STAGES = ["read", "wait", "decode", "join", "predict", "encode", "write"]


def find_lines(server: Server, message: str, count: int) -> list[Any]:
    """Wait until the log has `count` lines with this message, and return them."""

    def find() -> list[Any] | None:
        lines = [json.loads(line) for line in server.log().splitlines() if f'"message":"{message}"' in line]
        return lines if len(lines) >= count else None

    found: list[Any] = wait_for(find, f"{count} lines of {message}")
    return found


def check(server: Server) -> None:
    """Check the stages of two requests, the last of which was answered alone."""
    stages, request = find_lines(server, "stages", 2)[-1], find_lines(server, "invocation", 2)[-1]
    assert list(stages) == ["time", "level", "message", *([] if "model" not in stages else ["model"]), "id", *STAGES]
    assert (stages["level"], stages["id"]) == ("DEBUG", request["id"])
    assert stages["decode"] >= 20 and stages["predict"] >= 100 and stages["encode"] >= 40
    assert min(stages[stage] for stage in STAGES) >= 0
    assert sum(stages[stage] for stage in STAGES) >= request["ms"] - 0.1


def test_stages_of_each_request_are_logged(variant: str, sample: Path, tmp_path: Path) -> None:
    folder = assemble(tmp_path / "project", variant, sample)
    (folder / "code/model_handler.py").write_text(SLOW)
    with Server(folder, variant, SM_LOG_LEVEL="DEBUG", SM_WORKERS="1") as server:
        server.wait_until_ready()
        for _ in range(2):
            assert server.invoke([[1, 2]]).status == 200
        check(server)


def test_stages_are_logged_for_many_models(sample: Path, tmp_path: Path) -> None:
    folder = assemble(tmp_path / "project", "fastapi", sample, multi_model=True)
    (folder / "code/model_handler.py").write_text(SLOW)
    with ManyServer(folder, "fastapi", SM_LOG_LEVEL="DEBUG") as server:
        server.wait_until_ready()
        assert server.load_from(folder / "model", "a").status == 200
        for _ in range(2):
            assert server.ask("a", [[1, 2]]).status == 200
        check(server)


def test_a_script_has_one_stage(sample: Path, tmp_path: Path) -> None:
    folder = assemble(tmp_path / "project", "fastapi", sample)
    (folder / "code/inference.py").write_text(SCRIPT)
    with Server(folder, "fastapi", SM_LOG_LEVEL="DEBUG", SM_WORKERS="1") as server:
        server.wait_until_ready()
        assert server.invoke([[1, 2]]).status == 200
        (stages,) = find_lines(server, "stages", 1)
        assert stages["predict"] >= 100
        assert (stages["decode"], stages["join"], stages["encode"]) == (0, 0, 0)


def test_stages_are_not_recorded_at_other_levels(sample: Path, tmp_path: Path) -> None:
    with Server(assemble(tmp_path / "project", "fastapi", sample), "fastapi") as server:
        server.wait_until_ready()
        server.invoke([[1.0] * 8])
        assert "stages" not in server.log()
