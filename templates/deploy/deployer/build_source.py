"""The source for AWS CodeBuild: a zip of the Docker build context (by .dockerignore) and of the scripts that build."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from deployer.aws import Failure
from deployer.requests.codebuild import BUILDSPEC
from deployer.settings import PROJECT

# Always included, whatever .dockerignore says.
TRAINING = r"train/(?:Dockerfile|\.dockerignore|requirements\.(?:in|txt)|[^/]+\.(?:py|sh))"
LOCK = r"requirements\.(?:in|txt)|\.python-version|lock\.sh"
PROGRAM = r"deploy/[^/]+\.(?:sh|env)|deploy/deployer/(?:requests/)?(?:[^/]+\.py|run)"
OWN = re.compile(rf"Dockerfile|\.dockerignore|{LOCK}|{PROGRAM}|{TRAINING}|{re.escape(BUILDSPEC)}")
EPOCH = (1980, 1, 1, 0, 0, 0)


def rules() -> list[tuple[bool, re.Pattern[str]]]:
    """Return the lines of .dockerignore: whether each ignores, and a pattern of the paths, which includes subpaths."""
    found = []
    file = PROJECT / ".dockerignore"
    for line in file.read_text().splitlines() if file.exists() else []:
        pattern = line.strip().lstrip("!").strip("/")
        if pattern and not pattern.startswith("#"):
            regex = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*")
            regex = regex.replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
            found.append((not line.strip().startswith("!"), re.compile(f"{regex}(?:/.*)?")))
    return found


def source_files() -> Iterator[tuple[str, Path]]:
    """Yield name and path of each file of the archive, sorted, without hidden folders such as .git and .venv."""
    ignored = rules()
    for folder, folders, files in os.walk(PROJECT):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        links = [each for each in folders if os.path.islink(os.path.join(folder, each))]
        for path in sorted(Path(folder, each) for each in [*files, *links]):
            name = path.relative_to(PROJECT).as_posix()
            last = [ignores for ignores, rule in ignored if rule.fullmatch(name)][-1:]
            if not OWN.fullmatch(name) and last == [True]:
                continue
            if path.is_symlink():
                raise Failure(f"{name} is a link, which cannot be uploaded.", "Replace it with what it points to.")
            yield name, path


def pack(archive: Path) -> str:
    """Write an archive without times and owners. Return the SHA-256 of its content, in hex."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, path in source_files():
            info = path.stat()
            entry = zipfile.ZipInfo(name, EPOCH)
            mode = 0o100755 if info.st_mode & 0o100 else 0o100644
            entry.create_system, entry.external_attr, entry.file_size = 3, mode << 16, info.st_size
            # Weights hardly compress.
            entry.compress_type = zipfile.ZIP_STORED if name.startswith("model/") else zipfile.ZIP_DEFLATED
            digest.update(f"{mode:o} {info.st_size} {name}\0".encode())
            with path.open("rb") as content, packed.open(entry, "w") as file:
                while block := content.read(1 << 20):
                    digest.update(block)
                    file.write(block)
    return digest.hexdigest()
