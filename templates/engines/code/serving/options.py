"""The engine's command-line options: those in options.json, overridden by environment variables.

    OPTION_MAX_MODEL_LEN=8192          --max-model-len=8192; also as SM_VLLM_… or SM_SGLANG_…, the engine's own prefix
    OPTION_ENABLE_LORA=true            --enable-lora; an empty value does the same
    OPTION_LOAD_FORMAT=false           omits the option, even if options.json has it
    OPTION_LORA_MODULES=["a=/x", "b=/y"]   --lora-modules a=/x b=/y: a JSON list becomes several arguments

Any other value is one argument, even with spaces or quotes, or if it is a JSON object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from serving.errors import StartError

Options = dict[str, Any]  # by option name, such as max-model-len; JSON values
GENERIC = "OPTION_"
FIXED = ("host", "port")  # set by SageMaker
SECRET_NAME = re.compile(r"(?:^|[-_])(?:keys?|token|secrets?|passwords?|authorization)$", re.IGNORECASE)


def read(file: Path, environ: Mapping[str, str], own: str) -> Options:
    """Read options from a file. Variables with the prefix OPTION_ override them; those with `own` take precedence.

    Raises StartError if the file is not a JSON object.
    """
    try:
        options = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise StartError(f"{file.name} cannot be read: {error}") from None
    if not isinstance(options, dict):
        raise StartError(f"{file.name} must be a JSON object of the engine's options.")
    for prefix in (GENERIC, own):
        for name, value in sorted(environ.items()):
            if name.startswith(prefix) and name != prefix:
                options[name.removeprefix(prefix).lower().replace("_", "-")] = parse_value(value)
    return {name: value for name, value in options.items() if value is not False and name not in FIXED}


def read_max_body(environ: Mapping[str, str]) -> int:
    """Return the maximum size of a request body in bytes: SM_MAX_BODY_MB, or SageMaker's 25 MB. Raises StartError."""
    text = environ.get("SM_MAX_BODY_MB") or "25"
    if not re.fullmatch(r"[1-9]\d{0,2}|1000", text, re.ASCII):
        raise StartError(f"SM_MAX_BODY_MB is {text[:40]!r}: set it to a whole number from 1 to 1000, or unset it.")
    return int(text) * 2**20


def parse_value(text: str) -> Any:
    """Parse a variable: true or empty passes it as a flag, false omits the option; otherwise a list or a string."""
    if text.lower() in ("", "true"):
        return True
    if text.lower() == "false":
        return False
    if text.startswith("["):
        try:
            words = json.loads(text)
        except ValueError:
            return text
        return words if all(isinstance(word, (str, int, float)) for word in words) else text
    return text


def command_line(options: Options) -> list[str]:
    """Return the options as arguments, as --name=value, because a value can begin with a hyphen."""
    words: list[str] = []
    for name, value in options.items():
        if value is True or value is None:
            words.append(f"--{name}")
        elif isinstance(value, list):
            words += [f"--{name}", *(to_word(each) for each in value)]
        else:
            words.append(f"--{name}={to_word(value)}")
    return words


def to_word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def hide_secrets(command: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """Mask the command for the log: values with secret names, also inside JSON, and the Hugging Face token."""
    hidden: list[str] = []
    after = False  # whether the previous argument has a secret name, so that this one can be its value
    for word in command:
        name, equals, value = word.partition("=")
        secret = name.startswith("--") and bool(SECRET_NAME.search(name))
        if secret and equals:
            word = f"{name}=***"
        elif after and not word.startswith("--"):
            word = "***"
        elif equals:
            word = f"{name}={mask_json(value)}"
        after = (secret and not equals) or (after and word == "***")
        for token in (environ.get("HF_TOKEN"), environ.get("HUGGING_FACE_HUB_TOKEN")):
            word = word.replace(token, "***") if token else word
        hidden.append(word)
    return hidden


def mask_json(text: str) -> str:
    """Mask values with secret names in a JSON object; return any other text unchanged."""
    if not text.startswith("{"):
        return text
    try:
        return json.dumps(mask_values(json.loads(text)))
    except ValueError:
        return text


def mask_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "***" if SECRET_NAME.search(key) else mask_values(each) for key, each in value.items()}
    return [mask_values(each) for each in value] if isinstance(value, list) else value
