#!/usr/bin/env python3
"""Usage: model_archive.py FOLDER ARCHIVE
       model_archive.py --check <ARCHIVE

Packs the files of FOLDER into ARCHIVE, a model.tar.gz as SageMaker wants it, and prints a hash of what it holds.
The same files give the same bytes: sorted, no times, no owners. Dot files stay out.

With --check it reads an archive that was packed elsewhere and says what SageMaker would refuse in it.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO


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


def find_fault(archive: IO[bytes]) -> str | None:
    """What SageMaker refuses in a model.tar.gz: that it is none, links, devices, paths that lead out of it."""
    empty = True
    try:
        with tarfile.open(fileobj=archive, mode="r|gz") as tar:
            for entry in tar:
                empty = False
                if entry.issym() or entry.islnk():
                    return f"{entry.name} is a link (to {entry.linkname})"
                if not entry.isfile() and not entry.isdir():
                    return f"{entry.name} is neither a file nor a folder"
                if entry.name.startswith("/") or ".." in Path(entry.name).parts:
                    return f"{entry.name} leads out of the archive"
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        return f"this is not a whole .tar.gz: {error}"
    return "there is nothing in it" if empty else None


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(find_fault(sys.stdin.buffer))
    if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    print(pack(Path(sys.argv[1]), Path(sys.argv[2])))
