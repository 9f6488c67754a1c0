#!/usr/bin/env bash
# Deploys the image and the model. More: deploy/deploy.sh --help
set -euo pipefail
exec bash "$(dirname -- "${BASH_SOURCE[0]}")/deployer/run" deploy "$@"
