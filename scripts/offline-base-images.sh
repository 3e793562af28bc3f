#!/usr/bin/env bash
# Makes local stand-ins for the public base images, for machines that reach a Debian mirror but no container registry.
#
#   eval "$(./scripts/offline-base-images.sh)"
#
# Prints lines `export NAME=value` on standard output and nothing else: RUST_IMAGE, RUNTIME_IMAGE, REDIS_IMAGE,
# POSTGRES_IMAGE for the compose file and the other scripts, and DOCKER, COMPOSE for those. Everything else goes to standard
# error. A second run finds the images there and takes a second.
#
#   --if-needed     only for images that are neither here nor can be pulled; prints nothing for the others
#   --engine        first installs Debian's Docker engine and compose if they are missing (apt-get), and starts the engine if
#                   it does not run; its process id is then in /run/pyairtable-dockerd.pid, its log in
#                   /var/log/pyairtable-dockerd.log
#   --stop-engine   stops the engine that --engine started, and does nothing else
#
# They are made of: Debian from the mirror that apt uses here (debootstrap, as root), this machine's CA bundle, its cargo
# settings, and its Rust toolchain. The recipes are in docker/offline. `docker image rm NAME` makes the next run make one anew.
set -euo pipefail
exec 3>&1 1>&2 # standard output is for the caller's eval
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/docker.sh
. scripts/lib/docker.sh

suite=bookworm
prefix=pyairtable-offline
pid_file=/run/pyairtable-dockerd.pid
engine_log=/var/log/pyairtable-dockerd.log

say() { printf 'offline-base-images.sh: %s\n' "$*"; }
die() {
  say "$*"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "scripts/$(basename "$0")" >&3; }

# --- the engine ----------------------------------------------------------------------------------

install_packages() {
  have apt-get || die "please install: $*"
  [ "$(id -u)" -eq 0 ] || die "please install as root: apt-get install $*"
  say "installing $*"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

given=${DOCKER:-}
engine_answers() {
  DOCKER=$given # without it: another client may be there by now
  have docker && find_docker && "$DOCKER" version >/dev/null 2>&1
}

provide_engine() {
  engine_answers && have_compose && return
  local packages=()
  have dockerd || packages+=(docker.io iptables)
  have_compose || packages+=(docker-compose)
  ((${#packages[@]} == 0)) || install_packages "${packages[@]}"
  engine_answers && return
  [ "$(id -u)" -eq 0 ] || die "the Docker engine is not running: start it, or run this as root"
  if [ -d /run/systemd/system ]; then
    systemctl start docker || die "the Docker engine does not start: see journalctl -u docker"
  else
    say "starting the Docker engine, log in $engine_log"
    # No descriptor of ours: who reads our output to its end must not wait for the engine's.
    setsid nohup dockerd --pidfile "$pid_file" >"$engine_log" 2>&1 </dev/null 3>&- &
    local engine=$! second
    for ((second = 0; second < 60; second++)); do
      engine_answers && return
      kill -0 "$engine" 2>/dev/null || break
      sleep 1
    done
    tail -n 20 "$engine_log"
    die "the Docker engine did not start; the end of its log is above"
  fi
  engine_answers || die "the Docker engine was started and does not answer"
}

have_compose() { have docker-compose || { have docker && docker compose version >/dev/null 2>&1; }; }

stop_engine() {
  local pid second
  pid=$(cat "$pid_file" 2>/dev/null) || { say "no engine was started by --engine"; return; }
  if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
    kill "$pid"
    for ((second = 0; second < 60; second++)); do
      [ -d "/proc/$pid" ] || break
      sleep 1
    done
    [ ! -d "/proc/$pid" ] || die "the engine (process $pid) does not stop"
  fi
  rm -f "$pid_file"
}

# --- images --------------------------------------------------------------------------------------

have_image() { "$DOCKER" image inspect "$1" >/dev/null 2>&1; }

# A stand-in is made anew when what it is made from has changed.
recipe_of() { "$DOCKER" image inspect --format '{{index .Config.Labels "pyairtable.recipe"}}' "$1" 2>/dev/null || true; }

digest() { sha256sum | cut -c1-16; }

mirrors() { # lines for sources.list: DEBIAN_MIRROR, else what apt uses here
  local lines=""
  if [ -n "${DEBIAN_MIRROR:-}" ]; then
    lines="deb $DEBIAN_MIRROR $suite main"
  elif have apt-get; then
    # shellcheck disable=SC2016 # the format is apt's
    lines=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
      awk -v suite=$suite '$2 == suite || $2 == suite "-updates" || $2 == suite "-security" {print "deb", $1, $2, "main"}' | sort -u)
  fi
  grep -q " $suite main" <<<"$lines" || die "apt has no source for Debian's $suite here: set DEBIAN_MIRROR to a mirror of Debian"
  printf '%s\n' "$lines"
}

ca_bundle() {
  local file
  for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    if [ -n "$file" ] && [ -s "$file" ]; then
      printf '%s' "$file"
      return
    fi
  done
  die "this machine has no CA bundle: install ca-certificates"
}

debian() { # sets base
  local sources recipe
  sources=$(mirrors)
  base=$prefix/debian:$suite
  recipe=$({ echo "$sources"; cat "$(ca_bundle)"; } | digest)
  [ "$(recipe_of "$base")" != "$recipe" ] || return 0
  [ "$(id -u)" -eq 0 ] || die "making $base needs root (debootstrap): run this once as root"
  have debootstrap || install_packages debootstrap
  say "making $base from Debian's packages"
  debootstrap --variant=minbase --include=ca-certificates $suite "$work/root" "$(awk -v suite=$suite '$3 == suite {print $2; exit}' <<<"$sources")" \
    >"$work/debootstrap.log" || { tail -n 20 "$work/debootstrap.log"; die "debootstrap failed; the end of its log is above"; }
  printf '%s\n' "$sources" >"$work/root/etc/apt/sources.list"
  cp "$(ca_bundle)" "$work/root/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* "$work"/root/var/log/*
  tar -C "$work/root" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -c . |
    "$DOCKER" import --change "LABEL pyairtable.recipe=$recipe" - "$base" >/dev/null
  rm -rf "$work/root"
}

# Builds NAME from docker/offline/PART.Dockerfile with CONTEXT unless it is there already.
stand_in() { # name, part, context, more that it depends on, base
  local recipe base=${5:-$base}
  recipe=$({ "$DOCKER" image inspect --format '{{.Id}}' "$base"; cat docker/offline/"$2"*; echo "${4:-}"; } | digest)
  [ "$(recipe_of "$1")" != "$recipe" ] || return 0
  say "making $1"
  docker_build -q -f "docker/offline/$2.Dockerfile" --build-arg "BASE=$base" --label "pyairtable.recipe=$recipe" -t "$1" "$3" >/dev/null ||
    die "making $1 failed; what went wrong is above"
}

# The part of this machine's cargo settings that says where packages come from; never a token, no path of this machine.
cargo_settings() {
  local home="${CARGO_HOME:-$HOME/.cargo}" file
  for file in "$home/config.toml" "$home/config"; do
    if [ -f "$file" ]; then
      awk '/^\[/ { keep = /^\[(source|registries|registry|http|net)[].]/ } keep && !/^ *(token|cainfo|directory|local-registry) *=/' "$file"
      return
    fi
  done
}

rust() { # sets image
  local version settings
  image=""
  have rustc || { say "there is no Rust here, so no stand-in for the builder's image: install Rust with rustup, or use --prebuilt programs"; return; }
  version=$(rustc --version | cut -d' ' -f2)
  settings=$(cargo_settings)
  image=$prefix/rust:$version
  mkdir -p "$work/cargo"
  printf '%s\n' "$settings" >"$work/cargo/config.toml"
  stand_in "$image-plain" rust "$(rustc --print sysroot)" "$(rustc --version --verbose)"
  stand_in "$image" cargo "$work/cargo" "$settings" "$image-plain"
}

# Whether the public image can be used. One refusal is enough: what has no way to a registry is not asked four times.
registry=unknown
public_is_there() { # image
  have_image "$1" && return
  [ "$registry" != unreachable ] || return
  say "looking for $1"
  timeout 600 "$DOCKER" pull -q "$1" >/dev/null 2>&1 && return
  registry=unreachable
  return 1
}

made_before() { "$DOCKER" image ls -q --filter "reference=$prefix/$1" | grep -q .; }

# Prints the export for one image, and makes the stand-in where there is none.
provide() { # variable, part, public image
  if [ $if_needed = yes ]; then
    [ -z "${!1:-}" ] || return 0
    # Where a stand-in was made once there is no registry: not asked again.
    if ! made_before "$2" && public_is_there "$3"; then return; fi
  fi
  debian
  if [ "$2" = rust ]; then
    rust
  else
    image=$prefix/$2:$suite
    stand_in "$image" "$2" docker/offline
  fi
  [ -z "$image" ] || say_so "$1" "$image"
}

# The public image that a file names as default of a variable.
default_in() { # variable, file
  sed -n -E "s/.*(ARG $1=|\\\$\\{$1:-)([^}]*)}?.*/\\2/p" "$2" | head -n 1
}

# --- what was asked for --------------------------------------------------------------------------

if_needed=no
engine=no
while (($#)); do
  case "$1" in
    --if-needed) if_needed=yes ;;
    --engine) engine=yes ;;
    --stop-engine) stop_engine; exit ;;
    -h | --help) usage; exit ;;
    *) die "there is no option $1: see --help" ;;
  esac
  shift
done

[ "$engine" = no ] || provide_engine
need_engine
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say_so() { printf 'export %s=%q\n' "$1" "$2" >&3; }
say_so DOCKER "$DOCKER"
if have_compose; then
  find_compose
  say_so COMPOSE "$COMPOSE"
fi
say_so DOCKER_BUILDKIT 1
compose_file=docker-compose.minimal-working.yml
provide RUST_IMAGE rust "$(default_in RUST_IMAGE docker/Dockerfile)"
provide RUNTIME_IMAGE runtime "$(default_in RUNTIME_IMAGE docker/Dockerfile)"
provide REDIS_IMAGE redis "$(default_in REDIS_IMAGE $compose_file)"
provide POSTGRES_IMAGE postgres "$(default_in POSTGRES_IMAGE $compose_file)"
