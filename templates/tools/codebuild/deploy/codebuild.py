#!/usr/bin/env python3
"""Usage: codebuild.py pack ARCHIVE
       codebuild.py project | build
       codebuild.py differs FOUND WANTED

What submit_build.sh gives to AWS CodeBuild.

pack writes ARCHIVE, a zip of what the image is made of (all that .dockerignore lets in) and of what builds it, and
prints a hash of what it holds. The same files give the same bytes: sorted, no times, no owners.

project and build print what CreateProject and StartBuild are asked for, from the settings in the environment.
differs prints a word where WANTED, a file of JSON, asks for anything that FOUND has not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from resources import OWNER, Json, SettingError, mapping, text

ROOT = Path(__file__).resolve().parent.parent
BUILDSPEC = "deploy/buildspec.yml"
# Never ignored, whatever .dockerignore says.
TRAINING = r"train/(?:Dockerfile|\.dockerignore|requirements\.(?:in|txt)|[^/]+\.(?:py|sh))"
LOCK = r"requirements\.(?:in|txt)|\.python-version|lock\.sh"
OWN = re.compile(rf"Dockerfile|\.dockerignore|{LOCK}|deploy/[^/]+\.sh|{TRAINING}|{re.escape(BUILDSPEC)}")
# The machine that builds natively for a platform, and CodeBuild's own image with Docker and the AWS CLI in it.
MACHINES = {
    "linux/amd64": ("LINUX_CONTAINER", "aws/codebuild/amazonlinux-x86_64-standard:5.0"),
    "linux/arm64": ("ARM_CONTAINER", "aws/codebuild/amazonlinux-aarch64-standard:3.0"),
}
# What is run there, and the settings that it reads.
PASSED = (
    "BUILD_SCRIPT",
    *("PROJECT_NAME", "PLATFORM", "INSTANCE_TYPE", "SERVERLESS_MEMORY", "BASE_IMAGE", "DOCKER_BUILD_OPTS"),
)
EPOCH = (1980, 1, 1, 0, 0, 0)


def rules() -> list[tuple[bool, re.Pattern[str]]]:
    """The lines of .dockerignore: whether each ignores, and which paths. One of a folder is one of all in it."""
    found = []
    file = ROOT / ".dockerignore"
    for line in file.read_text().splitlines() if file.exists() else []:
        pattern = line.strip().lstrip("!").strip("/")
        if pattern and not pattern.startswith("#"):
            regex = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*")
            regex = regex.replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
            found.append((not line.strip().startswith("!"), re.compile(f"{regex}(?:/.*)?")))
    return found


def source_files() -> Iterator[tuple[str, Path]]:
    """What goes into the archive, sorted. Folders that a dot hides, such as .git and .venv, stay out."""
    ignored = rules()
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        links = [each for each in folders if os.path.islink(os.path.join(folder, each))]
        for path in sorted(Path(folder, each) for each in [*files, *links]):
            name = path.relative_to(ROOT).as_posix()
            last = [ignores for ignores, rule in ignored if rule.fullmatch(name)][-1:]
            if not OWN.fullmatch(name) and last == [True]:
                continue
            if path.is_symlink():
                sys.exit(f"ERROR: {name} is a link, which does not reach CodeBuild. Put what it names in its place.")
            yield name, path


def pack(archive: Path) -> str:
    """Write ARCHIVE and return the SHA-256 of what it holds, in hex."""
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


def project() -> Json:
    """CreateProject and UpdateProject."""
    platform, name = text("PLATFORM"), text("PROJECT_NAME")
    if platform not in MACHINES:
        raise SettingError(f"CodeBuild builds for {' and '.join(MACHINES)}, and PLATFORM is {platform!r}.")
    machine, image = MACHINES[platform]
    tags = {**mapping("TAGS"), f"{OWNER}:project": name}
    return {
        "name": name,
        "description": f"Builds the image of {name} and pushes it to Amazon ECR.",
        "source": source(),
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": machine,
            "image": image,
            "computeType": text("BUILD_COMPUTE"),
            "privilegedMode": True,  # Docker in the build's own container needs it
        },
        "serviceRole": text("BUILD_ROLE_ARN"),
        "timeoutInMinutes": 60,
        "logsConfig": {"cloudWatchLogs": {"status": "ENABLED", "groupName": f"/aws/codebuild/{name}"}},
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }


def source() -> Json:
    return {"type": "S3", "location": text("BUILD_SOURCE"), "buildspec": BUILDSPEC}


def build() -> Json:
    """StartBuild."""
    settings = [{"name": name, "value": text(name), "type": "PLAINTEXT"} for name in PASSED if text(name)]
    return {
        "projectName": text("PROJECT_NAME"),
        "sourceTypeOverride": "S3",
        "sourceLocationOverride": text("BUILD_SOURCE"),
        "environmentVariablesOverride": settings,
    }


def differs(found: object, wanted: object) -> bool:
    """Whether `wanted` has what `found` has not. Where the source lies is each build's own."""
    if isinstance(wanted, dict):
        known = found if isinstance(found, dict) else {}
        return any(differs(known.get(key), value) for key, value in wanted.items() if key != "location")
    if isinstance(wanted, list) and isinstance(found, list):
        return sorted(map(json.dumps, wanted)) != sorted(map(json.dumps, found))
    return found != wanted


def read(file: str) -> object:
    return json.loads(Path(file).read_text())


def main() -> None:
    what, files = sys.argv[1:2], sys.argv[2:]
    if what == ["pack"] and len(files) == 1:
        print(pack(Path(files[0])))
    elif what == ["differs"] and len(files) == 2:
        print("differs" if differs(read(files[0]), read(files[1])) else "")
    elif what in (["project"], ["build"]) and not files:
        print(json.dumps(project() if what == ["project"] else build()))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main()
    except SettingError as error:
        sys.exit(f"ERROR: {error}")
