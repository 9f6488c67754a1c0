"""The Hugging Face Hub: which commit of a model is deployed, and its files."""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

from deployer import hints
from deployer.archive import model_files
from deployer.requests.common import Json
from deployer.requests.model_files import Settings
from deployer.settings import DEPLOY, PROJECT, SettingError

COMMIT = re.compile("[0-9a-f]{40}")
STATE = DEPLOY / ".state/revisions.json"
NOTE = ".hub"  # in a folder: what was fetched into it
NEEDED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.tiktoken", "*.jinja"]
OTHERS = ["*.bin", "*.pt", "*.pth"]
PICKLES = (
    "others may be pickles, which run code when they are loaded: where you trust them, set "
    '"load-format": "auto" in code/options.json.'
)


def takes_pickles(settings: Settings) -> bool:
    """Whether the engine is told to load other weights than safetensors. Raises SettingError."""
    try:
        options = dict(json.loads((PROJECT / "code/options.json").read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise SettingError(f"code/options.json cannot be read: {error}") from None
    told = [value for name, value in settings.container_env.items() if name.endswith("_LOAD_FORMAT")]
    return "safetensors" not in (told or [str(options.get("load-format"))])


def revision(settings: Settings, copied: bool = False) -> str:
    """The commit of a model that the container fetches, or that is copied to S3 first.

    It is MODEL_REVISION, or else the newest of its main branch when this was asked first. Raises SettingError where
    there is no such model, or none that can be served.
    """
    if settings.network_isolation and not copied:
        upload = hints.command("upload_model")
        raise SettingError(f"With NETWORK_ISOLATION the Hub cannot be reached. First: {upload}")
    wanted = settings.model_revision or "main"
    if COMMIT.fullmatch(wanted):
        return wanted
    model = settings.model_id
    known = known_revisions()
    key = f"{model}@{wanted}"
    if key not in known:
        known[key] = examine(settings, wanted)
        STATE.parent.mkdir(exist_ok=True)
        STATE.write_text(json.dumps(known, indent=2) + "\n")
    if known[key]["gated"] and not copied and not settings.hf_token_secret:
        raise SettingError(
            f"{model} is not open to all. Accept its terms at https://huggingface.co/{model}, put your token into AWS "
            "Secrets Manager, and its ARN into HF_TOKEN_SECRET in deploy/settings.env."
        )
    return str(known[key]["commit"])


def known_revisions() -> dict[str, Json]:
    """What was found before; nothing where a run was stopped while it wrote that."""
    try:
        return dict(json.loads(STATE.read_bytes()))
    except (OSError, ValueError):
        return {}


def examine(settings: Settings, wanted: str) -> Json:
    """The commit that `wanted` names now, and whether it is gated, after a look at what the Hub says of it."""
    model = settings.model_id
    found = ask(f"/api/models/{model}/revision/{wanted}", model)
    files = [each["rfilename"] for each in found.get("siblings", [])]
    if not takes_pickles(settings) and not any(file.endswith(".safetensors") for file in files):
        raise SettingError(f"{model} has no .safetensors files; {PICKLES}")
    return {"commit": str(found["sha"]), "gated": bool(found.get("gated"))}


def fetch(settings: Settings, folder: Path) -> None:
    """The model at its commit into a folder. What it holds of that is not fetched again; what it holds of yours stays.

    Raises SettingError where it holds another model of the Hub, or the model cannot be had.
    """
    note = folder / NOTE
    filled = any(model_files(folder))
    if filled and not note.exists():
        return
    model, commit = settings.model_id, revision(settings, copied=True)
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
    patterns = [*NEEDED, *(OTHERS if takes_pickles(settings) else [])]
    token = os.environ.get("HF_TOKEN") or None
    try:
        snapshot_download(model, revision=commit, local_dir=folder, allow_patterns=patterns, token=token)
    except Exception as error:
        raise SettingError(f"{model} could not be fetched: {error}\nTry again: it goes on where it stopped.") from None
    note.write_text(f"{model}@{commit} complete")


def ask(path: str, model: str) -> Json:
    """What the Hub's API answers."""
    hub = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    own = os.environ.get("HF_TOKEN")
    token = {"Authorization": f"Bearer {own}"} if own else {}
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
