#!/usr/bin/env python3
"""Usage: hub.py [FOLDER]

Prints the commit of MODEL_ID on the Hugging Face Hub that is deployed: MODEL_REVISION, or else the newest of its main
branch when this was asked first, which .state/revisions.json remembers. What is asked for then is that the model is
there, that it may be had, and that its weights are safetensors. With FOLDER the model is fetched into it at that
commit, where the folder is empty or holds a part of it; this takes huggingface_hub.

HF_TOKEN (environment) is your own token, if the model needs one; it is not stored. Settings: settings.sh.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

import resources
from model_archive import model_files
from resources import HERE, Json, SettingError, text

COMMIT = re.compile("[0-9a-f]{40}")
STATE = HERE / ".state/revisions.json"
NOTE = ".hub"  # in a folder: what was fetched into it
NEEDED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.tiktoken", "*.jinja"]
PICKLES = ["*.bin", "*.pt", "*.pth"]


def revision(copied: bool = False) -> str:
    """The commit, of a model that the container fetches or that is copied to S3 first.

    Raises SettingError where there is no such model, or none that can be served.
    """
    wanted = text("MODEL_REVISION", "main")
    if COMMIT.fullmatch(wanted):
        return wanted
    model = text("MODEL_ID")
    known: dict[str, Json] = json.loads(STATE.read_text()) if STATE.exists() else {}
    key = f"{model}@{wanted}"
    if key not in known:
        known[key] = examine(model, wanted)
        STATE.parent.mkdir(exist_ok=True)
        STATE.write_text(json.dumps(known, indent=2) + "\n")
    if known[key]["gated"] and not copied and not text("HF_TOKEN_SECRET"):
        raise SettingError(
            f"{model} is not open to all. Accept its terms at https://huggingface.co/{model}, put your token into AWS "
            "Secrets Manager, and its ARN into HF_TOKEN_SECRET in deploy/settings.sh."
        )
    return str(known[key]["commit"])


def examine(model: str, wanted: str) -> Json:
    """The commit that `wanted` names now, and whether it is gated, after a look at what the Hub says of it."""
    found = ask(f"/api/models/{model}/revision/{wanted}", model)
    files = [each["rfilename"] for each in found.get("siblings", [])]
    if not resources.takes_pickles() and not any(file.endswith(".safetensors") for file in files):
        raise SettingError(f"{model} has no .safetensors files; {resources.PICKLES}")
    return {"commit": str(found["sha"]), "gated": bool(found.get("gated"))}


def fetch(folder: Path) -> None:
    """MODEL_ID at its commit into a folder. What it holds of that is not fetched again; what it holds of yours stays.

    Raises SettingError where it holds another model of the Hub, or the model cannot be had.
    """
    note = folder / NOTE
    filled = any(model_files(folder))
    if filled and not note.exists():
        return
    model, commit = text("MODEL_ID"), revision(copied=True)
    name, _, state = (note.read_text() if filled else "").partition(" ")
    if filled and name != f"{model}@{commit}":
        raise SettingError(f"{folder} holds {name}, not {model}@{commit}. Empty it, and try again.")
    if state == "complete":
        return
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise SettingError(f"{model} is fetched by a package. Install it: pip install huggingface_hub") from None
    print(f"Fetching {model} at {commit} from the Hugging Face Hub", file=sys.stderr)
    note.write_text(f"{model}@{commit} in part")
    patterns = [*NEEDED, *(PICKLES if resources.takes_pickles() else [])]
    token = text("HF_TOKEN") or None
    try:
        snapshot_download(model, revision=commit, local_dir=folder, allow_patterns=patterns, token=token)
    except Exception as error:
        raise SettingError(f"{model} could not be fetched: {error}\nTry again: it goes on where it stopped.") from None
    note.write_text(f"{model}@{commit} complete")


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
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    try:
        resources.load_settings()
        if len(sys.argv) == 2:
            fetch(Path(sys.argv[1]))
        else:
            print(revision())
    except SettingError as error:
        sys.exit(f"ERROR: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
