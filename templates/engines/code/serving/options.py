"""The options of the engine's command line: those of options.json, changed by variables of the container.

    OPTION_MAX_MODEL_LEN=8192          --max-model-len=8192; so does the engine's own form, SM_VLLM_… or SM_SGLANG_…
    OPTION_ENABLE_LORA=true            --enable-lora; the same with an empty value
    OPTION_LOAD_FORMAT=false           the option is left out, also where options.json has it
    OPTION_LORA_MODULES=["a=/x", "b=/y"]   --lora-modules a=/x b=/y: a JSON list is several words

A value is one word as it stands, whatever is in it: spaces, quotes, a JSON object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from serving.errors import StartError

Options = dict[str, Any]  # by the name of the option, such as max-model-len; values are of JSON
GENERIC = "OPTION_"
FIXED = ("host", "port")  # SageMaker's to say
SECRET = re.compile(r"(?:^|[-_])(?:keys?|token|secrets?|passwords?|authorization)$", re.IGNORECASE)


def read(file: Path, environ: Mapping[str, str], own: str) -> Options:
    """The options of a file, changed by variables that begin with OPTION_ and, stronger, with the engine's `own` word.

    Raises StartError where the file is no JSON object.
    """
    try:
        options = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise StartError(f"{file.name} cannot be read: {error}") from None
    if not isinstance(options, dict):
        raise StartError(f"{file.name} has to be a JSON object of the engine's options.")
    for prefix in (GENERIC, own):
        for name, value in sorted(environ.items()):
            if name.startswith(prefix) and name != prefix:
                options[name.removeprefix(prefix).lower().replace("_", "-")] = value_of(value)
    return {name: value for name, value in options.items() if value is not False and name not in FIXED}


def value_of(text: str) -> Any:
    """What a variable says: true or nothing for a switch, false for none, several words, or a text."""
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
    """The options as words. A value stands in the word of its name, for it may begin with a hyphen."""
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
    """The command for the log: values that are secret by their name are left out, also within JSON; so is the token."""
    hidden: list[str] = []
    after = False  # whether the last word named something secret, whose value may be the next
    for word in command:
        name, equals, value = word.partition("=")
        secret = name.startswith("--") and bool(SECRET.search(name))
        if secret and equals:
            word = f"{name}=***"
        elif after and not word.startswith("--"):
            word = "***"
        elif equals:
            word = f"{name}={hide_within(value)}"
        after = (secret and not equals) or (after and word == "***")
        for token in (environ.get("HF_TOKEN"), environ.get("HUGGING_FACE_HUB_TOKEN")):
            word = word.replace(token, "***") if token else word
        hidden.append(word)
    return hidden


def hide_within(text: str) -> str:
    """A JSON object without the values that are secret by their name; any other text as it is."""
    if not text.startswith("{"):
        return text
    try:
        return json.dumps(without_secrets(json.loads(text)))
    except ValueError:
        return text


def without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "***" if SECRET.search(key) else without_secrets(each) for key, each in value.items()}
    return [without_secrets(each) for each in value] if isinstance(value, list) else value
