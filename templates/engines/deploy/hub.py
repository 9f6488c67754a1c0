#!/usr/bin/env python3
"""Usage: hub.py

Prints the commit of MODEL_ID on the Hugging Face Hub that is deployed: MODEL_REVISION, or else the newest of its main
branch when this was asked first, which .state/revisions.json remembers. What is asked for then is that the model is
there, that it may be had, and that its weights are safetensors. HF_TOKEN (environment) is your own token, if it needs
one; it is not stored. Settings: settings.sh.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request

import resources
from resources import HERE, Json, SettingError, text

COMMIT = re.compile("[0-9a-f]{40}")
STATE = HERE / ".state/revisions.json"


def revision() -> str:
    """The commit. Raises SettingError where there is no such model, or none that can be served."""
    wanted = text("MODEL_REVISION", "main")
    if COMMIT.fullmatch(wanted):
        return wanted
    known: dict[str, str] = json.loads(STATE.read_text()) if STATE.exists() else {}
    key = f"{text('MODEL_ID')}@{wanted}"
    if key not in known:
        known[key] = examine(text("MODEL_ID"), wanted)
        STATE.parent.mkdir(exist_ok=True)
        STATE.write_text(json.dumps(known, indent=2) + "\n")
    return known[key]


def examine(model: str, wanted: str) -> str:
    """The commit that `wanted` names now, after a look at what the Hub says of it."""
    found = ask(f"/api/models/{model}/revision/{wanted}", model)
    files = [each["rfilename"] for each in found.get("siblings", [])]
    if not any(file.endswith(".safetensors") for file in files):
        raise SettingError(f"{model} has no .safetensors files; others may be pickles, which run code when loaded.")
    if found.get("gated") and not text("HF_TOKEN_SECRET"):
        raise SettingError(
            f"{model} is not open to all. Accept its terms at https://huggingface.co/{model}, put your token into AWS "
            "Secrets Manager, and its ARN into HF_TOKEN_SECRET in deploy/settings.sh."
        )
    return str(found["sha"])


def ask(path: str, model: str) -> Json:
    """What the Hub's API answers."""
    hub = text("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    token = {"Authorization": f"Bearer {text('HF_TOKEN')}"} if text("HF_TOKEN") else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(hub + path, headers=token), timeout=30) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403, 404):
            what = f"The Hub has no model {model} at this revision, or not for all ({error.code})."
            raise SettingError(f"{what} If it is yours, set HF_TOKEN.") from None
        raise SettingError(f"The Hub does not say what {model} is: {error}") from None
    except (OSError, ValueError) as error:
        what = f"The Hub cannot be asked which revision of {model} there is: {error}."
        raise SettingError(f"{what} Name a commit in MODEL_REVISION.") from None


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    try:
        resources.load_settings()
        print(revision())
    except SettingError as error:
        sys.exit(f"ERROR: {error}")
