#!/bin/sh
# Starts Postgres with the password that stands in a file only another user may read (mode 600). Runs as root with the right
# to read it, and goes on as Postgres's own user: makes the database at the first start, follows a changed password, then
# the image's own entry point. That one would put the password into the server's environment; here it is never a variable
# or an argument.
#
# The role of the services owns their database and nothing else; it is no superuser. Inside the container
# `psql -U postgres` needs no password; from the network there is no other way in than the role's password.
set -eu
umask 077

secret=/run/secrets/postgres-password
password=/run/stack/password # /run/stack is a tmpfs of this container
: "${PGDATA:=/var/lib/postgresql/pgdata}"
: "${STACK_DATABASE:=pyairtable}"
applied="$PGDATA.password" # the digest of the password that the role has

say() { echo "postgres-start: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

digest() { sha256sum "$password" | cut -d' ' -f1; }

# The server without a network, for one user: SQL on standard input, one statement a line. A statement that fails must not
# be logged, since it may hold the password. After a crash the data names the process that had it, and in the next
# container the number may be this script's: that is no other server (`pg_ctl` says so by the same variable).
alone() { # data directory, database
  PG_GRANDPARENT_PID=$$ postgres --single -c exit_on_error=on -c log_min_error_statement=panic -c log_statement=none -D "$1" "$2" >/dev/null
}

# `ROLE` stands for what to do with it: create or alter.
set_password() { # verb, data directory
  {
    printf '%s ROLE "%s" LOGIN PASSWORD ' "$1" "$STACK_DATABASE"
    sed -e "s/'/''/g" -e "s/^/'/" -e "s/\$/'/" "$password"
  } | alone "$2" postgres
}

as_root() {
  [ -r "$secret" ] || fail "$secret is missing or cannot be read: run ./scripts/generate-secure-credentials.sh"
  [ "$(wc -w <"$secret")" -eq 1 ] || fail "$secret must hold one word, the password"
  # One line, whatever the file ends with.
  printf '%s\n' "$(cat "$secret")" >"$password"
  chown postgres: "$password"
  # Mounted over the image's directories, which belonged to the server's user.
  chown postgres: "$(dirname "$PGDATA")" /var/run/postgresql
  exec setpriv --reuid postgres --regid "$(id -g postgres)" --init-groups --inh-caps=-all "$0" as-postgres
}

as_postgres() {
  trap 'exit 143' TERM INT # the first process of a container has to ask for what others get by default
  server=$(postgres --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    say "making a database in $PGDATA"
    draft=$PGDATA.new # becomes the data directory when it is whole
    rm -rf "$draft"
    initdb -D "$draft" -U postgres --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256 >/dev/null
    echo 'host all all all scram-sha-256' >>"$draft/pg_hba.conf"
    set_password CREATE "$draft"
    echo "CREATE DATABASE \"$STACK_DATABASE\" OWNER \"$STACK_DATABASE\"" | alone "$draft" postgres
    digest >"$applied"
    mv "$draft" "$PGDATA"
  elif [ "$(cat "$PGDATA/PG_VERSION")" != "$server" ]; then
    fail "the data is of Postgres $(cat "$PGDATA/PG_VERSION"), this is $server: use that version's image (POSTGRES_IMAGE), or dump the data with it and load it here"
  elif [ "$(cat "$applied" 2>/dev/null)" != "$(digest)" ]; then
    say "the password has changed; the role $STACK_DATABASE gets the new one"
    set_password ALTER "$PGDATA"
    digest >"$applied"
  fi
  : >"$password"
  exec docker-entrypoint.sh postgres -c "listen_addresses=*"
}

case "${1:-}" in
  as-postgres) as_postgres ;;
  *) as_root ;;
esac
