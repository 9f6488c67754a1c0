"""Usage: deploy/build_and_push.sh

Builds the image for the architecture of the instance type and pushes it to the project's own repository in Amazon ECR,
which is created if missing. The tag is a hash of the content: an image that was pushed before is not pushed again.

  DOCKER_BUILD_OPTS   (environment) more options for docker buildx build, such as --no-cache

Prints the image's name with its digest. The next deployment uses it. Settings: deploy/settings.env.
Requires Docker with buildx.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from deployer import checks, hints, storage
from deployer.aws import AWS_ERRORS, Failure, client, if_exists, say, sign_in
from deployer.project import source
from deployer.requests.common import OWNER
from deployer.settings import PROJECT, Settings
from deployer.state import record


def run(settings: Settings, _: argparse.Namespace) -> str:
    """Build and push the image. Return its name with its digest."""
    if source.__name__.endswith("model_image"):
        storage.require_model()
    require_docker(settings.platform)
    settings = sign_in(settings)
    image = build(settings, settings.project_name, settings.platform, PROJECT)
    checks.require_size(settings, int(docker("image", "inspect", "--format", "{{.Size}}", image)))
    architecture = settings.platform.rpartition("/")[2]
    pushed = push(settings, image, architecture)
    record(settings, f"image-{architecture}", pushed)
    say(f"Next: {hints.after_build(settings, pushed)}")
    return pushed


# --- Docker ----------------------------------------------------------------------------------------------------------
def docker(*arguments: str, what: str = "", how: str = "Fix that and try again.") -> str:
    """Return the output of a docker command. Raise Failure with the last line of its errors and with `how`."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, encoding="utf-8", errors="replace")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise Failure(f"{what or f'docker {arguments[0]} failed'}: {reason}", how)
    return done.stdout.strip()


def run_docker(what: str, how: str, *arguments: str) -> None:
    """Run a docker command and show its output. Raise Failure with `what` and `how`."""
    if subprocess.run(["docker", *arguments], stdout=2).returncode:
        raise Failure(f"{what}; the reason is above.", how)


def require_docker(platform: str) -> None:
    """Raise Failure if Docker does not run, has no buildx, or cannot build for this platform."""
    if not shutil.which("docker"):
        raise Failure("Docker is not installed.", "Install it: https://docs.docker.com/engine/install/")
    docker("version", what="Docker is not responding", how="Start Docker and try again.")
    try:
        docker("buildx", "version")
    except Failure:
        raise Failure("Docker has no buildx.", "Install it: https://docs.docker.com/build/install-buildx/") from None
    found = ""
    with suppress(Failure):  # without this list, the build itself reports the problem
        found = docker("buildx", "inspect", "--bootstrap")
    known = re.search("^Platforms: *(.*)$", found, re.MULTILINE)
    platforms = re.sub(r"[ *]", "", known[1]).split(",") if known else []
    if platforms and platform not in platforms:
        emulation = f"docker run --privileged --rm tonistiigi/binfmt --install {platform.rpartition('/')[2]}"
        what = f"The image must be built for {platform}, but this Docker builds only for {','.join(platforms)}."
        raise Failure(what, f"Install emulation ({emulation}), or build on a machine of that platform.")


def build(settings: Settings, name: str, platform: str, folder: Path) -> str:
    """Build the image of a folder with a Dockerfile. Return its ID."""
    bash = shutil.which("bash")
    if not bash:
        say("Did not check whether requirements.txt is up to date: lock.sh needs bash.")
    elif subprocess.run([bash, str(PROJECT / "lock.sh"), "--check"]).returncode:
        raise Failure("Nothing was built; the reason is above.", f"Run {hints.command_line('lock.sh')} and try again.")
    base, options = settings.base_image, os.environ.get("DOCKER_BUILD_OPTS", "").split()
    say(f"Building {name} for {platform} from {base}")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "image")
        arguments = ["--platform", platform, "--provenance=false", "--load", "--build-arg", f"BASE_IMAGE={base}"]
        arguments += ["--tag", name, "--iidfile", str(file), *options, str(folder)]
        how = "Nothing was pushed. Fix the error and try again."
        run_docker("The image could not be built", how, "buildx", "build", *arguments)
        image = file.read_text()
    found = docker("image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", image)
    if found != platform:
        raise Failure(
            f"The image is for {found} instead of {platform}.", f"Check that BASE_IMAGE ({base}) supports {platform}."
        )
    return image


# --- ECR -------------------------------------------------------------------------------------------------------------
def push(settings: Settings, image: str, prefix: str) -> str:
    """Push an image, unless it was pushed before. The tag is `prefix` and its hash. Return its name with its digest.

    The repository is created if missing, and removed again if the push fails.
    """
    repository, made = require_repository(settings)
    tag = f"{prefix}-{image[7:19]}"
    try:
        digest = digest_of(settings, tag)
        if digest:
            say(f"This image was already pushed, as {tag}.")
        else:
            log_in(settings, repository.partition("/")[0])
            docker("tag", image, f"{repository}:{tag}")
            run_docker(f"{repository}:{tag} could not be pushed", "Try again.", "push", f"{repository}:{tag}")
            digest = digest_of(settings, tag)
        if not digest:
            raise Failure(f"ECR does not list {repository}:{tag} after the push.", "Try again in a minute.")
    except BaseException:
        if made:
            remove_empty_repository(settings)
        raise
    return f"{repository}@{digest}"


def require_repository(settings: Settings) -> tuple[str, bool]:
    """Return the URI of the project's own repository, and whether it was created now."""
    ecr, name = client("ecr"), settings.project_name
    if found := if_exists(ecr.describe_repositories, repositoryNames=[name]):
        return str(found["repositories"][0]["repositoryUri"]), False
    say(f"Creating the ECR repository {name} in {settings.aws_region}")
    made = ecr.create_repository(
        repositoryName=name,
        imageScanningConfiguration={"scanOnPush": True},
        imageTagMutability="IMMUTABLE",
        encryptionConfiguration={"encryptionType": "AES256"},
        tags=[{"Key": f"{OWNER}:project", "Value": name}],
    )
    return str(made["repository"]["repositoryUri"]), True


def remove_empty_repository(settings: Settings) -> None:
    """Remove the repository if it is empty: without `force`, ECR refuses otherwise."""
    with suppress(*AWS_ERRORS):
        client("ecr").delete_repository(repositoryName=settings.project_name)


def digest_of(settings: Settings, tag: str) -> str:
    """Return the digest of the image with a tag; empty if there is none."""
    request = {"repositoryName": settings.project_name, "imageIds": [{"imageTag": tag}]}
    found = if_exists(client("ecr").describe_images, **request)
    return str(found["imageDetails"][0]["imageDigest"]) if found else ""


def log_in(settings: Settings, registry: str) -> None:
    """Log Docker in to the registry. The password is passed only through standard input."""
    data = client("ecr").get_authorization_token()["authorizationData"][0]
    password = base64.b64decode(data["authorizationToken"]).partition(b":")[2]
    command = ["docker", "login", "--username", "AWS", "--password-stdin", registry]
    done = subprocess.run(command, input=password, capture_output=True)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise Failure(f"docker login to {registry} failed: {reason}", "Nothing was pushed.")
