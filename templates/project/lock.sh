#!/usr/bin/env bash
# Usage: ./lock.sh [OPTION OF uv pip compile]…
#        ./lock.sh --check | --python
#
# Makes requirements.txt from requirements.in: every package with its version, for the Python in .python-version and for
# x86_64 and aarch64. Versions that are in requirements.txt stay where they can. Run it after a change in either file.
#
#   --upgrade                       the newest version of everything that requirements.in leaves open
#   --upgrade-package NAME          the same for one package
#   --exclude-newer 2024-01-31      nothing newer than that day: an old library with others of its time
#   --check                         fails where requirements.txt does not belong to requirements.in and .python-version
#   --python                        prints the Python of this machine to use: PYTHON, the version of the image, or python3
#
# Needs uv, and installs it into .uv where it is missing. An index of your own: UV_DEFAULT_INDEX.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")"

fail() {
  echo "lock.sh: $*" >&2
  exit 1
}

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

# check_line FOLDER: the first line of a lock whose other lines are on stdin
check_line() {
  printf '# Check: %s\n' "$(cat "$1/requirements.in" .python-version - | sha256 | cut -c 1-16)"
}

# belongs FOLDER: whether its lock is the one that was made from its requirements.in
belongs() {
  [ "$(head -n 1 "$1/requirements.txt")" = "$(tail -n +2 "$1/requirements.txt" | check_line "$1")" ]
}

find_uv() {
  if command -v uv >/dev/null; then
    uv=uv
  else
    uv=$PWD/.uv/bin/uv
    [ ! -x "$uv" ] || return 0
    echo 'Installing uv into .uv' >&2
    if ! python3 -m venv .uv >&2 || ! .uv/bin/python -m pip install --quiet --disable-pip-version-check uv >&2; then
      fail 'uv cannot be installed; the reason is above. Install uv and try again.'
    fi
  fi
}

# find_python: the path of the first that runs and is new enough for the serving code
find_python() {
  local code='import sys; sys.version_info >= (3, 10) and print(sys.executable)' found=''
  if [ -n "${PYTHON:-}" ]; then
    found=$("$PYTHON" -c "$code" 2>/dev/null) || true
  else
    found=$("python$python" -c "$code" 2>/dev/null || UV_PYTHON_DOWNLOADS=never uv python find --system "$python" 2>/dev/null) || true
    [ -n "$found" ] || found=$(cd / && python3 -c "$code" 2>/dev/null) || true # from /: pyenv, too, reads .python-version
  fi
  [ -n "$found" ] || fail "${PYTHON:-python3} is not Python 3.10 or newer. Install Python $python, or name one: PYTHON=/path/to/python3"
  echo "$found"
}

# compile FOLDER PLATFORM [OPTION]…: the pins for one platform, on stdout
compile() {
  local folder=$1 platform=$2 unwanted='^#'
  shift 2
  # What the build of a package on PyPI brings for GPUs, where the image gets the build for CPUs.
  grep -q '^# .* for CPUs: ' "$folder/requirements.in" && unwanted='^(#|nvidia-|cuda-|triton==)'
  { cat "$folder/requirements.txt" 2>/dev/null || true; } >"$scratch/$platform" # the versions to keep where they fit
  (cd "$folder" && MACOSX_DEPLOYMENT_TARGET=15.0 "$uv" pip compile requirements.in --quiet --no-header --no-annotate \
    --no-build --python-version "$python" --python-platform "$platform" --output-file "$scratch/$platform" "$@") || return
  grep -Ev "$unwanted" "$scratch/$platform" || true
}

# merge FILE…: the pins for x86_64, aarch64 and a Mac as one list; what is not in each gets a marker
merge() {
  awk '
    FNR == 1 { bit = bit ? 2 * bit : 1 }
    !($0 in where) { order[++count] = $0 }
    { where[$0] += bit }
    END {
      split("1:platform_machine == \"x86_64\"|2:platform_machine == \"aarch64\"|3:sys_platform == \"linux\"" \
        "|4:sys_platform == \"darwin\"|5:platform_machine != \"aarch64\"|6:platform_machine != \"x86_64\"", rows, "|")
      for (at in rows) marker[substr(rows[at], 1, 1)] = " ; " substr(rows[at], 3)
      for (at = 1; at <= count; at++) print order[at] (bit == 1 ? "" : marker[where[order[at]]])
    }' "$@" | LC_ALL=C sort -s -t= -k1,1
}

# lock FOLDER [OPTION]…
lock() {
  local folder=$1 x86 arm mac
  shift
  x86=$scratch/x86 arm=$scratch/arm mac=$scratch/mac
  compile "$folder" x86_64-manylinux_2_28 "$@" >"$x86" || no_solution "$folder"
  if grep -q '^# With CUDA' "$folder/requirements.in"; then
    merge "$x86" >"$scratch/pins"
  else
    compile "$folder" aarch64-manylinux_2_28 "$@" >"$arm" || no_solution "$folder"
    # To try the model on a laptop. Old packages have no builds for Apple silicon: there, pip tries to build them.
    compile "$folder" aarch64-apple-darwin "$@" >"$mac" 2>/dev/null || cp "$arm" "$mac"
    merge "$x86" "$arm" "$mac" >"$scratch/pins"
  fi
  {
    echo '# Made by ./lock.sh from requirements.in: change that.'
    grep '^# .* for CPUs: ' "$folder/requirements.in" || true
    cat "$scratch/pins"
  } >"$scratch/body"
  { check_line "$folder" <"$scratch/body" && cat "$scratch/body"; } >"$scratch/whole"
  cp "$scratch/whole" "$folder/requirements.txt"
  echo "$folder/requirements.txt: $(grep -vc '^#' "$folder/requirements.txt") packages, for Python $python" >&2
}

no_solution() {
  fail "$1/requirements.in cannot be resolved for Python $python; the reason is above. Nothing was changed." \
    "For 'no usable wheels': name a Python in .python-version that the package has builds for."
}

case " $* " in
  *' --help '* | *' -h '*)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
[ -f .python-version ] || fail 'There is no .python-version. Write the Python of the image there, such as 3.13.'
python=$(cat .python-version)
folders=(.)
[ ! -f train/requirements.in ] || folders+=(train)
if [ "$*" = --python ]; then
  find_python
  exit
fi
if [ "$*" = --check ]; then
  for folder in "${folders[@]}"; do
    [ -f "$folder/requirements.txt" ] || fail "There is no $folder/requirements.txt. Type: ./lock.sh"
    belongs "$folder" || fail "$folder/requirements.txt does not belong to $folder/requirements.in and .python-version. Type: ./lock.sh"
  done
  exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export UV_PYTHON_DOWNLOADS=never # the Python to resolve for need not be installed
find_uv
for folder in "${folders[@]}"; do lock "$folder" "$@"; done
