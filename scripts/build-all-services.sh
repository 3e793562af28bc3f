#!/usr/bin/env bash
# Builds an image of each program of the workspace, tries each as compose would run it, and prints what came out.
#
#   ./scripts/build-all-services.sh                              all of them
#   ./scripts/build-all-services.sh --service mcp-server         one; can be given several times
#
#   --platform LIST   such as linux/arm64, or linux/amd64,linux/arm64 with --push (needs buildx); default: this machine's.
#                     What this machine cannot run is built and not tried
#   --push            push each image that was good
#   --no-cache        build everything anew, the dependencies too
#   --test            first run the tests of the programs that are built (needs Rust here)
#   --prebuilt DIR    no compiling: take the programs from DIR, such as target/release (built for the base image's C library)
#   --list            print the names of the programs, and do nothing
#
# Read from the environment, else from .env: RUST_IMAGE, RUNTIME_IMAGE (base images), STACK_IMAGE_PREFIX (pyairtable/),
# STACK_IMAGE_TAG (latest). The exit code says how many failed; 125: nothing was tried, since something is missing.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/docker.sh
. scripts/lib/docker.sh
# shellcheck source=scripts/lib/image-check.sh
. scripts/lib/image-check.sh

nothing_tried=125
say() { printf '\n== %s\n' "$*" >&2; }
docker_fail() { # also what scripts/lib/docker.sh calls
  printf 'build-all-services.sh: %s\n' "$*" >&2
  exit $nothing_tried
}
usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p;}' "scripts/$(basename "$0")"; }

# --- what there is -------------------------------------------------------------------------------

# The names of all programs of the workspace, one a line; also where there is no cargo.
programs() {
  if command -v cargo >/dev/null && cargo metadata --no-deps --format-version 1 --offline >/dev/null 2>&1; then
    cargo metadata --no-deps --format-version 1 --offline |
      grep -o '"kind":\["bin"\],"crate_types":\["bin"\],"name":"[^"]*"' | sed 's/.*"name":"//; s/"$//'
  else
    local crate file
    for crate in crates/*/; do
      # What a manifest lists, and what cargo finds by itself.
      awk '/^\[/ { bin = ($0 == "[[bin]]") } bin && /^name *=/ { gsub(/.*= *"|".*/, ""); print }' "$crate/Cargo.toml"
      if [ -f "$crate/src/main.rs" ]; then
        awk '/^\[/ { package = ($0 == "[package]") } package && /^name *=/ { gsub(/.*= *"|".*/, ""); print }' "$crate/Cargo.toml"
      fi
      for file in "$crate"src/bin/*.rs; do
        [ ! -f "$file" ] || basename "$file" .rs
      done
    done
  fi | sort -u
}

crate_of() { # program
  local manifest
  for manifest in "crates/$1/Cargo.toml" crates/*/Cargo.toml; do
    if [ -f "$manifest" ] && { grep -q "^name *= *\"$1\"" "$manifest" || [ -f "$(dirname "$manifest")/src/bin/$1.rs" ]; }; then
      basename "$(dirname "$manifest")"
      return
    fi
  done
}

# A setting of the environment, else of .env (lines NAME=value), else the default.
setting() { # name, default
  local value=${!1:-}
  if [ -z "$value" ] && [ -f .env ]; then
    value=$(sed -n "s/^$1=//p" .env | tail -n 1 | sed -e 's/^"\(.*\)"$/\1/' -e "s/^'\(.*\)'\$/\1/")
  fi
  printf '%s' "${value:-$2}"
}

# --- what was asked for --------------------------------------------------------------------------

services=() platform="" push=no test=no prebuilt="" no_cache=() build_options=()
value_of() { # option, number of arguments left
  [ "$2" -gt 1 ] || docker_fail "$1 needs a value: see --help"
}
while (($#)); do
  case "$1" in
    --service) value_of "$1" $#; services+=("$2"); shift ;;
    --platform) value_of "$1" $#; platform=$2; shift ;;
    --prebuilt) value_of "$1" $#; prebuilt=$2; shift ;;
    --push) push=yes ;;
    --no-cache) no_cache=(--no-cache) ;;
    --test) test=yes ;;
    --list) programs; exit ;;
    -h | --help) usage; exit ;;
    *) docker_fail "there is no option $1: see --help" ;;
  esac
  shift
done

all=$(programs)
[ -n "$all" ] || docker_fail "no program was found in crates/: is this the project's checkout?"
if ((${#services[@]} == 0)); then
  while read -r service; do services+=("$service"); done <<<"$all"
fi
for service in "${services[@]}"; do
  grep -qx -- "$service" <<<"$all" || docker_fail "there is no program $service: there are $(tr '\n' ' ' <<<"$all")"
done

need_engine
can_build "$DOCKER" || docker_fail "$DOCKER cannot build without the buildx plugin: install it, or set DOCKER to a client that has it"
has_buildx=no
! "$DOCKER" buildx version >/dev/null 2>&1 || has_buildx=yes
native=$("$DOCKER" version --format '{{.Server.Os}}/{{.Server.Arch}}')
platform=${platform:-$native}
if [ "$platform" != "$native" ]; then
  [ $has_buildx = yes ] || docker_fail "--platform $platform needs the buildx plugin; without it only $native can be built"
  [[ $platform != *,* ]] || [ $push = yes ] || docker_fail "several platforms make no image that can be kept here: add --push, or build one at a time"
fi

prefix=$(setting STACK_IMAGE_PREFIX pyairtable/)
tag=$(setting STACK_IMAGE_TAG latest)
[ $push = no ] || [[ $prefix == */*/* || $prefix == *.*/* ]] ||
  docker_fail "--push needs to know where: set STACK_IMAGE_PREFIX, such as ghcr.io/OWNER/pyairtable/"

if [ $test = yes ]; then
  command -v cargo >/dev/null || docker_fail "--test needs Rust on this machine: install it with rustup"
  packages=()
  for service in "${services[@]}"; do packages+=(-p "$(crate_of "$service")"); done
  say "tests of ${services[*]}"
  cargo test --locked "${packages[@]}" >&2 || docker_fail "the tests fail; nothing was built"
fi

# --- build and try -------------------------------------------------------------------------------

for name in RUST_IMAGE RUNTIME_IMAGE; do
  value=$(setting $name "")
  [ -z "$value" ] || build_options+=(--build-arg "$name=$value")
done
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version *= *"\(.*\)"/\1/p' Cargo.toml)
build_options+=(--build-arg "VERSION=$version")
if revision=$(git rev-parse --verify HEAD 2>/dev/null); then
  [ -z "$(git status --porcelain 2>/dev/null | head -n 1)" ] || revision+=-modified
  build_options+=(--build-arg "REVISION=$revision" --build-arg "CREATED=$(git log -1 --format=%cI)")
  # Where the sources are, for people; without what a remote's address may hold before the host.
  source=$({ git remote get-url origin 2>/dev/null || true; } | sed -E -n 's#^(https?://)([^/@]*@)?([^/]+/.*)$#\1\3#p; s#^git@([^:]+):(.*)$#https://\1/\2#p')
  [ -z "$source" ] || build_options+=(--build-arg "SOURCE=${source%.git}")
fi

work=$(mktemp -d)
trap 'check_cleanup; rm -rf "$work"' EXIT
context=.
if [ -n "$prebuilt" ]; then
  [ -d "$prebuilt" ] || docker_fail "there is no directory $prebuilt (--prebuilt)"
  context=$work/context
  mkdir -p "$context/prebuilt/bin" "$context/prebuilt/volumes/data"
  chmod 1777 "$context/prebuilt/volumes/data"
  build_options+=(--build-arg PROGRAMS=prebuilt)
fi

build() { # service, more options
  local service=$1
  shift
  if [ -n "$prebuilt" ]; then
    [ -f "$prebuilt/$service" ] || { check_problem="there is no $prebuilt/$service"; return 1; }
    cp "$prebuilt/$service" "$context/prebuilt/bin/"
  fi
  check_problem="the build failed"
  docker_build -f docker/Dockerfile --target "$service" -t "$prefix$service:$tag" "${build_options[@]}" ${no_cache[@]+"${no_cache[@]}"} "$@" "$context" >&2
  no_cache=() # all programs are built in one stage: once is enough
}

# Sets check_*; true if everything that was asked for is done.
make_one() { # service
  local image="$prefix$1:$tag"
  check_bytes=0 check_start=- check_problem="" note=ok
  grep -qi "^FROM .* AS $1\$" docker/Dockerfile || { check_problem="docker/Dockerfile has no stage $1"; return 1; }
  if [[ ",$platform," == *",$native,"* ]]; then
    if [ $has_buildx = yes ]; then build "$1" --load; else build "$1"; fi || return 1
    check_image "$image" "$1" || return 1
    if [ $push = yes ] && [ "$platform" = "$native" ]; then
      check_problem="the push failed"
      "$DOCKER" push "$image" >&2 || return 1
      note="ok, pushed"
    fi
  fi
  if [ "$platform" != "$native" ]; then
    if [ $push = yes ]; then build "$1" --platform "$platform" --push; else build "$1" --platform "$platform" --load; fi || return 1
    note="built for $platform"
    [[ ",$platform," == *",$native,"* ]] || note+=", not tried"
    [ $push = no ] || note+=", pushed"
  fi
  check_problem=""
}

failed=0 table=""
for service in "${services[@]}"; do
  say "$service"
  if ! make_one "$service"; then
    failed=$((failed + 1))
    note="FAILED: $check_problem"
    printf '%s: %s\n' "$service" "$check_problem" >&2
    check_logs >&2
  fi
  check_cleanup
  table+=$(printf '%-20s %12s %10s   %s' "$service" "$(awk -v n="$check_bytes" 'BEGIN { printf "%.1f MB", n / 1e6 }')" "$check_start s" "$note")$'\n'
done

printf '\n%-20s %12s %10s   %s\n%s' "IMAGE" "ABOVE BASE" "START" "RESULT" "$table"
if ((failed)) && [ -z "$(setting RUST_IMAGE "")$(setting RUNTIME_IMAGE "")" ]; then
  echo "If the base images cannot be pulled here: eval \"\$(./scripts/offline-base-images.sh)\" makes stand-ins." >&2
fi
exit $((failed > 100 ? 100 : failed))
