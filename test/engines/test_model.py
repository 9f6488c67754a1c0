"""The model that the engine serves, from SageMaker's folder or from the Hub, and its number of GPUs."""

import http.server
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from serving import model, token
from serving.errors import StartError

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:huggingface-AbCdEf"
HUB = {"model": "org/name", "load-format": "safetensors"}


def write(folder: Path, config: Any = None, *files: str) -> Path:
    (folder / "config.json").write_text(json.dumps(config or {"num_attention_heads": 32}))
    for file in files or ("model.safetensors",):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return folder


def choose(options: dict[str, Any], folder: Path, **environ: str) -> tuple[dict[str, Any], dict[str, str]]:
    variables = {"SM_MODEL_DIR": str(folder), "CUDA_VISIBLE_DEVICES": "0", **environ}
    return model.choose(options, variables), variables


def test_a_model_downloaded_by_sagemaker_takes_precedence_over_the_hub(tmp_path: Path) -> None:
    found, environ = choose({**HUB, "revision": "abc"}, write(tmp_path), MODEL_REVISION="def")
    assert found == {"model": str(tmp_path), "load-format": "safetensors"}
    assert environ["HF_HUB_OFFLINE"] == "1"


def test_without_a_downloaded_model_the_hub_is_used_at_the_given_revision(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        found, environ = choose(HUB, folder, MODEL_REVISION="a" * 40)
        assert found == {**HUB, "revision": "a" * 40}
        assert "HF_HUB_OFFLINE" not in environ
    assert choose({**HUB, "revision": "b"}, tmp_path, MODEL_REVISION="a")[0]["revision"] == "b"


def test_a_missing_or_incomplete_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no model"):
        choose({"load-format": "safetensors"}, tmp_path)
    (tmp_path / "notes.txt").write_text("a")
    with pytest.raises(StartError, match=r"no config\.json"):
        choose(HUB, tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(StartError, match=r"config\.json cannot be read"):
        choose(HUB, tmp_path)


def test_pickles_are_loaded_only_if_the_options_allow_them(tmp_path: Path) -> None:
    write(tmp_path, None, "pytorch_model.bin")
    with pytest.raises(StartError, match=r"pickles.*OPTION_LOAD_FORMAT=auto"):
        choose(HUB, tmp_path)
    assert choose({"load-format": "auto"}, tmp_path)[0]["model"] == str(tmp_path)


@pytest.mark.parametrize(
    ("heads", "shared", "wanted", "devices", "parallel"),
    [
        (32, 8, 4, "0,1,2,3", 4),
        (14, 2, 4, "0,1,2,3", 2),
        (32, 8, 4, "0", 1),
        (32, 8, 2, "0,1,2,3", 2),
        (12, None, 8, "", 4),
        (7, 7, 4, "", 1),
        (40, 10, 4, "0,1,2,3", 2),  # microsoft/phi-4
        (28, 4, 8, "", 4),  # Qwen/Qwen2.5-7B
        (24, 3, 3, "0,1,2,3", 3),
        (32, 4, 8, "", 8),
        (32, 8, "auto", "0,1,2,3", 4),
        (32, 8, "auto", "", 1),
        (None, None, 4, "0,1,2", 2),
    ],
)
def test_the_gpus_share_the_attention_heads_evenly(
    tmp_path: Path, heads: int | None, shared: int | None, wanted: int | str, devices: str, parallel: int
) -> None:
    config = {"num_attention_heads": heads, "num_key_value_heads": shared}
    for each in (config, {"text_config": config}, {"n_heads": heads, "n_kv_heads": shared}):
        options = {**HUB, model.PARALLEL: wanted}
        assert choose(options, write(tmp_path, each), CUDA_VISIBLE_DEVICES=devices)[0][model.PARALLEL] == parallel


def test_unused_gpus_are_reported() -> None:
    assert "2 of 4 GPUs. Set OPTION_TENSOR_PARALLEL_SIZE=auto" in model.idle_gpus({model.PARALLEL: "2"}, 4)
    assert model.idle_gpus({model.PARALLEL: 2, "data-parallel-size": 2}, 4) == ""
    assert model.idle_gpus({}, 1) == model.idle_gpus({}, 0) == ""


def test_adapters_in_the_models_folder_are_loaded_by_name(tmp_path: Path) -> None:
    write(tmp_path, None, "model.safetensors", "adapters/b/adapter_config.json", "adapters/a/adapter_config.json")
    (tmp_path / "adapters/a/adapter_config.json").write_text('{"r": 20}')
    found = choose(HUB, tmp_path)[0]
    assert found["lora-modules"] == [f"a={tmp_path}/adapters/a", f"b={tmp_path}/adapters/b"]
    assert (found["enable-lora"], found["max-lora-rank"], found["max-loras"]) == (True, 32, 2)
    (tmp_path / "adapters/a/adapter_config.json").write_text("[")
    with pytest.raises(StartError, match=r"adapter_config\.json"):
        choose(HUB, tmp_path)


def test_the_token_is_the_text_of_the_secret_or_its_only_value() -> None:
    assert token.parse_secret(" hf_a\n") == "hf_a"
    assert token.parse_secret('{"HF_TOKEN": "hf_b"}') == "hf_b"
    with pytest.raises(StartError, match="one value"):
        token.parse_secret('{"a": "1", "b": "2"}')


class Secrets(http.server.BaseHTTPRequestHandler):
    """GetSecretValue of Secrets Manager: a token for one ARN, access denied for any other."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = request["SecretId"] == ARN and self.headers["X-Amz-Target"] == "secretsmanager.GetSecretValue"
        body = {"SecretString": "hf_abc"} if good else {"__type": "AccessDeniedException", "Message": "not yours"}
        self.send_response(200 if good else 400)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


def test_the_token_is_read_from_secrets_manager_or_the_start_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Secrets) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environ = {"HF_TOKEN_SECRET": ARN, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
        token.fetch(environ)
        assert environ["HF_TOKEN"] == "hf_abc"
        with pytest.raises(StartError, match=r"other cannot be read. Check that the role.*not yours"):
            token.fetch({**environ, "HF_TOKEN_SECRET": f"{ARN}-other"})
        server.shutdown()
    nothing: dict[str, str] = {}
    token.fetch(nothing)
    assert nothing == {}
