"""How to start SGLang. Options: https://docs.sglang.ai/advanced_features/server_arguments.html"""

from __future__ import annotations

from collections.abc import Mapping

from serving.options import Options, command_line

CLASSIFY = "/v1/classify"  # its classification route
SESSIONS = False  # its own /invocations does not read the session header
VARIABLES = "SM_SGLANG_"  # prefix of environment variables for options, as in AWS's image


def command(options: Options, port: str) -> list[str]:
    """Return the command that starts SGLang."""
    rest = {name: value for name, value in options.items() if name not in ("model", "model-path")}
    own = {"model-path": options.get("model-path", options["model"]), "host": "0.0.0.0", "port": port}
    return ["python3", "-m", "serving.server", *command_line(rest), *command_line(own)]


def adapters(folders: Mapping[str, str], rank: int) -> Options:
    """Return the options that load LoRA adapters, given their folders by name and their highest rank."""
    paths = [f"{name}={folder}" for name, folder in folders.items()]
    return {"enable-lora": True, "lora-paths": paths, "max-lora-rank": rank}


def model_of_adapter(name: str) -> str:
    """Return the `model` of a request for a LoRA adapter: BASE:ADAPTER. SGLang ignores BASE.

    Without the colon it would use the base model, whatever the name.
    """
    return f"base:{name}"
