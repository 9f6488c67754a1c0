#!/usr/bin/env bash
# Serves the model on this machine and sends it one request. See --help.
set -euo pipefail
set -m # every step is a process group of its own, so that it can be ended with all it started

usage() {
  cat <<'END'
Usage: test/run_local.sh

Starts code/serve on this machine with the model in model/, sends test/sample_request.json,
prints the answer as the last line of stdout and stops the server. No Docker, no AWS.

The first run makes a virtual environment in .venv and downloads requirements.txt into it.
If model/ is empty and there is a sample_model/, the sample is trained first.

PYTHON      the Python to use (default: the version in .python-version, as the image has it, or python3)
CPU_INDEX   where pip finds builds for CPUs, if requirements.txt names such a place
END
}

say() { echo "$*" >&2; }

fail() {
  if [[ -s $log ]]; then
    say "The last lines of the server's log:"
    tail -n 20 "$log" >&2
  fi
  say "run_local.sh: $*"
  exit 1
}

# Runs one step; its output is for people. `wait`, unlike a step in the foreground, ends at once on Ctrl-C.
step() {
  "$@" >&2 &
  wait "$!"
}

# Ends whatever still runs, on every way out.
clean_up() {
  local group
  for group in $(jobs -p); do
    kill -- "-$group" 2>/dev/null || true
  done
  wait || true
  rm -f "$log"
}

has_model() { [[ -n $(find model -mindepth 1 -maxdepth 1 ! -name '.*' -print -quit 2>/dev/null) ]]; }

check_files() {
  if ! has_model && [[ ! -f sample_model/train.py ]]; then
    fail "model/ is empty. Put your model files there."
  fi
  if has_model && [[ ! -f $request ]]; then
    fail "There is no $request. Create it with a request for your model, such as {\"instances\": [[1.0, 2.0]]}."
  fi
}

install_requirements() {
  local python version image installed=.venv/installed.txt
  [[ -f requirements.txt ]] || step ./lock.sh || fail "There is no requirements.txt, and it could not be made."
  ./lock.sh --check || fail "requirements.txt is not what requirements.in asks for."
  python=$(./lock.sh --python) || fail "There is no Python to serve with."
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  image=$(cat .python-version)
  [[ $version == "$image" ]] || say "Serving on Python $version; the image has $image. To try it on that: uv python install $image"
  if { echo "$version" && cat requirements.txt; } | cmp -s - "$installed" && .venv/bin/python -c '' 2>/dev/null; then
    return
  fi
  say "Downloading requirements.txt into .venv (once; a minute or two)"
  step "$python" -m venv --clear .venv || fail "$python cannot make a virtual environment. On Debian: apt install python3-venv"
  install_for_cpus
  install -r requirements.txt || fail "requirements.txt cannot be installed; pip says why above. It is for Python $image, and this is $version."
  { echo "$version" && cat requirements.txt; } >"$installed"
}

# A package whose builds for CPUs are not on PyPI; requirements.txt says which, and where they are.
install_for_cpus() {
  local package index
  read -r package index < <(sed -n 's/^# \(.*\) for CPUs: /\1 /p' requirements.txt) || return 0
  index=${CPU_INDEX:-$index}
  install --no-deps --retries 1 --timeout 15 --index-url "$index" "$(grep "^$package==" requirements.txt)" ||
    say "$index cannot be reached: taking the $package of PyPI, which may bring CUDA, gigabytes of it"
}

install() { step .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }

# A port that nobody listens on, below those that Multi Model Server refuses.
free_port() {
  .venv/bin/python - <<'END'
import random, socket

while socket.socket().connect_ex(("127.0.0.1", port := random.randint(10000, 32767))) == 0:
    pass
print(port)
END
}

start_server() {
  port=$(free_port)
  say "Starting code/serve on port $port"
  SM_MODEL_DIR=$PWD/model SAGEMAKER_BIND_TO_PORT=$port .venv/bin/python code/serve >"$log" 2>&1 &
  server=$!
  local tries
  for ((tries = 0; tries < 600; tries++)); do
    kill -0 "$server" 2>/dev/null || fail "The server ended before it was ready."
    if call ping >/dev/null 2>&1; then
      return
    fi
    sleep 0.2
  done
  fail "The server did not answer /ping within two minutes."
}

# call PATH [FILE]: prints the answer on one line; the error of a refused request goes to stderr.
call() {
  .venv/bin/python - "http://127.0.0.1:$port/$1" "${@:2}" <<'END'
import json, pathlib, sys, urllib.error, urllib.request

url, *files = sys.argv[1:]
body = pathlib.Path(files[0]).read_bytes() if files else None
request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
try:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as response:
        answer = response.read()
except urllib.error.HTTPError as error:
    sys.exit(f"{error.code} {error.read().decode()}")
except OSError as error:
    sys.exit(f"No answer: {error}")
if files:
    print(json.dumps(json.loads(answer)))
END
}

main() {
  case ${1:-} in
    -h | --help) usage && return ;;
    ?*) say "run_local.sh: unknown argument $1. See test/run_local.sh --help" && return 2 ;;
  esac

  cd "$(dirname "${BASH_SOURCE[0]}")/.."
  request=test/sample_request.json
  log=$(mktemp)
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP

  check_files
  install_requirements
  if ! has_model; then
    say "model/ is empty: training the sample model"
    if [[ -f sample_model/requirements.txt ]]; then
      install -r sample_model/requirements.txt || fail "sample_model/requirements.txt cannot be installed."
    fi
    step .venv/bin/python sample_model/train.py || fail "sample_model/train.py failed. It says why above."
    check_files
  fi
  start_server
  say "Sending $request"
  call invocations "$request" || fail "The request was refused."
}

main "$@"
