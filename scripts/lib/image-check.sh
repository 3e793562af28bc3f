# shellcheck shell=bash disable=SC2034,SC2016 # check_* are for the caller; formats are the client's
# Tries an image the way compose runs it: hardened, as nobody, with stores inside and nothing outside. To be sourced after
# docker.sh.
#
#   check_image IMAGE NAME   true if it is good; sets check_bytes (size above the base), check_start (seconds until ready),
#                            and, if it is not, check_problem

check_limit_bytes=25000000 # above the base image
check_ready_within=30      # seconds
check_stop_within=30       # seconds; compose grants as much
check_container=""

check_cleanup() {
  [ -z "$check_container" ] || "$DOCKER" rm -f -v "$check_container" >/dev/null 2>&1 || true
  check_container=""
}

now() { echo "${EPOCHREALTIME:-$(date +%s)}"; }

seconds_since() { # what `now` said
  awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.2f", b - a }'
}

# What the layers above the base hold. The first instruction over the base is the argument that names it.
bytes_above_base() { # image
  "$DOCKER" history --no-trunc --human=false --format '{{.Size}} {{.CreatedBy}}' "$1" |
    awk '{ sum += $1 } /ARG RUNTIME_IMAGE/ { exit } END { printf "%d", sum }'
}

# Prints head and body of GET path, without curl; true if the status is 200.
http_get() { # port, path
  local status line
  exec 9<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&9
  IFS=' ' read -r -t 5 _ status _ <&9 || status=none
  while IFS= read -r -t 5 line <&9 || [ -n "$line" ]; do printf '%s\n' "$line"; done
  exec 9<&- 9>&-
  [ "$status" = 200 ]
}

check_problem_is() {
  check_problem=$*
  return 1
}

check_image() { # image, name
  local image=$1 name=$2 container="pyairtable-check-$2-$$" user began port body health code second
  check_bytes=0 check_start=- check_problem=
  # As in the compose file. /data in memory takes the place of Postgres and Redis; nobody listens on port 9.
  local flags=(
    --name "$container" --init --read-only --cap-drop ALL --security-opt no-new-privileges:true
    --memory 256m --pids-limit 128 --user 65532:65532
    --tmpfs "/tmp:size=16m,mode=1777,noexec,nosuid,nodev" --tmpfs "/data:size=16m,mode=1777,noexec,nosuid,nodev"
    -e AIRTABLE_API_URL=http://127.0.0.1:9 -e GEMINI_API_URL=http://127.0.0.1:9 -e LOG_FORMAT=json
  )
  check_bytes=$(bytes_above_base "$image") || { check_problem_is "there is no image $image"; return; }
  ((check_bytes <= check_limit_bytes)) ||
    { check_problem_is "is $((check_bytes / 1000000)) MB above its base, more than $((check_limit_bytes / 1000000))"; return; }
  user=$("$DOCKER" image inspect --format '{{.Config.User}}' "$image")
  [ "$user" = 65532:65532 ] || { check_problem_is "runs as '$user', not as 65532:65532"; return; }

  check_container=$container
  began=$(now)
  if [ "$("$DOCKER" image inspect --format '{{if .Config.Healthcheck}}yes{{end}}' "$image")" != yes ]; then
    # A command, not a service: it must find its way with an empty store.
    "$DOCKER" run "${flags[@]}" "$image" keys list >/dev/null || { check_problem_is "'keys list' failed"; return; }
    check_start=$(seconds_since "$began")
    return
  fi

  port=$("$DOCKER" image inspect --format '{{range $port, $_ := .Config.ExposedPorts}}{{$port}}{{end}}' "$image")
  "$DOCKER" run -d --health-interval 1s -p "127.0.0.1::$port" "${flags[@]}" "$image" >/dev/null ||
    { check_problem_is "does not start"; return; }
  until "$DOCKER" exec "$container" "/usr/local/bin/$name" healthcheck >/dev/null 2>&1; do
    [ "$("$DOCKER" inspect --format '{{.State.Running}}' "$container")" = true ] || { check_problem_is "ended by itself"; return; }
    (("$(printf '%.0f' "$(seconds_since "$began")")" < check_ready_within)) ||
      { check_problem_is "was not ready within $check_ready_within seconds"; return; }
    sleep 0.1
  done
  check_start=$(seconds_since "$began")

  for ((second = 0; second < check_ready_within; second++)); do
    health=$("$DOCKER" inspect --format '{{.State.Health.Status}}' "$container")
    [ "$health" != healthy ] || break
    sleep 1
  done
  [ "$health" = healthy ] || { check_problem_is "is ready, but its health check says $health"; return; }

  port=$("$DOCKER" port "$container" "$port")
  port=${port##*:}
  body=$(http_get "$port" /health) || { check_problem_is "answers GET /health with an error"; return; }
  [[ "$body" == *"\"service\":\"$name\""* ]] || { check_problem_is "is not $name, says GET /health"; return; }

  began=$(now)
  "$DOCKER" stop -t $check_stop_within "$container" >/dev/null
  code=$("$DOCKER" inspect --format '{{.State.ExitCode}}' "$container")
  [ "$code" = 0 ] || { check_problem_is "ended with code $code after SIGTERM, $(seconds_since "$began") s later"; return; }
}

# What the container said, for a failure; before check_cleanup.
check_logs() {
  [ -z "$check_container" ] || "$DOCKER" logs --tail 20 "$check_container" 2>&1 || true
}
