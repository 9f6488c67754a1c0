"""The engine's command line, built from options.json and variables, and how it is logged."""

import json
from pathlib import Path
from typing import Any

import pytest

from serving import engine, options
from serving.errors import StartError

SHELL = """it's "quoted" $(touch x) `y` \\ *"""


def read(folder: Path, given: Any, **environ: str) -> options.Options:
    file = folder / "options.json"
    file.write_text(given if isinstance(given, str) else json.dumps(given))
    return options.read(file, environ, engine.VARIABLES)


def arguments(found: options.Options) -> list[str]:
    return options.command_line(found)


def test_variables_override_the_file_and_the_engines_prefix_overrides_the_generic_one(tmp_path: Path) -> None:
    given = {"max-model-len": "auto", "dtype": "half"}
    found = read(tmp_path, given, OPTION_MAX_MODEL_LEN="8192", OPTION_SEED="1", SM_VLLM_SEED="2", OTHER_OPTION_X="3")
    assert found == {"max-model-len": "8192", "dtype": "half", "seed": "2"}


@pytest.mark.parametrize("value", [SHELL, '{"a": [1, "b c"]}', "two words", "-1", "=", "ü", " ", "[not json", "[[1]]"])
def test_any_value_is_one_argument(tmp_path: Path, value: str) -> None:
    assert arguments(read(tmp_path, {}, OPTION_CHAT_TEMPLATE=value)) == [f"--chat-template={value}"]


def test_true_sets_a_switch_and_false_omits_an_option(tmp_path: Path) -> None:
    given = {"load-format": "safetensors", "enable-lora": True, "trust-remote-code": False, "kv": {"a": 1}, "n": 2}
    found = arguments(read(tmp_path, given, OPTION_LOAD_FORMAT="false", OPTION_A="true", OPTION_B="", OPTION_C="False"))
    assert found == ["--enable-lora", '--kv={"a": 1}', "--n=2", "--a", "--b"]


def test_a_list_is_several_arguments(tmp_path: Path) -> None:
    found = read(tmp_path, {"served-model-name": ["a", "b"]}, OPTION_LORA_MODULES='["x=/x y", "z=/z"]')
    assert arguments(found) == ["--served-model-name", "a", "b", "--lora-modules", "x=/x y", "z=/z"]


def test_host_and_port_cannot_be_overridden(tmp_path: Path) -> None:
    found = read(tmp_path, {"port": 1, "model": "org/name"}, OPTION_HOST="::", SM_VLLM_PORT="2")
    assert found == {"model": "org/name"}
    assert engine.command(found, "9000")[-2:] == ["--host=0.0.0.0", "--port=9000"]


@pytest.mark.parametrize("given", ["", "{", "[1]", "\x00"])
def test_a_file_that_is_not_a_json_object_is_an_error(tmp_path: Path, given: str) -> None:
    with pytest.raises(StartError, match=r"options\.json"):
        read(tmp_path, given)


@pytest.mark.parametrize("text", ["0", "1001", "2.5", "many"])
def test_an_invalid_limit_of_the_body_is_an_error(text: str) -> None:
    assert options.read_max_body({}) == 25 * 2**20
    with pytest.raises(StartError, match="SM_MAX_BODY_MB"):
        options.read_max_body({"SM_MAX_BODY_MB": text})


def test_secrets_are_masked_in_the_log() -> None:
    command = ["vllm", "--api-key=s3cret", "--hf-token", "s3cret", "--dtype=half", "--max-num-batched-tokens=5"]
    command += ['--config={"headers": {"Authorization": "s3cret", "x": 1}}', "--note=hf_abc", "--tokenizer=org/t"]
    hidden = " ".join(options.hide_secrets(command, {"HF_TOKEN": "hf_abc"}))
    assert "s3cret" not in hidden and "hf_abc" not in hidden
    assert "--dtype=half" in hidden and "--max-num-batched-tokens=5" in hidden and "--tokenizer=org/t" in hidden
    assert hidden.count("***") == 4
