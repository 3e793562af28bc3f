# shellcheck shell=bash disable=SC2034,SC2154
# What the scripts for credentials know in common: which secrets there are, what a value may be, who owns a file.
# To be sourced; the caller has set -euo pipefail, LC_ALL=C and `root`, the project's directory.
# Works with bash 3.2 and BSD tools. (shellcheck: variables come from, and are for, the scripts that source this.)

# The secrets that are made here, and those that only the user can give.
generated=(internal-api-key operator-api-key postgres-password redis-password airtable-emulator-token gemini-emulator-key)
given=(airtable-token gemini-api-key)
# Whoever checks these accepts NAME.previous too, so that they can be replaced under load.
rotatable=(internal-api-key operator-api-key)

compose_file=docker-compose.minimal-working.yml
secrets="$root/secrets"
env_file="$root/.env"
env_begin='# >>> written by scripts/generate-secure-credentials.sh: it replaces this block, other lines are yours >>>'
env_end='# <<< scripts/generate-secure-credentials.sh <<<'
airtable_emulator_url=http://airtable-emulator:8902
gemini_emulator_url=http://gemini-emulator:8903

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() {
  warn "$*"
  exit 1
}

is_one_of() { # word, words…
  local word="$1" other
  shift
  for other in "$@"; do
    if [ "$word" = "$other" ]; then return 0; fi
  done
  return 1
}

# GNU and busybox know -c, BSD -f. Each follows no symbolic link.
if stat -c %u / >/dev/null 2>&1; then
  owner_of() { stat -c %u:%g -- "$1"; }
  mode_of() { stat -c %a -- "$1"; }
  changed_at() { stat -c %Y -- "$1"; }
else
  owner_of() { stat -f %u:%g -- "$1"; }
  mode_of() { stat -f %Lp -- "$1"; }
  changed_at() { stat -f %m -- "$1"; }
fi

# A regular file with something in it, and no symbolic link.
has_secret() { [ -f "$secrets/$1" ] && [ ! -L "$secrets/$1" ] && [ -s "$secrets/$1" ]; }

# Says what is wrong with a value, without the value; nothing if it is fine. Compose, URLs and shells must take it as it is.
value_problem() { # value, shortest length
  local value="$1" lower
  if [ -z "$value" ]; then
    echo "is empty"
    return
  fi
  case "$value" in
    *$'\n'* | *$'\r'*) echo "has more than one line" && return ;;
    *[$' \t']*) echo "has blanks in it" && return ;;
    *[!\ -~]*) echo "has characters in it that are not printable ASCII" && return ;;
    *[\$\`\'\"\\]*) echo "has one of \$ \` ' \" \\ in it, which compose, URLs or shells take for something else" && return ;;
    *[/@:?#%\&\<\>]*) # no token or key has these; a template value may
      case "$value" in
        \<*\>) ;;
        *) echo "has one of / @ : ? # % & < > in it, which would break a URL" && return ;;
      esac
      ;;
  esac
  lower=$(printf %s "$value" | tr '[:upper:]' '[:lower:]')
  case "$lower" in
    changeme* | change_me* | change-me* | your_* | your-* | yourkey* | yourtoken* | replace* | pyairtable_* | example* | todo* | \<*\> | xxx* | placeholder* | dummy* | secret | password | patxxx* | aizaxxx* | aizasyxxx* | *your_*_here | *your-*-here)
      echo "is a template value"
      return
      ;;
  esac
  if [ "${#value}" -lt "$2" ]; then
    echo "is too short: ${#value} characters, at least $2 are needed"
    return
  fi
  if [ "$(printf %s "$value" | fold -w 1 | sort -u | wc -l)" -lt 10 ]; then
    echo "has fewer than 10 different characters: it is not random"
  fi
}

# The shortest value that is taken for real.
shortest() { # name
  case "$1" in
    airtable-token | gemini-api-key) echo 20 ;; # theirs, not ours to judge
    *) echo 32 ;;
  esac
}

# A value of .env, the last one that is given, as compose reads it; nothing if there is none.
env_value() { # name
  [ -f "$env_file" ] || return 0
  sed -n "s/^$1=//p" "$env_file" | tail -n 1 | tr -d '\r'
}
