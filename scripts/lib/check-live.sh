# shellcheck shell=bash disable=SC2154
# Asks Airtable and Google whether the user's own token and key are valid. To be sourced by validate-credentials.sh.

check_live() {
  if ! has_secret airtable-token && ! has_secret gemini-api-key; then
    note "Airtable and the model are emulated: there is nothing to ask"
    return
  fi
  if ! command -v curl >/dev/null; then
    check_live_in_container
    return
  fi
  if has_secret airtable-token; then
    ask Airtable airtable-token STACK_AIRTABLE_API_URL https://api.airtable.com /v0/meta/whoami 'Authorization: Bearer '
  fi
  if has_secret gemini-api-key; then
    ask Gemini gemini-api-key STACK_GEMINI_API_URL https://generativelanguage.googleapis.com '/v1beta/models?pageSize=1' 'x-goog-api-key: '
  fi
}

# The secret goes to curl by a pipe, since arguments can be seen by everyone.
ask() { # whom, secret, setting with the address, default, path, header
  local url value status
  url=$(env_value "$3")
  url=${url:-$4}
  read_value "$2" || return 0
  if [ -n "$(value_problem "$value" "$(shortest "$2")")" ]; then return 0; fi # said already
  case "$url" in
    http://* | https://*) ;;
    *) problem "$3 in .env is no address: $generate" && return 0 ;;
  esac
  status=$(printf 'header = "%s%s"\n' "$6" "$value" |
    curl -q --config - --silent --connect-timeout 5 --max-time 20 --output /dev/null --write-out '%{http_code}' "${url%/}$5" || true)
  case "$status" in
    200) note "$1 accepts secrets/$2" ;;
    400 | 401 | 403) problem "$1 does not accept secrets/$2 (HTTP $status): make a new one there, then $generate --set $2" ;;
    429) note "$1 says that there were too many requests: it did not say whether secrets/$2 is valid" ;;
    '' | 000) problem "$1 cannot be reached at ${url%%\?*}: is this machine online, is the address right?" ;;
    *) problem "$1 at ${url%%\?*} answered with HTTP $status to the question whether secrets/$2 is valid" ;;
  esac
}

# The program in the image knows how to ask, and sees the same settings as the services.
check_live_in_container() {
  # shellcheck source=scripts/lib/docker.sh
  . "$root/scripts/lib/docker.sh"
  note "there is no curl here: the command pyairtable asks, in its container"
  (cd "$root" && run_compose -f "$compose_file" run --rm pyairtable doctor) ||
    problem "the container could not ask, or found a problem (see above): install curl, or start the services first"
}
