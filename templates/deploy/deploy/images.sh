# shellcheck shell=bash
# shellcheck disable=SC2034  # what is set here is for the scripts that source it
# What the scripts that build images share, beside common.sh.

# require_docker PLATFORM: Docker answers, has buildx, and can build for this platform
require_docker() {
  local platforms
  command -v docker >/dev/null || fail 'Docker is missing.' 'Install it: https://docs.docker.com/engine/install/'
  docker version >/dev/null 2>"$SCRATCH/error" \
    || fail "Docker does not answer: $(tail -n 1 "$SCRATCH/error")" 'Start it and try again.'
  docker buildx version >/dev/null 2>&1 \
    || fail 'Docker has no buildx.' 'Install it: https://docs.docker.com/build/install-buildx/'
  platforms=$(docker buildx inspect --bootstrap 2>/dev/null | sed -n 's/^Platforms: *//p' | tr -d ' *' | tr '\n' ',')
  case ,$platforms in
    , | *",$1,"*) ;;
    *)
      fail "An image for $1 is needed, and this Docker builds only for ${platforms%,}." \
        "Install emulation (docker run --privileged --rm tonistiigi/binfmt --install ${1#*/}), or build on such a machine."
      ;;
  esac
}

# build NAME PLATFORM FOLDER: IMAGE_ID
build() {
  local options=() architecture
  IFS=$' \t\n' read -r -d '' -a options <<<"${DOCKER_BUILD_OPTS:-}" || true
  bash "$PROJECT_DIR/lock.sh" --check || fail 'Nothing was built.'
  say "Building $1 for $2 from $BASE_IMAGE"
  docker buildx build --platform "$2" --provenance=false --load --build-arg "BASE_IMAGE=$BASE_IMAGE" \
    --tag "$1" --iidfile "$SCRATCH/image" ${options[@]+"${options[@]}"} "$3" >&2 \
    || fail 'The image could not be built; the reason is above.' 'Nothing was pushed. Correct it and try again.'
  IMAGE_ID=$(cat "$SCRATCH/image")
  architecture=$(docker image inspect --format '{{.Os}}/{{.Architecture}}' "$IMAGE_ID")
  [ "$architecture" = "$2" ] \
    || fail "The image is for $architecture instead of $2." "Is BASE_IMAGE ($BASE_IMAGE) one for $2?"
}

# push TAG: IMAGE_ID to REPOSITORY, under TAG and so much of its hash; not again if that is there. DIGEST
push() {
  local tag
  tag=$1-$(cut -c 8-19 <<<"$IMAGE_ID")
  DIGEST=$(digest_of "$tag")
  [ -z "$DIGEST" ] || { say "This image is pushed already, as $tag." && return; }
  aws ecr get-login-password 2>"$SCRATCH/error" \
    | docker login --username AWS --password-stdin "${REPOSITORY%%/*}" >/dev/null 2>>"$SCRATCH/error" \
    || fail "Signing in to ${REPOSITORY%%/*} failed: $(cat "$SCRATCH/error")" 'Nothing was pushed.'
  docker tag "$IMAGE_ID" "$REPOSITORY:$tag"
  docker push "$REPOSITORY:$tag" >&2 || fail "$REPOSITORY:$tag could not be pushed; the reason is above." 'Try again.'
  DIGEST=$(digest_of "$tag")
}

digest_of() { # digest_of TAG: the digest of what was pushed under it
  ask ecr describe-images --repository-name "$PROJECT_NAME" --image-ids "imageTag=$1" \
    --query 'imageDetails[0].imageDigest'
}
