# shellcheck shell=bash disable=SC2154
# The block in .env that belongs to the generator. To be sourced by it. Other lines stay as they are, byte for byte.
# Its variables come from credentials.sh and from the generator.

# Refuses what cannot be kept safe, before anything is written.
check_env() {
  [ ! -L "$env_file" ] || die "$env_file is a symbolic link: make it a file"
  [ ! -e "$env_file" ] || [ -f "$env_file" ] || die "$env_file is no file: move it away"
  [ -f "$env_file" ] || return 0
  [ -r "$env_file" ] || die "$env_file cannot be read: run this as the user who owns it"
  local begins ends
  begins=$(line_of "$env_begin")
  ends=$(line_of "$env_end")
  case "$begins,$ends" in
    ,) ;;
    *[!0-9,]* | ,* | *,) die "the block in .env is damaged: remove the lines from '${env_begin%%:*}…' to '$env_end', then run this again" ;;
    *) [ "$begins" -lt "$ends" ] || die "the block in .env is damaged: its end is before its beginning; remove both lines" ;;
  esac
}

# The number of that line; several, each in a line, if it is there several times.
line_of() { grep -naFx -- "$1" "$env_file" | cut -d: -f1 || true; }

# What the block says now, to keep the addresses that were chosen before.
block() {
  local airtable=emulator gemini=emulator profiles='' airtable_url gemini_url
  if has_secret airtable-token && [ "$absent" != airtable-token ]; then airtable=own; fi
  if has_secret gemini-api-key && [ "$absent" != gemini-api-key ]; then gemini=own; fi
  if [ $airtable = own ]; then
    airtable_url=$(chosen_url AIRTABLE_API_URL "$airtable_emulator_url") || exit 1
  else
    airtable_url=$airtable_emulator_url
    profiles='airtable-emulator'
  fi
  if [ $gemini = own ]; then
    gemini_url=$(chosen_url GEMINI_API_URL "$gemini_emulator_url") || exit 1
  else
    gemini_url=$gemini_emulator_url
    profiles=${profiles:+$profiles,}gemini-emulator
  fi
  say "$env_begin"
  say "STACK_CREDENTIALS=ready"
  say "STACK_USER=$stack_user"
  say "COMPOSE_PROFILES=$profiles"
  say "STACK_AIRTABLE_API_URL=$airtable_url"
  say "STACK_AIRTABLE_TOKEN_FILE=$([ $airtable = emulator ] || echo /run/secrets/airtable-token)"
  say "STACK_AIRTABLE_EMULATOR_TOKEN_FILE=$([ $airtable = own ] || echo /run/secrets/airtable-emulator-token)"
  say "STACK_GEMINI_API_URL=$gemini_url"
  say "STACK_GEMINI_API_KEY_FILE=$([ $gemini = emulator ] || echo /run/secrets/gemini-api-key)"
  say "STACK_GEMINI_EMULATOR_KEY_FILE=$([ $gemini = own ] || echo /run/secrets/gemini-emulator-key)"
  say "$env_end"
}

# Where the user's own token is valid: from the environment, else what .env says already, unless that is the emulator.
chosen_url() { # setting, the emulator's address
  local url=${!1:-}
  if [ -z "$url" ]; then url=$(env_value "STACK_$1"); fi
  case "$url" in
    "$2") ;;
    *[!!-~]* | *[\$\'\"\\@]*) die "$1 must be an address without a password, blanks, quotes or \$" ;;
    *) printf %s "$url" ;;
  esac
}

write_env() {
  local text owner='' begins ends new
  text=$(block) || exit 1
  new=yes
  if [ -f "$env_file" ]; then new=no; fi
  if [ "$(id -u)" -eq 0 ]; then
    # Compose may be run by whoever owns the project.
    if [ $new = yes ]; then owner=$(owner_of "$root"); else owner=$(owner_of "$env_file"); fi
  fi
  begins=''
  if [ $new = no ]; then
    begins=$(line_of "$env_begin")
    ends=$(line_of "$env_end")
    if [ -n "$begins" ] && [ "$(sed -n "$begins,${ends}p" "$env_file")" = "$text" ]; then
      if [ "$(mode_of "$env_file")" != 600 ]; then
        chmod 600 "$env_file"
        say "mode 600  .env"
      fi
      return
    fi
  fi
  open_draft "$env_file"
  {
    if [ -n "$begins" ]; then
      head -n $((begins - 1)) "$env_file" && say "$text" && tail -n +$((ends + 1)) "$env_file"
    elif [ $new = no ]; then
      # The block begins a line of its own.
      cat "$env_file" && if [ -n "$(tail -c 1 "$env_file")" ]; then echo; fi && say "$text"
    else
      say "$text"
    fi
  } >"$draft" || die "$env_file cannot be written: is the disk full?"
  commit_draft "$env_file" "$owner"
  if [ $new = yes ]; then say "made      .env"; else say "wrote     the block in .env"; fi
}
