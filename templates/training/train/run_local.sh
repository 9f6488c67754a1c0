#!/usr/bin/env bash
# Usage: train/run_local.sh [--force] [--validation FILE] [--hyperparameter NAME=VALUE]… [TRAIN]
#
# Runs train/train.py on this machine with the CSV file or folder TRAIN (label in the first column), in SageMaker's folder
# layout, and puts the model into model/, where test/run_local.sh serves it. TRAIN defaults to generated data if the
# project has a sample_model/. The first run creates a virtual environment in train/.venv and installs
# train/requirements.txt.
#
#   --force     replace the model in model/
#
# Environment variables:
#   PYTHON      the Python to use (default: the image's version, in .python-version, or python3)
#   CPU_INDEX   the index for CPU builds, if train/requirements.txt names one
#
# Prints the model's folder. Needs neither Docker nor AWS.
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

fail() {
  echo "ERROR: $*" >&2
  exit 1
}

install() { "$here/.venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2; }

# What train/.venv must contain: the Python version and the requirements.
wanted() { "$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' && cat "$here/requirements.txt"; }

make_environment() {
  local package index
  echo 'Installing train/requirements.txt into train/.venv (once; a minute or two)' >&2
  "$python" -m venv --clear "$here/.venv" || fail "$python has no venv module. On Debian, run: apt install python3-venv"
  # A package whose CPU builds are not on PyPI: requirements.txt names it and their index.
  if read -r package index < <(sed -n 's/^# \(.*\) for CPUs: /\1 /p' "$here/requirements.txt"); then
    install --no-deps --retries 1 --timeout 15 --index-url "${CPU_INDEX:-$index}" \
      "$(grep "^$package==" "$here/requirements.txt")" \
      || echo "The index cannot be reached: installing $package from PyPI, which can include gigabytes of CUDA libraries" >&2
  fi
  install -r "$here/requirements.txt" || fail 'train/requirements.txt could not be installed; the reason is above.'
  wanted >"$here/.venv/installed.txt"
}

case " $* " in
  *' --help '* | *' -h '*)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
python=$("$here/../lock.sh" --python) || fail 'No suitable Python was found.'
"$python" "$here/local_job.py" --check "$@" # before anything is installed
[ -f "$here/requirements.txt" ] || "$here/../lock.sh"
"$here/../lock.sh" --check || fail 'The requirements are out of sync; the reason is above.'
if [ "$(wanted)" != "$(cat "$here/.venv/installed.txt" 2>/dev/null)" ] || ! "$here/.venv/bin/python" -c ''; then
  make_environment
fi
exec "$here/.venv/bin/python" "$here/local_job.py" "$@"
