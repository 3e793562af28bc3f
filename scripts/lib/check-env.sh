# shellcheck shell=bash disable=SC2154
# What may be wrong in .env. To be sourced by validate-credentials.sh, whose `problem` it calls.

# Who must own the files, so that the containers can read them; nothing if .env does not say.
containers_user() {
  local user
  user=$(env_value STACK_USER)
  case "$user" in
    0:*) if [ "$(id -u)" -ne 0 ]; then echo "$(id -u):$(id -g)"; fi ;; # a rootless engine: its root is this user
    *) printf %s "$user" ;;
  esac
}

check_settings() {
  if [ -L "$env_file" ]; then
    problem ".env is a symbolic link: make it a file"
  elif [ ! -f "$env_file" ]; then
    problem "there is no file .env: $generate"
  elif [ ! -r "$env_file" ]; then
    problem ".env is not yours to read: run this as the user $(owner_of "$env_file" | cut -d: -f1)"
  else
    check_rights "$env_file" .env 600 ''
    check_lines
    check_no_secrets
    check_profiles
  fi
}

# The names that lines give a value to, one a line.
env_names() { sed -n 's/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}\([A-Za-z_][A-Za-z0-9_]*\)[[:space:]]*=.*/\2/p' "$env_file"; }

check_lines() {
  local name numbers
  for name in $(env_names | sort | uniq -d); do
    problem ".env gives $name more than once, and only the last counts: keep one"
  done
  numbers=$(grep -na $'\r' "$env_file" | cut -d: -f1 | tr '\n' ' ' || true)
  [ -z "$numbers" ] || problem ".env has carriage returns, which become part of the values (line ${numbers% }): save it with Unix line ends"
  numbers=$(grep -navE '^[[:space:]]*(#|$)|^[[:space:]]*(export[[:space:]]+)?[A-Za-z_][A-Za-z0-9_]*[[:space:]]*=' "$env_file" | cut -d: -f1 | tr '\n' ' ' || true)
  [ -z "$numbers" ] || problem ".env has lines that are not NAME=value (line ${numbers% })"
  numbers=$(grep -na '^[^#]*[^[:print:][:space:]]' "$env_file" | cut -d: -f1 | tr '\n' ' ' || true)
  [ -z "$numbers" ] || problem ".env has values that are not plain ASCII (line ${numbers% })"
  if [ "$(grep -cxF -- "$env_begin" "$env_file")" -ne 1 ] || [ "$(grep -cxF -- "$env_end" "$env_file")" -ne 1 ]; then
    problem "the generator's block in .env is missing or damaged: $generate"
  fi
}

# Compose shows what stands in .env to everyone who may use the engine.
check_no_secrets() {
  local line name value secret text lower
  while IFS= read -r line || [ -n "$line" ]; do
    case "$line" in *=*) ;; *) continue ;; esac
    name=$(printf %s "${line%%=*}" | sed 's/^[[:space:]]*\(export[[:space:]]\)*[[:space:]]*//; s/[[:space:]]*$//')
    case "$name" in '' | \#* | *[!A-Za-z0-9_]*) continue ;; esac
    value=${line#*=}
    value=${value%$'\r'}
    value=${value#[\"\']}
    value=${value%[\"\']}
    [ -n "$value" ] || continue
    case "$name" in
      *_FILE | *_URL | *_TOKENS | *_MAX_*) ;;
      *TOKEN* | *SECRET* | *PASSWORD* | *PASSWD* | *API_KEY* | *PRIVATE_KEY* | *EMULATOR_KEY* | *OTLP_HEADERS)
        problem ".env holds a secret, $name: put it into a file ($generate --set … for your own token and key), and write ${name}_FILE=… here if something outside of the containers needs it"
        ;;
    esac
    case "$value" in
      *://*:*@*) problem ".env holds a password in the address $name: use ${name%_URL}_PASSWORD_FILE" ;;
    esac
    lower=$(printf %s "$value" | tr '[:upper:]' '[:lower:]')
    case "$lower" in
      changeme* | change_me* | change-me* | your_* | your-* | replace* | \<*\> | todo* | *your_*_here | *your-*-here)
        problem ".env still has the template's value for $name"
        ;;
    esac
  done < <(tr -d '\000' <"$env_file")
  text=$(tr -d '\000' <"$env_file")
  for name in "${generated[@]}" "${given[@]}" "${rotatable[@]/%/.previous}"; do
    if has_secret "$name" && [ -r "$secrets/$name" ]; then
      secret=$(tr -d '\000' <"$secrets/$name")
      # Anywhere, also in a comment.
      case "$text" in
        *"$secret"*) if [ ${#secret} -ge 8 ]; then problem ".env holds the value of secrets/$name"; fi ;;
      esac
    fi
  done
}

# What is set must fit what is there: an emulator beside a token of one's own would answer in Airtable's place.
check_profiles() {
  local name in_environment
  [ "$(env_value STACK_CREDENTIALS)" = ready ] || problem ".env does not say STACK_CREDENTIALS=ready, so compose refuses to start: $generate"
  case "$(env_value STACK_USER)" in
    *[!0-9:]* | '' | :* | *: | *:*:*) problem "STACK_USER in .env is not like 65532:65532: $generate" ;;
    *:*) ;;
    *) problem "STACK_USER in .env is not like 65532:65532: $generate" ;;
  esac
  check_pair airtable-token airtable-emulator STACK_AIRTABLE_API_URL "$airtable_emulator_url" \
    STACK_AIRTABLE_TOKEN_FILE STACK_AIRTABLE_EMULATOR_TOKEN_FILE airtable-emulator-token
  check_pair gemini-api-key gemini-emulator STACK_GEMINI_API_URL "$gemini_emulator_url" \
    STACK_GEMINI_API_KEY_FILE STACK_GEMINI_EMULATOR_KEY_FILE gemini-emulator-key
  # Compose takes the environment's before the file's.
  for name in STACK_CREDENTIALS STACK_USER COMPOSE_PROFILES STACK_AIRTABLE_API_URL STACK_AIRTABLE_TOKEN_FILE STACK_AIRTABLE_EMULATOR_TOKEN_FILE \
    STACK_GEMINI_API_URL STACK_GEMINI_API_KEY_FILE STACK_GEMINI_EMULATOR_KEY_FILE; do
    in_environment=${!name-unset}
    if [ "$in_environment" != unset ] && [ "$in_environment" != "$(env_value "$name")" ]; then
      problem "$name is in the environment with another value than in .env, and compose takes that: unset $name"
    fi
  done
}

check_pair() { # own secret, profile, name and value of the emulator's URL, names of the two files' settings, emulator's secret
  local profiles is_on=no
  profiles=,$(env_value COMPOSE_PROFILES | tr -d "\"' "),
  case "$profiles" in *",$2,"* | *',*,'*) is_on=yes ;; esac
  if has_secret "$1"; then
    [ $is_on = no ] || problem "the profile $2 is on (COMPOSE_PROFILES in .env) although there is a secrets/$1: $generate"
    [ "$(env_value "$3")" != "$4" ] || problem "$3 in .env is the emulator's address although there is a secrets/$1: $generate"
    expect_value "$5" "/run/secrets/$1"
    expect_value "$6" ''
  else
    if [ -e "$secrets/$1" ]; then problem "secrets/$1 is empty: $generate --set $1, or --unset $1"; fi
    [ $is_on = yes ] || problem "the profile $2 is off (COMPOSE_PROFILES in .env) although there is no secrets/$1: $generate"
    expect_value "$3" "$4"
    expect_value "$5" ''
    expect_value "$6" "/run/secrets/$7"
  fi
}

expect_value() { # name, value
  [ "$(env_value "$1")" = "$2" ] || problem "$1 in .env is not ${2:-empty}: $generate"
}
