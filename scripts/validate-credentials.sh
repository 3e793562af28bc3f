#!/usr/bin/env bash
# Checks the secrets of the containers and the block in .env, and tells every problem in one run. Changes nothing, prints no
# secret.
#
#   ./scripts/validate-credentials.sh          what can be seen here
#   ./scripts/validate-credentials.sh --live   also asks Airtable and Google whether your own token and key are valid
#                                              (with curl; without it, by the image of the command pyairtable)
#
# Exit code: 0 all is well, 1 there is a problem, 2 it could not be run.
{ set +xv; } 2>/dev/null
set -euo pipefail
export LC_ALL=C
root=$(cd "$(dirname "$0")/.." && pwd -P)
# shellcheck source=scripts/lib/credentials.sh
. "$root/scripts/lib/credentials.sh"
# shellcheck source=scripts/lib/mint.sh
. "$root/scripts/lib/mint.sh"
# shellcheck source=scripts/lib/check-env.sh
. "$root/scripts/lib/check-env.sh"
# shellcheck source=scripts/lib/check-live.sh
. "$root/scripts/lib/check-live.sh"

live=no
case "$#:${1:-}" in
  0:) ;;
  1:--live) live=yes ;;
  1:-h | 1:--help) sed -n '2,/^{ set/{/^{ set/d;s/^# \{0,1\}//;p;}' "$root/scripts/validate-credentials.sh" && exit ;;
  *)
    warn "$* is not known; --help says what is"
    exit 2
    ;;
esac

problems=0
problem() {
  printf 'problem: %s\n' "$*"
  problems=$((problems + 1))
}
note() { printf 'note:    %s\n' "$*"; }

generate=./scripts/generate-secure-credentials.sh

# --- files ---------------------------------------------------------------------------------------

# Who may read a file, and whether the containers' user can.
check_rights() { # path, as it is called here, mode, wanted owner (empty: any)
  local mode owner
  mode=$(mode_of "$1")
  owner=$(owner_of "$1")
  [ "$mode" = "$3" ] || problem "$2 has the mode $mode instead of $3: others may read it, or its owner may not; $generate mends it"
  if [ -n "$4" ] && [ "${owner%:*}" != "${4%:*}" ]; then
    problem "$2 belongs to the user ${owner%:*}, but the containers run as ${4%:*}: run $generate as root, or as the user ${4%:*}"
  fi
}

# Reads a value into `value` without giving it to a program; false, with a problem, if it is not one line of text.
read_value() { # name
  local path="$secrets/$1" size lines
  value=''
  if ! [ -r "$path" ]; then
    problem "secrets/$1 is not yours to read: run this as root, or as the user $(owner_of "$path" | cut -d: -f1)"
    return 1
  fi
  size=$(($(wc -c <"$path")))
  if [ "$size" -gt 4096 ]; then
    problem "secrets/$1 is longer than a secret can be ($size bytes)"
    return 1
  fi
  if [ "$(($(tr -d '\000' <"$path" | wc -c)))" -ne "$size" ]; then
    problem "secrets/$1 has NUL bytes in it"
    return 1
  fi
  # The first newline at the end is not part of the value, all else is.
  lines=$(cat -- "$path" && printf x)
  lines=${lines%x}
  value=${lines%$'\n'}
}

# What makes a value worthless or breaks what reads it.
check_value() { # name
  local name="${1%.previous}" trouble how
  read_value "$1" || return 0
  trouble=$(value_problem "$value" "$(shortest "$name")")
  how="$generate --force $name"
  if is_one_of "$name" "${given[@]}"; then how="$generate --set $name"; fi
  if [ "$1" != "$name" ]; then how="$generate --retire $name"; fi
  if [ -n "$trouble" ]; then
    problem "secrets/$1 $trouble: $how"
  elif [ "$name" = operator-api-key ] && ! is_api_key "$value"; then
    problem "secrets/$1 is not a well-formed API key (pya_live_…): $how"
  fi
}

is_api_key() { # text
  local form='^pya_live_[0-9a-z]{8}_[0-9A-Za-z_-]{49}$'
  [[ "$1" =~ $form ]] && [ "$(check_digits "${1:0:61}")" = "${1:61}" ]
}

check_files() { # owner of the files
  local name
  for name in "${generated[@]}" "${given[@]}"; do
    if [ -L "$secrets/$name" ]; then
      problem "secrets/$name is a symbolic link: the containers would not find what it points to; remove it, then $generate"
    elif [ ! -e "$secrets/$name" ]; then
      is_one_of "$name" "${given[@]}" || problem "secrets/$name is missing: $generate"
    elif [ ! -f "$secrets/$name" ]; then
      problem "secrets/$name is no file: remove it, then $generate"
    else
      check_rights "$secrets/$name" "secrets/$name" 600 "$1"
      check_value "$name"
    fi
  done
  for name in "${rotatable[@]}"; do
    if [ -f "$secrets/$name.previous" ]; then
      check_rights "$secrets/$name.previous" "secrets/$name.previous" 600 "$1"
      check_value "$name.previous"
      if [ $(($(date +%s) - $(changed_at "$secrets/$name.previous"))) -gt 86400 ]; then
        note "the value of $name before its rotation is accepted for more than a day already: $generate --retire $name"
      fi
    fi
  done
}

# The same value for two purposes: whoever learns one of them has both.
check_repeated() {
  local names=() values=() name value i j
  for name in "${generated[@]}" "${given[@]}" "${rotatable[@]/%/.previous}"; do
    if has_secret "$name" && [ -r "$secrets/$name" ]; then
      names+=("$name")
      values+=("$(tr -d '\000' <"$secrets/$name")")
    fi
  done
  for ((i = 0; i < ${#names[@]}; i++)); do
    for ((j = i + 1; j < ${#names[@]}; j++)); do
      # Equal to the value before: a rotation that was cut off, which is harmless.
      if [ "${values[i]}" = "${values[j]}" ] && [ "${names[i]}.previous" != "${names[j]}" ]; then
        problem "secrets/${names[i]} and secrets/${names[j]} hold the same value: $generate --force ${names[i]}"
      fi
    done
  done
}

# Whatever else is there is seen by every container.
check_strays() { # owner of the files
  local path name
  for path in "$secrets"/* "$secrets"/.[!.]* "$secrets"/..?*; do
    if [ ! -e "$path" ] && [ ! -L "$path" ]; then continue; fi
    name=${path##*/}
    case "$name" in
      .gitkeep | .lock) continue ;;
      .new.*) problem "secrets/$(printable "$name") was left behind by a run that was killed: $generate removes it" && continue ;;
    esac
    if is_one_of "$name" "${generated[@]}" "${given[@]}" "${rotatable[@]/%/.previous}"; then continue; fi
    if [ -f "$env_file" ] && grep -qaE "^[A-Z_]+_FILE=[\"']?/run/secrets/${name//[^A-Za-z0-9_-]/.}[\"']?[[:space:]]*$" "$env_file"; then
      check_rights "$path" "secrets/$name" 600 "$1"
      continue
    fi
    problem "secrets/$(printable "$name") is none of the secrets that are known, and every container can see it: remove it, or name it in .env (SOMETHING_FILE=/run/secrets/…)"
  done
}

printable() { printf %s "$1" | tr -c ' -~' '?'; }

check_git() {
  local path
  command -v git >/dev/null && git -C "$root" rev-parse --git-dir >/dev/null 2>&1 || return 0
  for path in secrets .env; do
    [ -z "$(git -C "$root" ls-files -- "$path" | head -n 1)" ] || problem "$path is in git: git rm --cached -r $path, make everything in it anew ($generate --force), then see ./scripts/scan-secrets.sh"
  done
  for path in secrets/x secrets.bak.x/x .env; do
    git -C "$root" check-ignore -q --no-index -- "$path" || problem "git does not ignore ${path%/x}: add it to .gitignore"
  done
}

check_backups() {
  local path
  for path in "$root"/secrets.bak.*; do
    [ -d "$path" ] || continue
    check_rights "$path" "${path##*/}" 700 ''
    note "${path##*/} holds values that were replaced: remove it when everything runs"
  done
}

# --- run -----------------------------------------------------------------------------------------

if [ -L "$secrets" ]; then
  problem "secrets is a symbolic link: make it a directory"
elif [ ! -d "$secrets" ]; then
  problem "there is no directory secrets: $generate"
elif ! { [ -r "$secrets" ] && [ -x "$secrets" ]; }; then
  problem "secrets is not yours to read: run this as root, or as the user $(owner_of "$secrets" | cut -d: -f1)"
else
  owner=$(containers_user)
  check_rights "$secrets" secrets 700 "$owner"
  check_files "$owner"
  check_repeated
  check_strays "$owner"
fi
check_settings
check_git
check_backups
if [ $live = yes ]; then check_live; fi

if [ $problems -gt 0 ]; then
  warn "$problems problem$([ $problems = 1 ] || echo s)"
  exit 1
fi
say "no problems: ${#generated[@]} secrets, Airtable $(has_secret airtable-token && echo "with your token" || echo emulated), the model $(has_secret gemini-api-key && echo "with your key" || echo emulated)"
