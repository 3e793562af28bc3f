#!/usr/bin/env bash
# Installs what the tests need, then runs everything. Works on a bare Debian or Ubuntu machine
# with Rust and a C compiler, and on a laptop where the tools are there already.
#
#   ./scripts/test.sh                everything
#   ./scripts/test.sh rust npm       these parts: see `./scripts/test.sh list`
#   ./scripts/test.sh advisories     known weaknesses of dependencies (asks a database on the network)
#   ./scripts/test.sh smoke          the stack from images that are there (STACK_IMAGE_PREFIX, STACK_IMAGE_TAG)
#
# A part that cannot run is a failure with the reason, never a skip.
set -euo pipefail
cd "$(dirname "$0")/.."

all_parts=(lint delivery scripts build rust python openai mcp npm containers)
if [ "$*" = list ]; then
  printf '%s\n' "${all_parts[@]}"
  exit
fi

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

# Packages of npm live beside the other caches, so that the checkout stays clean. Sets node_modules.
node_packages() { # folder with package.json and package-lock.json
  local dir
  dir="$cache/npm-$(sha256sum "$1/package-lock.json" | cut -c1-16)"
  node_modules="$dir/node_modules"
  [ -e "$dir/.complete" ] && return
  mkdir -p "$dir"
  cp "$1/package.json" "$1/package-lock.json" "$dir/"
  (cd "$dir" && npm ci --silent --no-audit --no-fund)
  touch "$dir/.complete"
}

# --- the parts -----------------------------------------------------------------------------------

run_lint() {
  say "format, lints, documentation, dependency rules"
  cargo fmt --all --check
  cargo clippy --workspace --all-targets --locked -- -D warnings
  RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
  # Advisories need the network and are a part of their own; the rest is checked here.
  PATH="$(venv tools scripts/requirements-tools.txt):$PATH" cargo deny --log-level error check licenses bans sources
}

run_advisories() {
  say "known weaknesses of dependencies"
  PATH="$(venv tools scripts/requirements-tools.txt):$PATH" cargo deny --log-level error check advisories
}

run_delivery() {
  say "secrets in files and history; shell scripts, workflows, the compose file"
  ./scripts/scan-secrets.sh
  local files tools_path
  tools_path=$(venv tools scripts/requirements-tools.txt)
  local PATH="$tools_path:$PATH"
  mapfile -d '' files < <(git ls-files -z --cached --others --exclude-standard '*.sh')
  shellcheck --external-sources "${files[@]}"
  node_packages scripts/npm
  NODE_PATH="$node_modules" node scripts/check-workflows.cjs .github/workflows/*.yml
  check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
  check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
  zizmor --quiet --offline .github
  python scripts/check-workflows.py
  # The published schema of current compose; docker-compose 1.29 reads the file in the part `containers`.
  check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.minimal-working.yml
  python scripts/check-compose.py
}

run_scripts() {
  say "the scripts for credentials"
  PYTHONDONTWRITEBYTECODE=1 "$(venv tools scripts/requirements-tools.txt)/python" -m pytest -q -p no:cacheprovider scripts/tests
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
  say "the emulated Airtable against what Airtable's reference says"
  PYAIRTABLE_BIN_DIR="$CARGO_TARGET_DIR/release" PYTHONDONTWRITEBYTECODE=1 \
    "$(venv clients "$clients/python/requirements.txt")/python" -m pytest -q -p no:cacheprovider "$clients/python_airtable"
  say "and once more through the gateway, where every read is asked twice, so that its cache must say the same"
  PYAIRTABLE_BIN_DIR="$CARGO_TARGET_DIR/release" PYTHONDONTWRITEBYTECODE=1 \
    "$(venv clients "$clients/python/requirements.txt")/python" -m pytest -q -p no:cacheprovider --through-gateway \
    "$clients/python_airtable"
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
  node_packages "$clients/npm"
  PYAIRTABLE_BIN_DIR="$CARGO_TARGET_DIR/release" NODE_PATH="$node_modules" node --test "$clients"/npm/*.test.mjs
}

# An engine, compose, and base images: what is there, else what offline-base-images.sh can make of this machine.
use_engine() {
  local exports pid_file=/run/pyairtable-dockerd.pid
  [ -n "${engine_started+said}" ] && return
  engine_started=no
  if ! docker version >/dev/null 2>&1; then
    [ "$(id -u)" -eq 0 ] || die "the Docker engine is not running: start it, or run this as root on Debian or Ubuntu"
    # No engine answers, so a process id that is left there is of one that has ended.
    rm -f "$pid_file"
    engine_started=yes
    trap './scripts/offline-base-images.sh --stop-engine || true' EXIT
  fi
  exports=$(./scripts/offline-base-images.sh --if-needed --engine)
  eval "$exports"
}

# Both generations of compose where both can be had. The engine's users have the plugin; Debian 12 has the old program
# only, and the next Debian's package of the new one runs on it.
use_composes() {
  local dir="$cache/compose" plugin mirror
  OTHER_COMPOSE=
  case "$($COMPOSE version --short 2>/dev/null)" in
    1.*) ;;
    *)
      if have docker-compose && [ "$COMPOSE" != docker-compose ]; then OTHER_COMPOSE=docker-compose; fi
      [ -n "$OTHER_COMPOSE" ] || say "docker-compose 1.29 is not here: the stack is tried with current compose only"
      return
      ;;
  esac
  plugin="$dir/usr/libexec/docker/cli-plugins/docker-compose"
  if [ ! -x "$plugin" ]; then
    say "fetching current compose (Debian's package)"
    # shellcheck disable=SC2016 # the format is apt's
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "Debian" && !/security/ {print $2; exit}')}
    [ -n "$mirror" ] || die "apt has no source for Debian's packages here: set DEBIAN_MIRROR to a mirror of Debian"
    rm -rf "$dir"
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$dir/sources.list"
    local apt=(-qq -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$dir/lists"
      -o "Dir::Cache=$dir/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root)
    apt-get "${apt[@]}" update
    (cd "$dir" && apt-get "${apt[@]}" download docker-compose && dpkg -x docker-compose_*.deb .)
    rm -rf "$dir/lists" "$dir/cache" "$dir"/*.deb
  fi
  OTHER_COMPOSE=$COMPOSE
  COMPOSE=$plugin
}

containers=crates/pyairtable/tests/containers
container_tests() { # what pytest shall run
  use_engine
  use_composes
  export COMPOSE OTHER_COMPOSE
  TEST_LOGS="${TEST_LOGS:-$cache/test-logs}" PYTHONDONTWRITEBYTECODE=1 \
    "$(venv containers "$containers/requirements.txt")/python" -m pytest -q -p no:cacheprovider "$@"
}

run_containers() {
  say "the images, and the stack of them with a real engine"
  container_tests "$containers"
}

run_smoke() {
  say "the stack from the images ${STACK_IMAGE_PREFIX:-pyairtable/}*:${STACK_IMAGE_TAG:-latest}"
  container_tests --images-are-there "$containers/test_first_start.py"
}

parts=("$@")
((${#parts[@]})) || parts=("${all_parts[@]}")
for part in "${parts[@]}"; do
  [[ " ${all_parts[*]} advisories smoke " == *" $part "* ]] || die "no part '$part': ${all_parts[*]}, advisories, smoke"
done
for part in "${parts[@]}"; do
  "run_$part"
done
say "all parts passed: ${parts[*]}"
