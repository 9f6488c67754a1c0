#!/usr/bin/env bash
# Builds the image and pushes it to Amazon ECR. More: deploy/build_and_push.sh --help
set -euo pipefail
exec bash "$(dirname -- "${BASH_SOURCE[0]}")/deployer/run" build_and_push "$@"
