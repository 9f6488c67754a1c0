"""The project's bucket in S3: made if missing; what is uploaded lies under a hash of its content."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from aws import Failure, account, ask, client, say
from model_archive import model_files
from resources import text


def require_bucket() -> None:
    """S3_BUCKET is there, the account's own and in the region; made, encrypted and not public, if missing."""
    name, region = text("S3_BUCKET"), text("AWS_REGION")
    answer = ask(client("s3").get_bucket_location, Bucket=name, ExpectedBucketOwner=account())
    if not answer:
        make_bucket(name, region)
        return
    place = answer.get("LocationConstraint") or "us-east-1"  # the oldest region is named by leaving its name out
    if place != region:
        what = f"The bucket {name} is in {place}, but SageMaker reads from its own region, {region}."
        raise Failure(what, "Name another bucket in S3_BUCKET.")


def make_bucket(name: str, region: str) -> None:
    s3 = client("s3")
    say(f"Making the bucket {name} in {region}, encrypted and closed to the public.")
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **place)
    closed = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    own = {"Bucket": name, "ExpectedBucketOwner": account()}
    try:
        s3.put_public_access_block(**own, PublicAccessBlockConfiguration=closed)
        s3.put_bucket_encryption(**own, ServerSideEncryptionConfiguration={"Rules": [rule]})
    except BaseException:
        s3.delete_bucket(**own)
        raise


def upload(file: Path, key: str) -> str:
    """Uploads a file to the bucket; its place there."""
    place = f"s3://{text('S3_BUCKET')}/{key}"
    say(f"Uploading {file.stat().st_size} bytes to {place}")
    client("s3").upload_file(str(file), text("S3_BUCKET"), key)
    return place


def upload_by_content(file: Path, folder: str) -> str:
    """Uploads a file to PROJECT_NAME/FOLDER/HASH/NAME, where HASH is that of the file; its place there."""
    name = re.sub(rb"[^A-Za-z0-9._-]", b"_", os.fsencode(file.name)).decode()
    return upload(file, f"{text('PROJECT_NAME')}/{folder}/{digest_of(file)}/{name}")


def upload_folder(root: Path, folder: str) -> str:
    """Uploads the files of a folder to PROJECT_NAME/FOLDER/HASH/; that place. Dot files stay out."""
    files = {file: file.relative_to(root).as_posix() for file in model_files(root)}
    content = "".join(f"{digest_of(file)} {name}\n" for file, name in files.items())
    prefix = f"{text('PROJECT_NAME')}/{folder}/{hashlib.sha256(content.encode()).hexdigest()}/"
    for file, name in files.items():
        upload(file, prefix + name)
    return f"s3://{text('S3_BUCKET')}/{prefix}"


def digest_of(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read(place: str) -> bytes | None:
    """What lies at s3://BUCKET/KEY; None where nothing does."""
    bucket, _, key = place.removeprefix("s3://").partition("/")
    answer = ask(client("s3").get_object, Bucket=bucket, Key=key)
    content: bytes | None = answer["Body"].read() if answer else None
    return content
