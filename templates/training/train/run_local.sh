#!/usr/bin/env bash
# Usage: train/run_local.sh [--force] [--validation FILE] [--hyperparameter NAME=VALUE]… [TRAIN]
#
# Runs train/train.py on this machine with the csv file or folder TRAIN (label first), in folders as SageMaker has them,
# and puts the model into model/, from where test/run_local.sh serves it. Without TRAIN the data is made up, where there
# is a sample_model/. The first run makes a virtual environment in train/.venv, with train/requirements.txt in it.
#
#   --force     replaces the model that is in model/
#   PYTHON      the Python to use (default: the version in .python-version, as the image has it, or python3)
#   CPU_INDEX   where pip finds builds for CPUs, if train/requirements.txt names such a place
#
# Prints the model's folder. No Docker, no AWS.
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

fail() {
  echo "ERROR: $*" >&2
  exit 1
}

install() { "$here/.venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2; }

# What train/.venv has to be made of.
wanted() { "$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' && cat "$here/requirements.txt"; }

make_environment() {
  local package index
  echo 'Downloading train/requirements.txt into train/.venv (once; a minute or two)' >&2
  "$python" -m venv --clear "$here/.venv" || fail 'There is no venv in this Python. On Debian: apt install python3-venv'
  # A package whose builds for CPUs are not on PyPI: requirements.txt says which, and where they are.
  if read -r package index < <(sed -n 's/^# \(.*\) for CPUs: /\1 /p' "$here/requirements.txt"); then
    install --no-deps --retries 1 --timeout 15 --index-url "${CPU_INDEX:-$index}" \
      "$(grep "^$package==" "$here/requirements.txt")" \
      || echo "It cannot be reached: taking the $package of PyPI, which may bring CUDA, gigabytes of it" >&2
  fi
  install -r "$here/requirements.txt" || fail 'train/requirements.txt cannot be installed; pip says why above.'
  wanted >"$here/.venv/installed.txt"
}

case " $* " in
  *' --help '* | *' -h '*)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
[ -f "$here/requirements.txt" ] || "$here/../lock.sh"
"$here/../lock.sh" --check || fail 'train/requirements.txt is not what train/requirements.in asks for.'
python=$("$here/../lock.sh" --python) || fail 'There is no Python to train with.'
if ! wanted | cmp -s - "$here/.venv/installed.txt" || ! "$here/.venv/bin/python" -c ''; then
  make_environment
fi
exec "$here/.venv/bin/python" "$here/local_job.py" "$@"
