"""The Hugging Face Hub: find the commit of a model to deploy, and download its files."""

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
NOTE = ".hub"  # the file in a folder that records what was downloaded into it
NEEDED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.tiktoken", "*.jinja"]
OTHERS = ["*.bin", "*.pt", "*.pth"]
PICKLES = (
    "other formats can be pickles, which run code when they are loaded. If you trust them, set "
    '"load-format": "auto" in code/options.json.'
)


def takes_pickles(settings: Settings) -> bool:
    """Whether the engine's options allow other weights than safetensors. Raise SettingError."""
    try:
        options = dict(json.loads((PROJECT / "code/options.json").read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise SettingError(f"code/options.json cannot be read: {error}") from None
    overrides = [value for name, value in settings.container_env.items() if name.endswith("_LOAD_FORMAT")]
    return "safetensors" not in (overrides or [str(options.get("load-format"))])


def revision(settings: Settings, copied: bool = False) -> str:
    """Return the commit of the model to deploy. `copied`: it is copied to S3, not downloaded by the container.

    MODEL_REVISION is resolved once and recorded; it defaults to the main branch. Raise SettingError if the model does
    not exist or cannot be served.
    """
    if settings.network_isolation and not copied:
        upload = hints.command("upload_model")
        raise SettingError(f"With NETWORK_ISOLATION=true the container cannot reach the Hub. Run {upload} first.")
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
            f"{model} is gated. Accept its terms at https://huggingface.co/{model}, store your token in AWS Secrets "
            "Manager, and set HF_TOKEN_SECRET in deploy/settings.env to the secret's ARN."
        )
    return str(known[key]["commit"])


def known_revisions() -> dict[str, Json]:
    """Return the commits recorded before; none if the file is missing or was only partly written."""
    try:
        return dict(json.loads(STATE.read_bytes()))
    except (OSError, ValueError):
        return {}


def examine(settings: Settings, wanted: str) -> Json:
    """Ask the Hub for the commit of a revision and whether the model is gated. Raise SettingError if unusable."""
    model = settings.model_id
    found = get(f"/api/models/{model}/revision/{wanted}", model)
    files = [each["rfilename"] for each in found.get("siblings", [])]
    if not takes_pickles(settings) and not any(file.endswith(".safetensors") for file in files):
        raise SettingError(f"{model} has no .safetensors files; {PICKLES}")
    return {"commit": str(found["sha"]), "gated": bool(found.get("gated"))}


def fetch(settings: Settings, folder: Path) -> None:
    """Download the model at its commit into a folder, unless it has files of yours. Completed files are kept.

    Raise SettingError if the folder holds another model of the Hub, or the download fails.
    """
    note = folder / NOTE
    filled = any(model_files(folder))
    if filled and not note.exists():
        return
    model, commit = settings.model_id, revision(settings, copied=True)
    name, _, state = (note.read_text() if filled else "").partition(" ")
    if filled and name != f"{model}@{commit}":
        raise SettingError(f"{folder} contains {name}, not {model}@{commit}. Empty the folder and try again.")
    if state == "complete":
        return
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise SettingError(f"Downloading {model} needs a package: pip install huggingface_hub") from None
    print(f"Downloading {model} at {commit} from the Hugging Face Hub", file=sys.stderr)
    note.write_text(f"{model}@{commit} partial")
    patterns = [*NEEDED, *(OTHERS if takes_pickles(settings) else [])]
    token = os.environ.get("HF_TOKEN") or None
    try:
        snapshot_download(model, revision=commit, local_dir=folder, allow_patterns=patterns, token=token)
    except Exception as error:
        raise SettingError(f"{model} could not be downloaded: {error}\nTry again: the download resumes.") from None
    note.write_text(f"{model}@{commit} complete")


def get(path: str, model: str) -> Json:
    """Return the response of the Hub's API. Raise SettingError."""
    hub = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    own = os.environ.get("HF_TOKEN")
    token = {"Authorization": f"Bearer {own}"} if own else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(hub + path, headers=token), timeout=30) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403, 404):
            what = f"The Hub has no public model {model} at this revision ({error.code})."
            raise SettingError(f"{what} If it is private or gated, set HF_TOKEN.") from None
        raise SettingError(f"The Hub returned an error for {model}: {error}") from None
    except (OSError, ValueError) as error:
        what = f"The Hub could not be reached to find the revision of {model}: {error}."
        raise SettingError(f"{what} Set a commit in MODEL_REVISION.") from None
