"""A model.tar.gz that SageMaker accepts: no links, and reproducible (the same files give the same bytes)."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def model_paths(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder, sorted, except hidden files and folders."""
    for path in sorted(folder.rglob("*")):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def model_files(folder: Path) -> Iterator[Path]:
    """Yield the files of model_paths()."""
    return (path for path in model_paths(folder) if path.is_file())


class Tee:
    """Write to a file and hash the data on its way, so that the hash does not depend on the compression."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Write and hash."""
        self.digest.update(data)
        return self.file.write(data)


def pack(folder: Path, archive: Path) -> str:
    """Write an archive without times and owners. Return the SHA-256 of its content, in hex."""
    # Weights hardly compress, so use the fastest level.
    with archive.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed:
        tee = Tee(packed)
        with tarfile.open(fileobj=tee, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
            for path in model_files(folder):
                entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
                entry.size = path.stat().st_size
                with path.open("rb") as content:
                    tar.addfile(entry, content)
    return tee.digest.hexdigest()


def find_problem(archive: IO[bytes]) -> str | None:
    """Return why SageMaker would refuse a model.tar.gz (damaged, empty, links, devices, unsafe paths), or None."""
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
                    return f"{entry.name} is a path outside the archive"
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        return f"it is not a complete .tar.gz: {error}"
    return "it is empty" if empty else None
