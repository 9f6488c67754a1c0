"""vLLM: how it is started. https://docs.vllm.ai/en/stable/cli/serve/"""

from __future__ import annotations

from collections.abc import Mapping

from serving.options import Options, command_line

CLASSIFY = "/classify"  # its route that answers labels
VARIABLES = "SM_VLLM_"  # begins the names of variables that are options, as in the image that AWS has of it
SESSIONS = True  # its own /invocations reads X-Amzn-SageMaker-Session-Id
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # that --max-lora-rank knows


def command(options: Options, port: str) -> list[str]:
    """What starts it."""
    rest = {name: value for name, value in options.items() if name != "model"}
    own = {"middleware": "serving.adapter.Adapter", "host": "0.0.0.0", "port": port}
    return ["vllm", "serve", str(options["model"]), *command_line(rest), *command_line(own)]


def adapters(folders: Mapping[str, str], rank: int) -> Options:
    """The options that load LoRA adapters: folders by name, and the highest rank among them."""
    most = next((each for each in RANKS if each >= rank), rank)
    modules = [f"{name}={folder}" for name, folder in folders.items()]
    return {"enable-lora": True, "lora-modules": modules, "max-lora-rank": most, "max-loras": min(4, len(modules))}


def model_of_adapter(name: str) -> str:
    """The `model` of a request that a LoRA adapter answers."""
    return name
