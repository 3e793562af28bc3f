#!/usr/bin/env bash
# Makes the secrets that the containers need: one file each under secrets/ (mode 600), and a block in .env that holds no
# secret. A second run adds what is missing and changes nothing else. Prints no secret.
#
#   ./scripts/generate-secure-credentials.sh                     make what is missing
#   AIRTABLE_TOKEN=… GEMINI_API_KEY=… ./scripts/generate-secure-credentials.sh
#                                                                also keep your own; without them, emulators run in their place
#
#   --set NAME        keep your own airtable-token or gemini-api-key; asks for it, or reads it from standard input
#   --unset NAME      go back to the emulator (the file is moved to a backup)
#   --rotate NAME…    replace a secret while everything runs. The value before is accepted too until the next rotation or
#                     --retire, and services notice by themselves. For: internal-api-key, operator-api-key
#   --rotate          list the names that can be rotated
#   --retire NAME…    end that: accept the new value only
#   --force [NAME…]   make these anew, or all that are made here; those before go to a backup (secrets.bak.…, mode 600).
#                     What uses them has to be restarted
#   --help            this
#
# AIRTABLE_API_URL and GEMINI_API_URL in the environment: where your own token and key are valid, if not at Airtable and Google.
{ set +xv; } 2>/dev/null # a trace would show the secrets
set -euo pipefail
umask 077
export LC_ALL=C
root=$(cd "$(dirname "$0")/.." && pwd -P)
# shellcheck source=scripts/lib/credentials.sh
. "$root/scripts/lib/credentials.sh"
# shellcheck source=scripts/lib/mint.sh
. "$root/scripts/lib/mint.sh"
# shellcheck source=scripts/lib/env-block.sh
. "$root/scripts/lib/env-block.sh"

usage() { sed -n '2,/^{ set/{/^{ set/d;s/^# \{0,1\}//;p;}' "$root/scripts/generate-secure-credentials.sh"; }

# Services look at their files once a second; a rotation waits until the one before has been seen by all.
settle_seconds=3

# Taken out of the environment, so that no program started from here inherits them.
airtable_token=${AIRTABLE_TOKEN:-}
gemini_api_key=${GEMINI_API_KEY:-}
unset AIRTABLE_TOKEN GEMINI_API_KEY

# --- files ---------------------------------------------------------------------------------------

draft=''  # a file that is being written
lock=''   # a directory that stands for the lock, where there is no flock
backup='' # where replaced values go; made when the first one is replaced
clean_up() {
  if [ -n "$draft" ]; then rm -f -- "$draft"; fi
  if [ -n "$lock" ]; then rmdir -- "$lock" 2>/dev/null || true; fi
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# One run at a time: the second waits for the first.
take_lock() {
  if command -v flock >/dev/null; then
    exec 9<"$secrets"
    flock -w 60 9 || die "another run holds $secrets for a minute already: end that one first"
    return
  fi
  local tries=0
  until mkdir "$secrets/.lock" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -le 60 ] || die "another run holds $secrets for a minute already; if none is running, remove $secrets/.lock"
    sleep 1
  done
  lock="$secrets/.lock"
}

# Not just written: on the disk.
flush() { sync -- "$@" 2>/dev/null || sync; }

# A file is written beside its place (mode 600 from the first byte) and moved there when it is whole.
open_draft() { # path
  draft=$(mktemp "$(dirname "$1")/.new.XXXXXX") || die "$(dirname "$1") cannot be written to"
}
commit_draft() { # path, owner (empty: us)
  if [ -n "$2" ]; then chown "$2" "$draft" || die "$1 cannot be given to the user $2"; fi
  flush "$draft"
  mv -f -- "$draft" "$1"
  draft=''
  flush "$(dirname "$1")"
}

write_secret() { # name, value
  open_draft "$secrets/$1"
  printf '%s\n' "$2" >"$draft" || die "$secrets/$1 cannot be written: is the disk full?"
  # A file system may be full without saying so at once.
  [ "$(cat -- "$draft")" = "$2" ] || die "$secrets/$1 was not written whole: is the disk full?"
  commit_draft "$secrets/$1" "$give_to"
}

keep_backup() { # name
  if [ -z "$backup" ]; then
    backup=$(mktemp -d "$root/secrets.bak.$(date -u +%Y%m%dT%H%M%SZ).XXXXXX") || die "$root cannot be written to"
    if [ -n "$give_to" ]; then chown "$give_to" "$backup"; fi
  fi
  open_draft "$backup/$1"
  cat -- "$secrets/$1" >"$draft" || die "$backup cannot be written: is the disk full?"
  commit_draft "$backup/$1" "$give_to"
}

open_secrets() {
  [ ! -L "$secrets" ] || die "$secrets is a symbolic link: make it a directory, so that it is clear whose files these are"
  if [ ! -d "$secrets" ]; then
    [ ! -e "$secrets" ] || die "$secrets is there and is no directory: move it away"
    # Another run may have been quicker.
    mkdir -m 700 -- "$secrets" 2>/dev/null || [ -d "$secrets" ] || die "$secrets cannot be made: is $root yours to write to?"
  fi
  if [ "$(id -u)" -ne 0 ]; then
    [ -O "$secrets" ] || die "$secrets belongs to the user with the id $(owner_of "$secrets" | cut -d: -f1): run this as that user"
  fi
  if [ "$(mode_of "$secrets")" != 700 ]; then chmod 700 "$secrets"; fi
  [ -w "$root" ] || [ -f "$env_file" ] || die "$root cannot be written to, and .env has to be there: run this as the user who owns it"
  take_lock
  local name
  for name in "${generated[@]}" "${given[@]}"; do
    if [ -L "$secrets/$name" ] || { [ -e "$secrets/$name" ] && [ ! -f "$secrets/$name" ]; }; then
      die "$secrets/$name is no ordinary file: remove it"
    fi
  done
  # What a run that was killed left behind.
  rm -f -- "$secrets"/.new.?????? "$root"/.new.??????
}

# Sets give_to, the owner of new files (empty: whoever runs this), and stack_user, who reads them in the containers.
# Services have no rights of their own, so it must be the owner.
find_owner() {
  local owner
  give_to=''
  stack_user="$(id -u):$(id -g)"
  if [ "$(id -u)" -eq 0 ]; then
    owner=$(owner_of "$secrets")
    case "$owner" in
      0:*) stack_user=65532:65532 ;;
      *) stack_user=$owner ;;
    esac
    give_to=$stack_user
    chown "$give_to" "$secrets"
  elif engine_is_rootless; then
    stack_user=0:0 # root in there is this user out here
  fi
}

engine_is_rootless() {
  local docker=${DOCKER:-docker} limit=()
  command -v "$docker" >/dev/null || return 1
  if command -v timeout >/dev/null; then limit=(timeout 10); fi
  case "$(${limit[@]+"${limit[@]}"} "$docker" info --format '{{json .}}' 2>/dev/null </dev/null || true)" in
    *'"name=rootless"'* | *'"rootless":true'*) return 0 ;;
    *) return 1 ;;
  esac
}

# --- what can be asked for -----------------------------------------------------------------------

make_missing() {
  local name value count=0
  for name in "${generated[@]}"; do
    if has_secret "$name"; then
      tighten "$name"
    else
      value=$(mint "$name")
      write_secret "$name" "$value"
      say "made      secrets/$name"
      count=$((count + 1))
    fi
  done
  if [ "$count" -eq 0 ]; then say "all ${#generated[@]} secrets are there; none was changed"; fi
}

# A file that was put here by hand may have been made with other rights.
tighten() { # name
  local path="$secrets/$1"
  if [ "$(mode_of "$path")" != 600 ]; then
    chmod 600 "$path"
    say "mode 600  secrets/$1"
  fi
  if [ -n "$give_to" ] && [ "$(owner_of "$path")" != "$give_to" ]; then
    chown "$give_to" "$path"
    say "now of $give_to  secrets/$1"
  fi
}

# From the environment: kept unless there is another already.
take_given() { # name, setting, value
  local problem
  if [ -z "$3" ]; then
    if has_secret "$1"; then tighten "$1"; fi
    return 0
  fi
  problem=$(value_problem "$3" "$(shortest "$1")")
  [ -z "$problem" ] || die "$2 in the environment $problem"
  if ! has_secret "$1"; then
    write_secret "$1" "$3"
    say "kept      secrets/$1, from $2"
  elif [ "$(cat -- "$secrets/$1")" = "$3" ]; then
    tighten "$1"
  elif [ "$force" = yes ]; then
    keep_backup "$1"
    write_secret "$1" "$3"
    say "replaced  secrets/$1, from $2"
  else
    warn "secrets/$1 holds another value than $2 in the environment and was not changed; to replace it: --set $1"
  fi
}

set_given() { # name
  local value='' problem
  if [ -t 0 ]; then
    printf '%s (not shown): ' "$1" >&2
    IFS= read -rs value || true
    printf '\n' >&2
  else
    # All of it, so that a second line is seen as the mistake that it is.
    value=$(head -c 65536 | tr -d '\000')
  fi
  value=${value%$'\r'}
  problem=$(value_problem "$value" "$(shortest "$1")")
  [ -z "$problem" ] || die "what was given for $1 $problem; nothing was changed"
  if has_secret "$1"; then keep_backup "$1"; fi
  write_secret "$1" "$value"
  say "kept      secrets/$1"
}

unset_given() { # name
  if ! has_secret "$1"; then
    say "there is no secrets/$1"
    rm -f -- "$secrets/$1"
    return
  fi
  keep_backup "$1"
  # First the settings, then the file: they must not name one that is gone.
  absent=$1
  write_env
  rm -f -- "$secrets/$1"
  say "removed   secrets/$1"
}

# At every moment, also after a kill, each value that somebody may present is in one of the two files:
# first the old one goes into NAME.previous, then the new one into NAME. Verifiers read NAME first and NAME.previous after it.
rotate() { # name
  local old new age tries
  has_secret "$1" || die "there is no secrets/$1 to rotate: run this without --rotate first"
  if [ -s "$secrets/$1.previous" ]; then
    # Somebody may still use the value before the last change until the files were looked at again.
    for ((tries = 0; tries < settle_seconds; tries++)); do
      age=$(($(date +%s) - $(changed_at "$secrets/$1")))
      [ "$age" -lt "$settle_seconds" ] || break
      sleep 1
    done
  fi
  old=$(cat -- "$secrets/$1")
  new=$(mint "$1")
  write_secret "$1.previous" "$old"
  write_secret "$1" "$new"
  say "rotated   secrets/$1; the value before is accepted until --rotate or --retire"
}

retire() { # name
  if [ -e "$secrets/$1.previous" ]; then
    rm -f -- "$secrets/$1.previous"
    flush "$secrets"
    say "retired   the value of $1 before the last rotation; running services forget it within a minute"
  else
    say "nothing but the present value of $1 is accepted"
  fi
}

renew() { # name
  local value
  value=$(mint "$1")
  if has_secret "$1"; then keep_backup "$1"; fi
  if [ -e "$secrets/$1.previous" ]; then
    keep_backup "$1.previous"
    rm -f -- "$secrets/$1.previous"
  fi
  write_secret "$1" "$value"
  say "made anew secrets/$1"
}

# Why a secret cannot be rotated, and what to do.
not_rotatable() { # name
  local compose="docker compose -f $compose_file"
  case "$1" in
    airtable-token | gemini-api-key)
      echo "$1 comes from you: make a new one there, then --set $1 (services notice within a second), then delete the old one there" ;;
    postgres-password)
      echo "$1 cannot overlap, since a role of Postgres has one password: --force $1, then $compose restart postgres (some seconds without a database)" ;;
    redis-password)
      echo "$1 cannot overlap, since Redis reads it at its start: --force $1, then $compose restart redis (some seconds without a shared cache)" ;;
    airtable-emulator-token | gemini-emulator-key)
      echo "$1 cannot overlap, since the emulator reads it at its start: --force $1, then $compose restart ${1%-*}" ;;
    *) echo "there is no secret called $1: these can be rotated: ${rotatable[*]}" ;;
  esac
}

# --- run -----------------------------------------------------------------------------------------

action='make'
force=no
absent='' # a secret that is about to be removed
names=()
case "${1:-}" in
  '') ;;
  -h | --help) usage && exit ;;
  --force) action=renew force=yes ;;
  --rotate) action=rotate ;;
  --retire) action=retire ;;
  --set) action=set_given ;;
  --unset) action=unset_given ;;
  *) die "$1 is not known; --help says what is" ;;
esac
if [ $# -gt 0 ]; then shift; fi
names=(${@+"$@"})

if [ "$action" = rotate ] && [ ${#names[@]} -eq 0 ]; then
  printf '%s\n' "${rotatable[@]}"
  exit
fi
case "$action" in
  renew) allowed=("${generated[@]}") ;;
  set_given | unset_given) allowed=("${given[@]}") ;;
  *) allowed=("${rotatable[@]}") ;;
esac
for name in ${names[@]+"${names[@]}"}; do
  is_one_of "$name" "${allowed[@]}" || case "$action" in
    rotate) die "$(not_rotatable "$name")" ;;
    make) die "$name is not known; --help says what is" ;;
    *) die "$name is none of: ${allowed[*]}" ;;
  esac
done
case "$action" in
  set_given | unset_given) [ ${#names[@]} -eq 1 ] || die "name one of: ${allowed[*]}" ;;
  retire) [ ${#names[@]} -gt 0 ] || die "name some of: ${allowed[*]}" ;;
  renew) if [ ${#names[@]} -eq 0 ]; then names=("${generated[@]}"); fi ;;
esac

open_secrets
find_owner
check_env
for name in ${names[@]+"${names[@]}"}; do "$action" "$name"; done
case "$action" in
  rotate | retire) exit ;;
esac
make_missing
take_given airtable-token AIRTABLE_TOKEN "$airtable_token"
take_given gemini-api-key GEMINI_API_KEY "$gemini_api_key"
write_env

if [ -n "$backup" ]; then say "backup    ${backup#"$root"/}: remove it when everything runs"; fi
if has_secret airtable-token; then say "Airtable: with your token"; else say "Airtable: emulated (--set airtable-token to use your own)"; fi
if has_secret gemini-api-key; then say "model:    Gemini, with your key"; else say "model:    emulated (--set gemini-api-key to use your own)"; fi
say "your key for the services is in secrets/operator-api-key; next: docker compose -f $compose_file up -d"
if [ "$action" = renew ]; then say "what runs already needs: docker compose -f $compose_file restart"; fi
