#!/bin/sh
# Like the public image's: options alone mean redis-server; root only gives the data to redis, and goes on as redis.
set -e
case "${1:-}" in
  -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ]; then
  if [ "$(id -u)" -eq 0 ]; then
    find . ! -user redis -exec chown redis {} +
    exec setpriv --reuid redis --regid "$(id -g redis)" --init-groups "$0" "$@"
  fi
  umask 0077
  set -- "$@" --protected-mode no # the public image is compiled like this
fi
exec "$@"
