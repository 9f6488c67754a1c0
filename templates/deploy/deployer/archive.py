"""A model.tar.gz as SageMaker wants it: files without links, the same files as the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def model_paths(folder: Path) -> Iterator[Path]:
    """What is below a folder, sorted, without what a dot hides."""
    for path in sorted(folder.rglob("*")):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def model_files(folder: Path) -> Iterator[Path]:
    """The files of them."""
    return (path for path in model_paths(folder) if path.is_file())


class Tee:
    """Writes to a file and takes the hash of what passes, so that it does not depend on the compression."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        """As a file does."""
        self.digest.update(data)
        return self.file.write(data)


def pack(folder: Path, archive: Path) -> str:
    """Writes an archive without times and owners; the SHA-256 of what it holds, in hex."""
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
