#!/usr/bin/env python3
"""Usage: model_folder.py FOLDER

Looks at the files of a language model and prints a hash of them. Dot files are no part of it. Settings: settings.sh.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Container
from pathlib import Path, PurePosixPath

import resources
from model_archive import model_files


class Unfit(ValueError):
    """The folder does not hold a model as an engine takes it."""


def examine(folder: Path) -> str:
    """The SHA-256 of all names and contents. Raises Unfit."""
    names = {file.relative_to(folder).as_posix(): file for file in model_files(folder)}
    if not {"config.json", "params.json"} & set(names):  # of Transformers, of Mistral
        raise Unfit(f"In {folder} is no model: there is no config.json.")
    if not resources.takes_pickles() and not any(name.endswith(".safetensors") for name in names):
        raise Unfit(f"In {folder} are no .safetensors files; {resources.PICKLES}")
    for name, file in names.items():
        if name.endswith(".safetensors.index.json") and (missing := missing_shards(name, file, names)):
            raise Unfit(f"In {folder} a part of the model is missing: {', '.join(missing)}, which {name} names.")
    digest = hashlib.sha256()
    for name, file in names.items():
        digest.update(f"{len(name)} {name} {file.stat().st_size}\n".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def missing_shards(name: str, index: Path, names: Container[str]) -> list[str]:
    """Files that an index names, beside it, and that are not there. Raises Unfit."""
    try:
        shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        paths = [PurePosixPath(name).with_name(shard).as_posix() for shard in shards]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unfit(f"{name} cannot be read as an index of weights.") from None
    return [path for path in paths if path not in names]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        resources.load_settings()
        print(examine(Path(sys.argv[1])))
    except (Unfit, resources.SettingError, OSError) as error:
        sys.exit(f"ERROR: {error}")
