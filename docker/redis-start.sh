#!/bin/sh
# Starts Redis with the password that stands in a file only another user may read (mode 600). Runs as root with the right to
# read it, puts it into a configuration in memory that Redis's own user alone can read, and goes on as that user with the
# image's own entry point. The password is never an argument or a variable.
#
#   redis-start.sh               start
#   redis-start.sh healthcheck   exit code 0 if Redis answers to the password
set -eu
umask 077

secret=/run/secrets/redis-password
config=/run/stack/redis.conf # /run/stack is a tmpfs of this container

fail() {
  echo "redis-start: $*" >&2
  exit 1
}

# Redis reads its configuration, and redis-cli its input, with C's rules for a quoted string.
quoted() { sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$/"/' "$secret"; }

if [ "${1:-}" = healthcheck ]; then
  { printf 'AUTH '; quoted; echo PING; } | redis-cli 2>/dev/null | grep -qx PONG
  exit
fi

[ -r "$secret" ] || fail "$secret is missing or cannot be read: run ./scripts/generate-secure-credentials.sh"
[ "$(wc -w <"$secret")" -eq 1 ] || fail "$secret must hold one word, the password"

# Nothing here is worth keeping: caches, counters that are made anew from the clock, slots of a second. What lives for ever
# is small, so only what ends by itself may be put out.
{
  echo 'bind * -::*'
  printf 'requirepass '
  quoted
  echo 'maxmemory 160mb'
  echo 'maxmemory-policy volatile-lfu'
  echo 'save ""'
  echo 'appendonly no'
} >"$config"

[ "$(id -u)" -eq 0 ] || exec docker-entrypoint.sh redis-server --include "$config"
chown redis: "$config"
exec setpriv --reuid redis --regid "$(id -g redis)" --init-groups --inh-caps=-all \
  docker-entrypoint.sh redis-server --include "$config"
