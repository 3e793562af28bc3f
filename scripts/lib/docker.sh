# shellcheck shell=bash
# Finds a Docker client and compose. To be sourced; the caller has set -euo pipefail.
#
#   find_docker          sets DOCKER: $DOCKER, else the first client in PATH that can build, else the first one
#   need_engine          ends with a sentence if the engine cannot be used
#   find_compose         sets COMPOSE: $COMPOSE, else `docker compose`, else docker-compose
#   run_compose ARGS…    runs it, with builds by the client that was found
#   docker_build ARGS…   builds with BuildKit, with or without the buildx plugin; gives on the proxy variables
#
# Each ends the script with one sentence where something is missing.

docker_fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# A client from 23 on refuses to build with BuildKit unless it has the buildx plugin; older ones have a builder inside.
can_build() { # client
  local version
  "$1" buildx version >/dev/null 2>&1 && return 0
  version=$("$1" version --format '{{.Client.Version}}' 2>/dev/null || true)
  version=${version%%.*}
  [[ "$version" =~ ^[0-9]+$ ]] && [ "$version" -lt 23 ]
}

find_docker() {
  if [ -n "${DOCKER:-}" ]; then
    command -v "$DOCKER" >/dev/null || docker_fail "there is no $DOCKER (it stands in the variable DOCKER)"
  else
    local candidate
    while read -r candidate; do
      [ -n "${DOCKER:-}" ] || DOCKER=$candidate
      if can_build "$candidate"; then
        DOCKER=$candidate
        break
      fi
    done < <(type -aP docker)
    [ -n "${DOCKER:-}" ] || docker_fail "there is no docker in PATH: install Docker, see https://docs.docker.com/engine/install/"
  fi
  export DOCKER
}

need_engine() {
  find_docker
  local problem
  problem=$("$DOCKER" version --format '{{.Server.Version}}' 2>&1 >/dev/null) && return 0
  case "$problem" in
    *"permission denied"*) docker_fail "this user may not use the Docker engine: run as root, or add the user to the group docker" ;;
    *"annot connect"* | *"daemon running"* | *"no such file"*) docker_fail "the Docker engine is not running: start it (systemctl start docker, or Docker Desktop)" ;;
    *) docker_fail "the Docker engine does not answer: ${problem##*$'\n'}" ;;
  esac
}

find_compose() {
  find_docker
  if [ -z "${COMPOSE:-}" ]; then
    if "$DOCKER" compose version >/dev/null 2>&1; then
      COMPOSE="$DOCKER compose"
    elif command -v docker-compose >/dev/null; then
      COMPOSE=docker-compose
    else
      docker_fail "there is neither 'docker compose' nor docker-compose: install the compose plugin"
    fi
  fi
  export COMPOSE
}

run_compose() {
  find_compose
  local words
  read -ra words <<<"$COMPOSE" # may be two words
  # docker-compose builds with whatever is called docker in PATH.
  PATH="$(dirname "$(command -v "$DOCKER")"):$PATH" DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1 "${words[@]}" "$@"
}

docker_build() {
  find_docker
  can_build "$DOCKER" || docker_fail "$DOCKER cannot build without the buildx plugin: install it, or set DOCKER to a client that has it"
  local proxies=() name
  for name in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
    if [ -n "${!name:-}" ]; then proxies+=(--build-arg "$name"); fi
  done
  DOCKER_BUILDKIT=1 "$DOCKER" build ${proxies[@]+"${proxies[@]}"} "$@"
}
