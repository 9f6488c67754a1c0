#!/usr/bin/env bash
# Creates the role that SageMaker assumes. More: deploy/iam/create_role.sh --help
set -euo pipefail
exec bash "$(dirname -- "${BASH_SOURCE[0]}")/../deployer/run" create_role "$@"
