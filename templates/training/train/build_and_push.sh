#!/usr/bin/env bash
# Builds the training image and pushes it to Amazon ECR. More: train/build_and_push.sh --help
set -euo pipefail
exec bash "$(dirname -- "${BASH_SOURCE[0]}")/../deploy/deployer/run" build_training "$@"
