"""The project's bucket in S3: made if missing; what is uploaded lies under a hash of its content."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from deployer.archive import model_files, model_paths
from deployer.aws import Failure, ask, client, say
from deployer.hints import typed
from deployer.settings import PROJECT, Settings

MODEL = PROJECT / "model"


def require_model(folder: Path = MODEL) -> None:
    """Raises Failure where there is no model in the folder, or links, which SageMaker refuses."""
    links = [path for path in model_paths(folder) if path.is_symlink() or not (path.is_file() or path.is_dir())]
    if links:
        named = "\n".join(f"./{path.relative_to(folder).as_posix()}" for path in links[:5])
        what = f"In {folder} are links or special files, which SageMaker refuses:\n{named}"
        raise Failure(what, "Put the files themselves there and try again.")
    if any(model_files(folder)):
        return
    how = "Put your model there and try again."
    if (PROJECT / "sample_model/train.py").exists():
        how = f"Put yours there, or train the sample ({typed('sample_model/train.py')}), and try again."
    raise Failure(f"There is no model in {folder}.", how)


def require_bucket(settings: Settings) -> None:
    """S3_BUCKET is there, the account's own and in the region; made, encrypted and not public, if missing."""
    name, region = settings.s3_bucket, settings.aws_region
    s3 = client("s3")
    answer = ask(s3.get_bucket_location, Bucket=name, ExpectedBucketOwner=settings.account)
    if not answer:
        make_bucket(settings)
        return
    # The oldest region is named by leaving its name out, and the second may be called EU.
    place = {None: "us-east-1", "EU": "eu-west-1"}.get(named := answer.get("LocationConstraint"), named)
    if place != region:
        what = f"The bucket {name} is in {place}, but SageMaker reads from its own region, {region}."
        raise Failure(what, "Name another bucket in S3_BUCKET.")


def make_bucket(settings: Settings) -> None:
    """Makes it, or leaves nothing."""
    name, region = settings.s3_bucket, settings.aws_region
    s3 = client("s3")
    say(f"Making the bucket {name} in {region}, encrypted and closed to the public.")
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **place)
    closed = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    own = {"Bucket": name, "ExpectedBucketOwner": settings.account}
    try:
        s3.put_public_access_block(**own, PublicAccessBlockConfiguration=closed)
        s3.put_bucket_encryption(**own, ServerSideEncryptionConfiguration={"Rules": [rule]})
    except BaseException:
        s3.delete_bucket(**own)
        raise


def split(place: str) -> tuple[str, str]:
    """Bucket and key of s3://BUCKET/KEY."""
    bucket, _, key = place.removeprefix("s3://").partition("/")
    return bucket, key


def upload(settings: Settings, file: Path, key: str, **extra: str) -> str:
    """Uploads a file to the bucket; its place there. `extra` is its metadata."""
    place = f"s3://{settings.s3_bucket}/{key}"
    say(f"Uploading {file.stat().st_size} bytes to {place}")
    more = {"ExtraArgs": {"Metadata": extra}} if extra else {}
    client("s3").upload_file(str(file), settings.s3_bucket, key, **more)
    return place


def upload_packed(settings: Settings, folder: str, name: str, pack: Callable[[Path], str]) -> str:
    """Packs an archive and uploads it to PROJECT_NAME/FOLDER/HASH/NAME, unless it is there; its key.

    `pack` writes the file that it gets, and returns a hash of what that holds.
    """
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch, name)
        key = "/".join(part for part in (settings.project_name, folder, pack(packed), name) if part)
        own = {"Bucket": settings.s3_bucket, "Key": key, "ExpectedBucketOwner": settings.account}
        if ask(client("s3").head_object, **own):
            say("These files are uploaded already.")
        else:
            upload(settings, packed, key)
    return key


def upload_by_content(settings: Settings, file: Path, folder: str) -> str:
    """Uploads a file to PROJECT_NAME/FOLDER/HASH/NAME, where HASH is that of the file; its place there."""
    return upload(settings, file, f"{settings.project_name}/{folder}/{digest_of(file)}/{safe_name(file)}")


def safe_name(file: str | Path) -> str:
    """The name of a file, as S3 and everything after it takes it."""
    return re.sub(rb"[^A-Za-z0-9._-]", b"_", os.fsencode(Path(file).name)).decode()


def upload_folder(settings: Settings, root: Path, folder: str) -> str:
    """Uploads the files of a folder to PROJECT_NAME/FOLDER/HASH/; that place. Dot files stay out."""
    files = {file: file.relative_to(root).as_posix() for file in model_files(root)}
    if odd := [name for name in files.values() if not name.isprintable()]:
        raise Failure(f"The name of a file in {root} cannot be that of one in S3: {odd[0]!r}", "Give it another name.")
    content = "".join(f"{digest_of(file)} {name}\n" for file, name in files.items())
    prefix = f"{settings.project_name}/{folder}/{hashlib.sha256(content.encode()).hexdigest()}/"
    for file, name in files.items():
        upload(settings, file, prefix + name)
    return f"s3://{settings.s3_bucket}/{prefix}"


def digest_of(file: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read(settings: Settings, place: str) -> bytes | None:
    """What lies at s3://BUCKET/KEY; None where nothing does."""
    bucket, key = split(place)
    answer = ask(client("s3").get_object, Bucket=bucket, Key=key)
    content: bytes | None = answer["Body"].read() if answer else None
    return content


def holds(settings: Settings, place: str) -> bool:
    """Whether anything in S3 begins with this place."""
    bucket, prefix = split(place)
    request = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": 1}
    return bool(ask(client("s3").list_objects_v2, **request).get("Contents"))
