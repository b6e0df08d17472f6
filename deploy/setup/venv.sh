#!/usr/bin/env bash
# Makes .venv from requirements.lock, or leaves it alone when it is as the lock says. Works in any folder.
#
# uv where it is installed, else python3 -m venv and pip; either with the user's own configuration of package indexes.
# The stamp is written last, so a .venv that was interrupted half way is made again.
# PYTHON=/path/to/python3.12 picks the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

venv=.venv
stamp=$venv/.stamp
log=.run/setup.log

fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

digest() { if command -v sha256sum > /dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-64; }

# What the packages depend on. The folder counts: a .venv that was moved or copied has the old paths in its scripts.
locked_state() { { cat requirements.lock && "$1" -VV && pwd -P; } | digest; }

# What the editable install of this project depends on.
project_state() { digest < pyproject.toml; }

has() { [ -f "$stamp" ] && grep -qx "$1 $2" "$stamp"; }

# A version manager's shim can exist and fail: it must run. Debian's python3 can lack venv: it must be whole.
usable() { "$1" -c "import sys; sys.exit(sys.version_info < (3, 11))" < /dev/null > /dev/null 2>&1; }
whole() { [ -n "$uv" ] || "$1" -c "import venv, ensurepip" < /dev/null > /dev/null 2>&1; }

find_python() {
  local candidate lacking=
  # Every one on PATH, not only the first: behind an old or broken python3 there may be a good one.
  while read -r candidate; do
    usable "$candidate" || continue
    if whole "$candidate"; then
      # Not the shim's path but the interpreter's: the shim may point elsewhere tomorrow.
      "$candidate" -c "import sys; print(sys.executable)"
      return
    fi
    lacking=$candidate
  done < <(
    [ -z "${PYTHON:-}" ] || echo "$PYTHON"
    type -ap python3 python3.14 python3.13 python3.12 python3.11
  )
  [ -z "$lacking" ] || fail "$lacking cannot make virtual environments: install python3-venv, or uv."
  fail "no Python 3.11 or newer: install one (with its venv module), or uv, or set PYTHON to its path."
}

quietly() {
  if ! "$@" >> "$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "this failed: $*" "its whole output is in $log"
  fi
}

make_venv() {
  rm -rf "$venv"
  if [ -n "$uv" ]; then
    quietly uv venv --quiet --python "$1" "$venv"
    quietly uv pip install --quiet --python "$venv/bin/python" --require-hashes -r requirements.lock
  else
    quietly "$1" -m venv "$venv"
    quietly "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
  fi
}

install_project() {
  # hatchling and editables come from the lock, so that the build fetches nothing that is not pinned.
  if [ -n "$uv" ]; then
    quietly uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e .
  else
    quietly "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
  fi
}

up_to_date() {
  local python=$venv/bin/python
  [ -x "$python" ] || return 1
  if [ -n "${PYTHON:-}" ] && usable "$PYTHON"; then python=$PYTHON; fi
  has locked "$(locked_state "$python")"
}

if up_to_date && has project "$(project_state)"; then
  exit 0
fi

mkdir -p .run
if command -v flock > /dev/null; then  # two commands at the same time make it once
  exec 9> .run/venv.lock
  flock 9
  if up_to_date && has project "$(project_state)"; then
    exit 0
  fi
fi

: > "$log"
uv=$(command -v uv || true)
started=$SECONDS
if ! up_to_date; then
  python=$(find_python)
  echo "setup: setting up .venv (about 30 s the first time) …" >&2
  make_venv "$python"
fi
rm -f "$stamp"
install_project
printf 'locked %s\nproject %s\n' "$(locked_state "$venv/bin/python")" "$(project_state)" > "$stamp.new"
mv "$stamp.new" "$stamp"
echo "setup: .venv done in $((SECONDS - started)) s" >&2
