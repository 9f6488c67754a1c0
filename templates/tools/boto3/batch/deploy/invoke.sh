#!/usr/bin/env bash
# Usage: deploy/invoke.sh FILE [CONTENT-TYPE]
#
# Predicts FILE in a job of its own, with deploy.py, and prints the predictions.
#
#   CONTENT-TYPE   what is in it; without it, by the ending: .jsonl .csv .json .npy .libsvm
#
# A file that is not made of lines is one request. Settings: deploy/settings.sh. Needs python3 and boto3.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

require_request "$@"
require_python
python3 "$DEPLOY_DIR/deploy.py" invoke "$1" "$CONTENT_TYPE"
