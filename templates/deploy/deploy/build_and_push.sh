#!/usr/bin/env bash
# Usage: deploy/build_and_push.sh
#
# Builds the image for the architecture it will run on and pushes it to the project's own repository in Amazon ECR,
# which is made if missing. The tag names the content: what was pushed before is not pushed again.
#
#   DOCKER_BUILD_OPTS   more options of docker buildx build, such as --no-cache
#
# Prints the image's name with its digest, which deploy.sh then deploys. Settings: deploy/settings.sh.
# Needs Docker with buildx and the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

require_docker() {
  local platforms
  command -v docker >/dev/null || fail 'Docker is missing.' 'Install it: https://docs.docker.com/engine/install/'
  docker version >/dev/null 2>"$SCRATCH/error" \
    || fail "Docker does not answer: $(tail -n 1 "$SCRATCH/error")" 'Start it and try again.'
  docker buildx version >/dev/null 2>&1 \
    || fail 'Docker has no buildx.' 'Install it: https://docs.docker.com/build/install-buildx/'
  platforms=$(docker buildx inspect --bootstrap 2>/dev/null | sed -n 's/^Platforms: *//p' | tr -d ' *' | tr '\n' ',')
  case ,$platforms in
    , | *",$PLATFORM,"*) ;;
    *)
      fail "An image for $PLATFORM is needed, and this Docker builds only for ${platforms%,}." \
        "Install emulation (docker run --privileged --rm tonistiigi/binfmt --install ${PLATFORM#*/}), or build on such a machine."
      ;;
  esac
}

# build: IMAGE_ID
build() {
  local options=() architecture
  IFS=$' \t\n' read -r -d '' -a options <<<"${DOCKER_BUILD_OPTS:-}" || true
  say "Building $PROJECT_NAME for $PLATFORM from $BASE_IMAGE"
  docker buildx build --platform "$PLATFORM" --provenance=false --load --build-arg "BASE_IMAGE=$BASE_IMAGE" \
    --tag "$PROJECT_NAME" --iidfile "$SCRATCH/image" ${options[@]+"${options[@]}"} "$PROJECT_DIR" >&2 \
    || fail 'The image could not be built; the reason is above.' 'Nothing was pushed. Correct it and try again.'
  IMAGE_ID=$(cat "$SCRATCH/image")
  architecture=$(docker image inspect --format '{{.Os}}/{{.Architecture}}' "$IMAGE_ID")
  [ "$architecture" = "$PLATFORM" ] \
    || fail "The image is for $architecture instead of $PLATFORM." "Is BASE_IMAGE ($BASE_IMAGE) one for $PLATFORM?"
  fits_serverless "$(docker image inspect --format '{{.Size}}' "$IMAGE_ID")"
}

pushed() { # pushed TAG: the digest of what has this tag
  ask ecr describe-images --repository-name "$PROJECT_NAME" --image-ids "imageTag=$1" \
    --query 'imageDetails[0].imageDigest'
}

push() { # push TAG
  aws ecr get-login-password 2>"$SCRATCH/error" \
    | docker login --username AWS --password-stdin "${REPOSITORY%%/*}" >/dev/null 2>>"$SCRATCH/error" \
    || fail "Signing in to ${REPOSITORY%%/*} failed: $(cat "$SCRATCH/error")" 'Nothing was pushed.'
  docker tag "$IMAGE_ID" "$REPOSITORY:$1"
  docker push "$REPOSITORY:$1" >&2 || fail "$REPOSITORY:$1 could not be pushed; the reason is above." 'Try again.'
}

[ $# = 0 ] || misuse "build_and_push.sh takes no arguments: $*"
[ "$MODEL_DELIVERY" = s3 ] || require_model
require_docker
sign_in
build
require_repository
tag=${PLATFORM#*/}-$(cut -c 8-19 <<<"$IMAGE_ID")
digest=$(pushed "$tag")
if [ -n "$digest" ]; then
  say "This image is pushed already, as $tag."
else
  push "$tag"
  digest=$(pushed "$tag")
fi
record "image-${PLATFORM#*/}" "$REPOSITORY@$digest"
next=$(deployment)
[ "$MODEL_DELIVERY" = image ] || [ -n "$(recall model)" ] || next=$(typed deploy/upload_model.sh)
say "Next: $next"
echo "$REPOSITORY@$digest"
