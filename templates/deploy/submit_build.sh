#!/usr/bin/env bash
# Builds the image in AWS CodeBuild. More: deploy/submit_build.sh --help
set -euo pipefail
exec bash "$(dirname -- "${BASH_SOURCE[0]}")/deployer/run" submit_build "$@"
