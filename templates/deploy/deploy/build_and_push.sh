#!/usr/bin/env bash
# Usage: deploy/build_and_push.sh
#
# Builds the image for the architecture it will run on and pushes it to the project's own repository in Amazon ECR,
# which is made if missing. The tag names the content: what was pushed before is not pushed again.
#
#   DOCKER_BUILD_OPTS   more options of docker buildx build, such as --no-cache
#
# Prints the image's name with its digest, which is deployed next. Settings: deploy/settings.sh.
# Needs Docker with buildx and the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=/dev/null
. "$DEPLOY_DIR/images.sh"

[ $# = 0 ] || misuse "build_and_push.sh takes no arguments: $*"
[ "$MODEL_DELIVERY" = s3 ] || require_model
require_docker "$PLATFORM"
sign_in
build "$PROJECT_NAME" "$PLATFORM" "$PROJECT_DIR"
fits_serverless "$(docker image inspect --format '{{.Size}}' "$IMAGE_ID")"
require_repository
push "${PLATFORM#*/}"
record "image-${PLATFORM#*/}" "$REPOSITORY@$DIGEST"
next=$(uploading)
say "Next: ${next:-$(deployment)}"
echo "$REPOSITORY@$DIGEST"
