#!/usr/bin/env bash
# Serve the model on this machine and send it one request. See --help.
set -euo pipefail
set -m # each step runs in its own process group, so that it can be killed with its children

usage() {
  cat <<'END'
Usage: test/run_local.sh [--keep] [--wait SECONDS] [FILE [CONTENT-TYPE]]

Starts code/serve on this machine with the model in model/, sends one request, prints the response
as the last line of stdout and stops the server. Needs neither Docker nor AWS. Warnings and errors
from the server's log are shown on stderr.

FILE            the request (default: test/sample_request.json)
CONTENT-TYPE    its content type (default: inferred from .json .jsonl .csv .npy .libsvm)
--keep          keep the server running until Ctrl-C, and show its log and how to send requests;
                also works without a request
--wait SECONDS  the maximum time to load the model (default: 480, as on an endpoint)

The first run creates a virtual environment in .venv and installs requirements.txt into it.
If model/ is empty and there is a sample_model/, the sample is trained first.

Environment variables:
PYTHON          the Python to use (default: the version in .python-version, as in the image, or python3)
CPU_INDEX       a package index with CPU builds (default: the one in requirements.txt, if any)
END
}

say() { echo "$*" >&2; }

fail() {
  say "run_local.sh: $*"
  exit 1
}

# Run one step with its output on stderr. Unlike a foreground process, `wait` returns immediately on Ctrl-C.
step() {
  "$@" >&2 &
  wait "$!"
}

# Kill whatever is still running on exit.
clean_up() {
  local group
  for group in $(jobs -p); do
    kill -- "-$group" 2>/dev/null || true
  done
  wait || true
}

has_model() { [[ -n $(find model -mindepth 1 -maxdepth 1 ! -name '.*' -print -quit 2>/dev/null) ]]; }

check_files() {
  if ! has_model && [[ ! -f sample_model/train.py ]]; then
    fail "model/ is empty. Put your model files there."
  fi
}

install_requirements() {
  local python version image advice installed=.venv/installed.txt
  [[ -f requirements.txt ]] || step ./lock.sh || fail "There is no requirements.txt, and ./lock.sh failed."
  ./lock.sh --check || fail "requirements.txt is out of sync with requirements.in or .python-version."
  python=$(./lock.sh --python) || fail "No suitable Python was found; the reason is above."
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  image=$(cat .python-version)
  [[ $version == "$image" ]] || say "Serving on Python $version; the image has $image. To use the same: uv python install $image"
  if { echo "$version" && cat requirements.txt; } | cmp -s - "$installed" && .venv/bin/python -c '' 2>/dev/null; then
    return
  fi
  say "Installing requirements.txt in .venv (once; takes a minute or two)"
  step "$python" -m venv --clear .venv || fail "$python cannot create a virtual environment. On Debian: apt install python3-venv"
  install_for_cpus
  if ! install -r requirements.txt; then
    # uv ignores upper limits in Requires-Python; pip does not.
    advice="If it mentions Requires-Python, set another version of that package in requirements.in, then run ./lock.sh."
    [[ $version == "$image" ]] || advice="requirements.txt is for Python $image, and this is $version."
    fail "requirements.txt cannot be installed; pip's error is above. $advice"
  fi
  { echo "$version" && cat requirements.txt; } >"$installed"
}

# Install the package whose CPU builds are not on PyPI. requirements.txt names it and its index.
install_for_cpus() {
  local package index
  read -r package index < <(sed -n 's/^# \(.*\) for CPUs: /\1 /p' requirements.txt) || return 0
  index=${CPU_INDEX:-$index}
  install --no-deps --retries 1 --timeout 15 --index-url "$index" "$(grep "^$package==" requirements.txt)" ||
    say "$index cannot be reached: installing $package from PyPI, which can include gigabytes of CUDA libraries"
}

install() { step .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }

misuse() {
  say "run_local.sh: $* See test/run_local.sh --help"
  exit 2
}

# Parse the arguments into keep, seconds, file and type.
parse() {
  keep='' seconds=480 file='' type=''
  while (($#)); do
    case $1 in
      -h | --help) usage && exit ;;
      --keep) keep=--keep ;;
      --wait=*) seconds=${1#*=} ;;
      --wait) seconds=${2:-} && shift "$(($# > 1))" ;;
      -*) misuse "Unknown option $1." ;;
      *)
        [[ -z $type ]] || misuse "Unexpected argument $1."
        if [[ -z $file ]]; then file=$1; else type=$1; fi
        ;;
    esac
    shift
  done
  [[ $seconds =~ ^[1-9][0-9]{0,4}$ ]] || misuse "--wait takes whole seconds, 1 to 99999, not '$seconds'."
}

# Check the request before anything is installed. Make FILE an absolute path and infer its type.
find_request() {
  [[ -n $file ]] || return 0
  [[ -f $file && -r $file ]] || fail "$file is not a readable file. Give the path of a request."
  type=${type:-$(content_type "$file")}
  [[ -n $type ]] || fail "Cannot infer the content type of $file. Pass it: test/run_local.sh FILE CONTENT-TYPE"
  [[ $file == /* ]] || file=$PWD/$file
}

# The content type by extension, as in deploy/invoke.sh; empty if unknown.
content_type() {
  case $(tr '[:upper:]' '[:lower:]' <<<"$1") in
    *.json) echo application/json ;;
    *.jsonl | *.jsonlines) echo application/jsonlines ;;
    *.csv) echo text/csv ;;
    *.npy) echo application/x-npy ;;
    *.libsvm | *.svmlight) echo text/libsvm ;;
  esac
}

# Use the default request if no FILE was given. Training the sample creates it.
check_request() {
  [[ -z $file ]] || return 0
  if [[ -f test/sample_request.json ]]; then
    file=test/sample_request.json type=application/json
  elif has_model && [[ -z $keep ]]; then
    local describe=''
    [[ ! -f tools/describe_model.py ]] || describe=$'\nor generate it with tools/describe_model.py where the model was trained,'
    fail "There is no test/sample_request.json. Create it with a request for your model, such as
  {\"instances\": [[1.0, 2.0]]}$describe
or pass another file: test/run_local.sh FILE
or only start the server: test/run_local.sh --keep"
  fi
}

main() {
  parse "$@"
  find_request
  cd "$(dirname "${BASH_SOURCE[0]}")/.."
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP

  check_files
  check_request
  install_requirements
  if ! has_model; then
    say "model/ is empty: training the sample model"
    if [[ -f sample_model/requirements.txt ]]; then
      install -r sample_model/requirements.txt || fail "sample_model/requirements.txt cannot be installed."
    fi
    step .venv/bin/python sample_model/train.py || fail "sample_model/train.py failed; see its error above."
    check_files
    check_request
  fi
  # local_server.py handles signals from here on, and stops the server.
  exec .venv/bin/python test/local_server.py ${keep:+"$keep"} --wait "$seconds" ${file:+"$file" "$type"}
}

main "$@"
