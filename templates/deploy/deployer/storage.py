"""The project's S3 bucket, created if missing. Uploads are stored under a hash of their content."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from deployer.archive import model_files, model_paths
from deployer.aws import Failure, client, if_exists, say
from deployer.hints import command_line
from deployer.settings import PROJECT, Settings

MODEL = PROJECT / "model"


def require_model(folder: Path = MODEL) -> None:
    """Raise Failure if the folder has no model, or contains links, which SageMaker refuses."""
    links = [path for path in model_paths(folder) if path.is_symlink() or not (path.is_file() or path.is_dir())]
    if links:
        named = "\n".join(f"./{path.relative_to(folder).as_posix()}" for path in links[:5])
        what = f"{folder} contains links or special files, which SageMaker refuses:\n{named}"
        raise Failure(what, "Replace them with the files themselves and try again.")
    if any(model_files(folder)):
        return
    how = "Put your model there and try again."
    if (PROJECT / "sample_model/train.py").exists():
        train = command_line("test/run_local.sh")
        if not (PROJECT / "test/run_local.sh").exists():
            train = command_line(".venv/bin/python", os.path.relpath(PROJECT / "sample_model/train.py"))
        how = f"Put your model there, or train the sample ({train}), and try again."
    raise Failure(f"There is no model in {folder}.", how)


def require_bucket(settings: Settings) -> None:
    """Ensure that S3_BUCKET exists (create it if missing), belongs to the account and is in the region."""
    name, region = settings.s3_bucket, settings.aws_region
    s3 = client("s3")
    answer = if_exists(s3.get_bucket_location, Bucket=name, ExpectedBucketOwner=settings.account)
    if not answer:
        make_bucket(settings)
        return
    # S3 returns None for us-east-1, and can return EU for eu-west-1.
    location = {None: "us-east-1", "EU": "eu-west-1"}.get(named := answer.get("LocationConstraint"), named)
    if location != region:
        what = f"The bucket {name} is in {location}, but SageMaker reads only from its own region, {region}."
        raise Failure(what, "Set S3_BUCKET to another bucket.")


def make_bucket(settings: Settings) -> None:
    """Create the bucket. If that fails halfway, remove it again."""
    name, region = settings.s3_bucket, settings.aws_region
    s3 = client("s3")
    say(f"Creating the bucket {name} in {region}, encrypted and not public.")
    location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **location)
    closed = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    own = {"Bucket": name, "ExpectedBucketOwner": settings.account}
    try:
        s3.put_public_access_block(**own, PublicAccessBlockConfiguration=closed)
        s3.put_bucket_encryption(**own, ServerSideEncryptionConfiguration={"Rules": [rule]})
    except BaseException:
        s3.delete_bucket(**own)
        raise


def split(uri: str) -> tuple[str, str]:
    """Return bucket and key of s3://BUCKET/KEY."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def upload(settings: Settings, file: Path, key: str, **extra: str) -> str:
    """Upload a file to the bucket, with `extra` as metadata. Return its URI."""
    uri = f"s3://{settings.s3_bucket}/{key}"
    say(f"Uploading {file.stat().st_size} bytes to {uri}")
    more = {"ExtraArgs": {"Metadata": extra}} if extra else {}
    client("s3").upload_file(str(file), settings.s3_bucket, key, **more)
    return uri


def upload_packed(settings: Settings, folder: str, name: str, pack: Callable[[Path], str]) -> str:
    """Pack an archive and upload it to PROJECT_NAME/FOLDER/HASH/NAME, unless it exists. Return its key.

    `pack` writes the archive to a path and returns a hash of its content.
    """
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch, name)
        key = "/".join(part for part in (settings.project_name, folder, pack(packed), name) if part)
        own = {"Bucket": settings.s3_bucket, "Key": key, "ExpectedBucketOwner": settings.account}
        if if_exists(client("s3").head_object, **own):
            say("These files were already uploaded.")
        else:
            upload(settings, packed, key)
    return key


def upload_by_content(settings: Settings, file: Path, folder: str) -> str:
    """Upload a file to PROJECT_NAME/FOLDER/HASH/NAME, where HASH is the file's. Return its URI."""
    return upload(settings, file, f"{settings.project_name}/{folder}/{digest_of(file)}/{safe_name(file)}")


def safe_name(file: str | Path) -> str:
    """Return the name of a file, with _ for every character that needs escaping in S3 or a shell."""
    return re.sub(rb"[^A-Za-z0-9._-]", b"_", os.fsencode(Path(file).name)).decode()


def upload_folder(settings: Settings, root: Path, folder: str) -> str:
    """Upload the files of a folder, except hidden ones, to PROJECT_NAME/FOLDER/HASH/. Return that URI."""
    files = {file: file.relative_to(root).as_posix() for file in model_files(root)}
    if odd := [name for name in files.values() if not name.isprintable()]:
        raise Failure(f"A file name in {root} has characters that S3 does not accept: {odd[0]!r}", "Rename the file.")
    content = "".join(f"{digest_of(file)} {name}\n" for file, name in files.items())
    prefix = f"{settings.project_name}/{folder}/{hashlib.sha256(content.encode()).hexdigest()}/"
    for file, name in files.items():
        upload(settings, file, prefix + name)
    return f"s3://{settings.s3_bucket}/{prefix}"


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read(settings: Settings, uri: str) -> bytes | None:
    """Return the content of s3://BUCKET/KEY, or None if it does not exist."""
    bucket, key = split(uri)
    answer = if_exists(client("s3").get_object, Bucket=bucket, Key=key)
    content: bytes | None = answer["Body"].read() if answer else None
    return content


def holds(settings: Settings, uri: str) -> bool:
    """Whether any object's URI begins with this one."""
    bucket, prefix = split(uri)
    request = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": 1}
    return bool(if_exists(client("s3").list_objects_v2, **request).get("Contents"))
