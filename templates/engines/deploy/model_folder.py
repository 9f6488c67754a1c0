#!/usr/bin/env python3
"""Usage: model_folder.py FOLDER

Looks at the files of a language model and prints a hash of them. Dot files are no part of it.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from model_archive import model_files


class Unfit(ValueError):
    """The folder does not hold a model as an engine takes it."""


def examine(folder: Path) -> str:
    """The SHA-256 of all names and contents. Raises Unfit."""
    names = {file.relative_to(folder).as_posix(): file for file in model_files(folder)}
    if not {"config.json", "params.json"} & set(names):  # of Transformers, of Mistral
        raise Unfit(f"In {folder} is no model: there is no config.json.")
    if not any(name.endswith(".safetensors") for name in names):
        raise Unfit(f"In {folder} are no .safetensors files. Others may be pickles, which run code when loaded.")
    digest = hashlib.sha256()
    for name, file in names.items():
        digest.update(f"{len(name)} {name} {file.stat().st_size}\n".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print(examine(Path(sys.argv[1])))
    except (Unfit, OSError) as error:
        sys.exit(f"ERROR: {error}")
