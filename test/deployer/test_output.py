"""How commands read output of Docker, response streams and keys in the bucket."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Read, Realtime, make

from deployer import __main__, build_remotely, delete, image, invoke_stream, storage
from deployer.aws import Failure
from deployer.project import COMMANDS
from deployer.requests import codebuild

HASH = "0" * 64
CHAT = {"choices": [{"delta": {"content": "Hi"}}]}
CLASSIC = {"token": {"text": "Hi"}, "generated_text": None}


def parts(*events: Any) -> list[Any]:
    """A SageMaker response stream, split at arbitrary positions."""
    text = "".join(f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n" for each in events)
    return [{"PayloadPart": {"Bytes": text[at : at + 7].encode()}} for at in range(0, len(text), 7)]


@pytest.mark.parametrize("events", [[CHAT, "[DONE]"], [CLASSIC, {"token": None, "generated_text": "Hi"}]])
def test_the_text_of_a_stream_is_joined_from_its_events(events: list[Any]) -> None:
    assert "".join(invoke_stream.pieces(parts(*events))) == "Hi"


@pytest.mark.parametrize("events", [[], [CHAT], [CLASSIC]])
def test_a_stream_without_a_final_event_is_a_failure(events: list[Any]) -> None:
    with pytest.raises(Failure, match="ended before the model was done"):
        list(invoke_stream.pieces(parts(*events)))


def test_the_last_line_of_dockers_errors_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho first >&2\necho 'no such image' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(Failure, match="docker tag failed: no such image") as caught:
        image.docker("tag", "a", "b")
    assert "Start Docker" not in str(caught.value)
    with pytest.raises(Failure, match="Start Docker"):
        image.require_docker("linux/amd64")


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        (f"demo/{HASH}/model.tar.gz", True),
        (f"demo/batch/input/{HASH}/a.csv", True),
        (f"demo/data/{HASH}/sub/b.csv", True),
        ("demo/batch/output/demo-20260101000000-0000/a.csv.out", False),
        ("demo/capture/demo/AllTraffic/2026/01/01/00/x.jsonl", False),
        (f"other/{HASH}/model.tar.gz", False),
    ],
)
def test_uploads_are_recognized_by_the_hash_in_their_key(read: Read, key: str, ours: bool) -> None:
    assert bool(delete.uploaded_keys(read(Realtime)).fullmatch(key)) is ours


# --- help and advice -------------------------------------------------------------------------------------------------
def test_the_list_of_commands_names_the_program_that_was_called(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert __main__.list_commands("--help") == 0
    assert capsys.readouterr().out.startswith("Usage: deploy/deployer/run COMMAND\n")
    make(project, "deploy/deploy.py")
    monkeypatch.setattr("sys.argv", ["deploy/deploy.py"])
    assert __main__.list_commands("deplyo") == 2
    assert "Usage: deploy/deploy.py COMMAND\n" in capsys.readouterr().err


@pytest.mark.parametrize("training", [False, True])
def test_train_is_an_argument_only_in_projects_with_training(
    read: Read, monkeypatch: pytest.MonkeyPatch, training: bool
) -> None:
    if training:
        monkeypatch.setitem(COMMANDS, "fit", "fit")
    monkeypatch.setitem(COMMANDS, "submit_build", "build_remotely")
    text = __main__.help_of("submit_build")
    assert ("[train]" in text) is training
    assert ("or the training image" in text) is training
    if not training:
        parser = __main__.Parser()
        build_remotely.arguments(parser)
        with pytest.raises(Failure, match=r"no training container.*update --include-training"):
            build_remotely.run(read(codebuild.Settings), parser.parse_args(["train"]))


def test_a_missing_model_can_be_the_sample(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample is trained by a program that has its packages."""
    monkeypatch.setattr(storage, "PROJECT", project)
    make(project, "sample_model/train.py")
    with pytest.raises(Failure, match=r"\(.venv/bin/python sample_model/train.py\)"):
        storage.require_model(project / "model")
    make(project, "test/run_local.sh")
    with pytest.raises(Failure, match=r"\(test/run_local.sh\)"):
        storage.require_model(project / "model")
