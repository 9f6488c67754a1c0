#!/usr/bin/env python3
"""Usage: pack_model.py FOLDER ARCHIVE

Packs the files of FOLDER into ARCHIVE, a model.tar.gz as SageMaker wants it, and prints a hash of what it holds.
The same files give the same bytes: sorted, no times, no owners. Dot files stay out.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path


def model_files(folder: Path) -> Iterator[Path]:
    """The files below FOLDER, sorted, without those that a dot hides."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


class Tee:
    """Writes to a file and takes the hash of what passes, so that it does not depend on the compression."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.file.write(data)


def pack(folder: Path, archive: Path) -> str:
    """Write ARCHIVE and return the SHA-256 of its uncompressed content, in hex."""
    # Weights hardly compress, so speed is worth more than the last per cent.
    with archive.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed:
        tee = Tee(packed)
        with tarfile.open(fileobj=tee, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
            for path in model_files(folder):
                entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
                entry.size = path.stat().st_size
                with path.open("rb") as content:
                    tar.addfile(entry, content)
    return tee.digest.hexdigest()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    print(pack(Path(sys.argv[1]), Path(sys.argv[2])))
