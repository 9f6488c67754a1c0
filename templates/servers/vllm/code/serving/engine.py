"""How to start vLLM. Options: https://docs.vllm.ai/en/stable/cli/serve/"""

from __future__ import annotations

from collections.abc import Mapping

from serving.options import Options, command_line

CLASSIFY = "/classify"  # its classification route
VARIABLES = "SM_VLLM_"  # prefix of environment variables for options, as in AWS's image
SESSIONS = True  # its own /invocations reads X-Amzn-SageMaker-Session-Id
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # allowed values of --max-lora-rank


def command(options: Options, port: str) -> list[str]:
    """Return the command that starts vLLM."""
    rest = {name: value for name, value in options.items() if name != "model"}
    own = {"middleware": "serving.adapter.Adapter", "host": "0.0.0.0", "port": port}
    return ["vllm", "serve", str(options["model"]), *command_line(rest), *command_line(own)]


def adapters(folders: Mapping[str, str], rank: int) -> Options:
    """Return the options that load LoRA adapters, given their folders by name and their highest rank."""
    max_rank = next((each for each in RANKS if each >= rank), rank)
    modules = [f"{name}={folder}" for name, folder in folders.items()]
    return {"enable-lora": True, "lora-modules": modules, "max-lora-rank": max_rank, "max-loras": min(4, len(modules))}


def model_of_adapter(name: str) -> str:
    """Return the `model` of a request for a LoRA adapter."""
    return name
