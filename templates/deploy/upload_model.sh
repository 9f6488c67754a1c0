#!/usr/bin/env bash
# Uploads the model to S3. More: deploy/upload_model.sh --help
set -euo pipefail
exec bash "$(dirname -- "${BASH_SOURCE[0]}")/deployer/run" upload_model "$@"
