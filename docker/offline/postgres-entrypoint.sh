#!/bin/sh
# The part of the public image's contract that people use: POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD, each also from
# a file named by ..._FILE; data in PGDATA; password login from the network; root only prepares, and goes on as postgres.
set -e
case "${1:-}" in
  -*) set -- postgres "$@" ;;
esac
[ "$1" = postgres ] || exec "$@"

from_file() { # variable
  eval "file=\${$1_FILE:-} value=\${$1:-}"
  # shellcheck disable=SC2154 # the line above sets them
  if [ -n "$file" ]; then
    [ -z "$value" ] || { echo "error: both $1 and $1_FILE are set (but are exclusive)" >&2; exit 1; }
    value=$(cat "$file")
  fi
  export "$1=$value"
  unset "$1_FILE"
}
from_file POSTGRES_PASSWORD
from_file POSTGRES_USER
from_file POSTGRES_DB
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

mkdir -p "$PGDATA"
if [ "$(id -u)" -eq 0 ]; then
  chmod 0700 "$PGDATA"
  find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres {} +
  exec setpriv --reuid postgres --regid "$(id -g postgres)" --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -n "$POSTGRES_PASSWORD" ] || { echo "Error: Database is uninitialized and superuser password is not specified." >&2; exit 1; }
  file=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" >"$file"
  initdb -D "$PGDATA" --username="$user" --pwfile="$file" >/dev/null
  rm "$file"
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  if [ "$database" != postgres ]; then
    pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start >/dev/null
    createdb --no-password -U "$user" "$database"
    pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
  fi
fi
exec "$@"
