#!/usr/bin/env bash
# Usage: train/build_and_push.sh
#
# Builds the training image, for x86_64 as all training jobs are, and pushes it to the project's own repository in Amazon
# ECR, which is made if missing. The tag names the content: what was pushed before is not pushed again.
#
#   DOCKER_BUILD_OPTS   more options of docker buildx build, such as --no-cache
#
# Prints the image's name with its digest, which fit.py then takes. Settings: deploy/settings.sh.
# Needs Docker with buildx and the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/../deploy/common.sh"
# shellcheck source=/dev/null
. "$DEPLOY_DIR/images.sh"

[ $# = 0 ] || misuse "build_and_push.sh takes no arguments: $*"
require_docker linux/amd64
sign_in
build "$PROJECT_NAME-train" linux/amd64 "$PROJECT_DIR/train"
require_repository
push train-amd64
record train-image "$REPOSITORY@$DIGEST"
next="python3 $(typed train/fit.py) TRAIN.csv"
[ -n "$ROLE_ARN$(recall role)" ] || next="$(typed deploy/iam/create_role.sh) && $next"
say "Next: $next"
echo "$REPOSITORY@$DIGEST"
