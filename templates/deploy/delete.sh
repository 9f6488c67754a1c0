#!/usr/bin/env bash
# Removes what was deployed. More: deploy/delete.sh --help
set -euo pipefail
exec bash "$(dirname -- "${BASH_SOURCE[0]}")/deployer/run" delete "$@"
