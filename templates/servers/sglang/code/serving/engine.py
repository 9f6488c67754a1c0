"""SGLang: how it is started. https://docs.sglang.ai/advanced_features/server_arguments.html"""

from __future__ import annotations

from collections.abc import Mapping

from serving.options import Options, command_line

CLASSIFY = "/v1/classify"  # its route that answers labels
SESSIONS = False  # its own /invocations reads no header
VARIABLES = "SM_SGLANG_"  # begins the names of variables that are options, as in the image that AWS has of it


def command(options: Options, port: str) -> list[str]:
    """What starts it."""
    rest = {name: value for name, value in options.items() if name not in ("model", "model-path")}
    own = {"model-path": options.get("model-path", options["model"]), "host": "0.0.0.0", "port": port}
    return ["python3", "-m", "serving.server", *command_line(rest), *command_line(own)]


def adapters(folders: Mapping[str, str], rank: int) -> Options:
    """The options that load LoRA adapters: folders by name, and the highest rank among them."""
    paths = [f"{name}={folder}" for name, folder in folders.items()]
    return {"enable-lora": True, "lora-paths": paths, "max-lora-rank": rank}


def model_of_adapter(name: str) -> str:
    """The `model` of a request that a LoRA adapter answers: BASE:ADAPTER. SGLang does not look at BASE.

    Without the colon it answers with the base model, whatever the name.
    """
    return f"base:{name}"
