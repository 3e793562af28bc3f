#!/usr/bin/env bash
# Looks for secrets where everyone can read them: in the files that git has or would take (tracked, and new ones that are not
# ignored), and in the whole history of all branches and tags with deleted files and commit messages. It knows the forms of
# tokens of many vendors and of our own keys, private keys, passwords in URLs, random values given to a name that speaks of
# a secret; and the values under secrets/, in whatever form they stand there. Prints no secret: four characters and a length.
#
#   ./scripts/scan-secrets.sh              files and history
#   ./scripts/scan-secrets.sh --staged     what the next commit would add; as a hook: ln -s ../../scripts/scan-secrets.sh
#                                          .git/hooks/pre-commit
#   ./scripts/scan-secrets.sh --tree       files only
#   ./scripts/scan-secrets.sh --history    history only
#
# What was found and is no secret goes into scripts/secrets.allow, with a reason. Exit code: 0 nothing was found, 1 something
# was, 2 it could not look. Archives and other packed files are not opened.
{ set +xv; } 2>/dev/null
set -euo pipefail
script=$0
# A hook is a symbolic link in .git/hooks, called without arguments in the checkout.
if [ "$(basename "$script")" = pre-commit ]; then
  set -- --staged
  root=$(git rev-parse --show-toplevel)
else
  root=$(cd "$(dirname "$script")/.." && pwd -P)
fi

fail() {
  printf 'scan-secrets.sh: %s\n' "$*" >&2
  exit 2
}

what="--tree --history"
case "$#:${1:-}" in
  0:) ;;
  1:--staged | 1:--tree | 1:--history) what=$1 ;;
  1:-h | 1:--help) sed -n '2,/^{ set/{/^{ set/d;s/^# \{0,1\}//;p;}' "$root/scripts/scan-secrets.sh" && exit ;;
  *) fail "$* is not known; --help says what is" ;;
esac
command -v git >/dev/null || fail "git is missing: install it"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null || fail "python3 (3.8 or newer) is missing: install it"
# shellcheck disable=SC2086 # one or two words
exec python3 -I "$root/scripts/lib/scan_secrets.py" "$root" $what
