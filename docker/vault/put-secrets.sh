#!/usr/bin/env bash
# Puts the files under secrets/ into Vault, all of them in one new version of one secret, so that a rotated value and the one
# before it arrive together. Needs the program vault, VAULT_ADDR, and a token that may write there.
#
#   ./docker/vault/put-secrets.sh [MOUNT [PATH]]      default: secret pyairtable, which docker/vault/agent.hcl reads
#
# No value is an argument of a program: vault reads the files.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() {
  printf 'put-secrets.sh: %s\n' "$*" >&2
  exit 1
}

command -v vault >/dev/null || fail "the program vault is missing: https://developer.hashicorp.com/vault/install"
[ -s secrets/internal-api-key ] || fail "there are no secrets here: run ./scripts/generate-secure-credentials.sh first"
values=()
for name in internal-api-key operator-api-key postgres-password redis-password airtable-token gemini-api-key \
  airtable-emulator-token gemini-emulator-key internal-api-key.previous operator-api-key.previous; do
  if [ -s "secrets/$name" ]; then
    key=${name//[-.]/_} # as the agent's templates call it
    values+=("$key=@secrets/$name")
  fi
done
vault kv put -mount="${1:-secret}" "${2:-pyairtable}" "${values[@]}" >/dev/null
printf 'put %s values into Vault\n' "${#values[@]}"
