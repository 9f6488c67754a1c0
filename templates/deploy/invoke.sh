#!/usr/bin/env bash
# Sends a request and prints the response. More: deploy/invoke.sh --help
set -euo pipefail
exec bash "$(dirname -- "${BASH_SOURCE[0]}")/deployer/run" invoke "$@"
