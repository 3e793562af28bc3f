#!/usr/bin/env bash
# Installs what the tests need, then runs everything. Works on a bare Debian or Ubuntu machine
# with Rust and a C compiler, and on a laptop where the tools are there already.
#
#   ./scripts/test.sh            everything
#   ./scripts/test.sh rust       one part: lint, rust, build, python, openai, mcp, npm
#
# A part that cannot run is a failure with the reason, never a skip.
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/pyairtable"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
clients=crates/pyairtable/tests/clients
started=$SECONDS

say() { printf '\n== %s (after %d s)\n' "$*" $((SECONDS - started)); }
die() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# --- what the tests need -------------------------------------------------------------------------

have cargo || die "Rust is missing: install it with rustup (the version stands in rust-toolchain.toml)"
have cc || die "a C compiler is missing: install gcc or clang (SQLite and ring are built from source)"

missing=()
need() { have "$1" || missing+=("$2"); }
need python3 python3
have python3 && python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
need node nodejs
need npm npm
need ip iproute2          # loopback inside an empty network namespace
need unshare util-linux
need strace strace        # shows that an embedded start connects to loopback only
# The tests start servers of their own, from these programs, on ports of their own.
servers=()
need openssl openssl      # makes their certificates
have redis-server || servers+=(redis-server)
have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || servers+=(postgresql)
missing+=("${servers[@]}")
if ((${#missing[@]})); then
  have apt-get || die "please install: ${missing[*]}"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    have sudo || die "please install as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  # Installing them starts them as services of this machine, which nobody asked for.
  for service in "${servers[@]}"; do
    if have systemctl && [ -d /run/systemd/system ]; then
      "${as_root[@]}" systemctl disable --now "$service" >/dev/null 2>&1 || true
    else
      "${as_root[@]}" service "$service" stop >/dev/null 2>&1 || true
      "${as_root[@]}" update-rc.d "$service" disable >/dev/null 2>&1 || true
    fi
  done
fi
for component in fmt clippy; do
  cargo "$component" --version >/dev/null 2>&1 || die "cargo $component is missing: rustup component add rustfmt clippy"
done

# A virtual environment that is made anew when the list of its packages changes.
venv() { # name, requirements file
  local dir="$cache/venv-$1" stamp
  stamp=$(sha256sum "$2" | cut -c1-16)-$(python3 -c 'import sys; print(sys.version_info[:3])' | tr -dc 0-9)
  if [ "$(cat "$dir/.stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$dir"
    python3 -m venv "$dir"
    "$dir/bin/pip" install --quiet --disable-pip-version-check -r "$2"
    echo "$stamp" >"$dir/.stamp"
  fi
  echo "$dir/bin"
}

# --- the parts -----------------------------------------------------------------------------------

run_lint() {
  say "format, lints, documentation, dependency rules"
  cargo fmt --all --check
  cargo clippy --workspace --all-targets --locked -- -D warnings
  RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
  # Advisories need the network and are checked by the hosted pipeline; the rest is checked here.
  PATH="$(venv tools scripts/requirements-tools.txt):$PATH" cargo deny --log-level error check licenses bans sources
}

run_build() {
  say "the release binaries that a user runs"
  cargo build --release --locked --workspace --bins
}

run_rust() {
  say "Rust tests"
  # A minute under full load (a laptop that runs `cargo test` by itself takes a few seconds of it).
  PYAIRTABLE_LOAD_SECONDS=60 cargo test --workspace --locked --no-fail-fast
}

run_python() {
  say "the pyairtable client against emulator and gateway"
  PYAIRTABLE_BIN_DIR="$CARGO_TARGET_DIR/release" PYTHONDONTWRITEBYTECODE=1 \
    "$(venv clients "$clients/python/requirements.txt")/python" -m pytest -q -p no:cacheprovider "$clients/python"
  say "Google's own client against the emulated Gemini"
  PYAIRTABLE_BIN_DIR="$CARGO_TARGET_DIR/release" PYTHONDONTWRITEBYTECODE=1 \
    "$(venv genai "$clients/python_genai/requirements.txt")/python" -m pytest -q -p no:cacheprovider "$clients/python_genai"
}

run_openai() {
  say "OpenAI's client against the chat"
  PYAIRTABLE_BIN_DIR="$CARGO_TARGET_DIR/release" PYTHONDONTWRITEBYTECODE=1 \
    "$(venv openai "$clients/python_openai/requirements.txt")/python" -m pytest -q -p no:cacheprovider "$clients/python_openai"
}

run_mcp() {
  # Hosts have the client before 2026-07-28 or the one after it, which cannot live in one environment.
  local generation
  for generation in 1 2; do
    say "the Model Context Protocol's Python client, generation $generation, over HTTP and standard input and output"
    PYAIRTABLE_BIN_DIR="$CARGO_TARGET_DIR/release" PYTHONDONTWRITEBYTECODE=1 \
      "$(venv "mcp-$generation" "$clients/python_mcp/requirements-$generation.txt")/python" \
      -m pytest -q -p no:cacheprovider "$clients/python_mcp"
  done
}

run_npm() {
  say "the airtable npm client against emulator and gateway"
  # The packages live beside the other caches, so that the checkout stays clean.
  local dir="$cache/npm"
  mkdir -p "$dir"
  cp "$clients/npm/package.json" "$clients/npm/package-lock.json" "$dir/"
  (cd "$dir" && npm ci --silent --no-audit --no-fund)
  PYAIRTABLE_BIN_DIR="$CARGO_TARGET_DIR/release" NODE_PATH="$dir/node_modules" node --test "$clients"/npm/*.test.mjs
}

parts=("$@")
((${#parts[@]})) || parts=(lint build rust python openai mcp npm)
for part in "${parts[@]}"; do
  case "$part" in
    lint | build | rust | python | openai | mcp | npm) "run_$part" ;;
    *) die "no part '$part': lint, build, rust, python, openai, mcp, npm" ;;
  esac
done
say "all parts passed: ${parts[*]}"
