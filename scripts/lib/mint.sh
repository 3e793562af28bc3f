# shellcheck shell=bash
# Makes secrets from 256 random bits. To be sourced; the caller has set -euo pipefail, LC_ALL=C and `die`.
# Everything that touches a value is built into bash, since what a program is called with can be seen by everyone.
# Works with bash 3.2 and BSD tools.

digits=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz # base 62
base64url=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_

# That many random bytes as hexadecimal digits, by OpenSSL or else from the operating system itself.
random_hex() { # bytes
  local hex
  hex=$(openssl rand -hex "$1" 2>/dev/null || true)
  is_hex "$hex" "$1" || hex=$(od -An -v -tx1 -N "$1" /dev/urandom 2>/dev/null | tr -d ' \n' || true)
  is_hex "$hex" "$1" || die "there is no randomness: neither openssl nor /dev/urandom gives any"
  printf %s "$hex"
}

is_hex() { # text, bytes
  [ "${#1}" -eq $((2 * $2)) ] || return 1
  case "$1" in *[!0-9a-f]*) return 1 ;; esac
}

# An API key as the services know it: pya_live_<id: 8>_<secret: 43><check: 6>. The check is the CRC-32 of what is before,
# in base 62.
api_key() {
  local hex id='' secret='' body i byte
  hex=$(random_hex 8) || exit 1
  for ((i = 0; i < 16; i += 2)); do
    byte=$((0x${hex:i:2} % 36))
    if [ "$byte" -lt 10 ]; then id+=${digits:byte:1}; else id+=${digits:byte+26:1}; fi
  done
  hex=$(random_hex 32) || exit 1
  hex=${hex}00 # to a multiple of 12 bits; the last character, all zeros, is dropped below
  for ((i = 0; i < 66; i += 3)); do
    byte=$((0x${hex:i:3}))
    secret+=${base64url:byte>>6:1}${base64url:byte&63:1}
  done
  body=pya_live_${id}_${secret:0:43}
  printf %s "$body$(check_digits "$body")"
}

check_digits() { # ASCII text
  local crc=$((0xffffffff)) i bit code rest check=''
  for ((i = 0; i < ${#1}; i++)); do
    printf -v code %d "'${1:i:1}"
    crc=$((crc ^ code))
    for ((bit = 0; bit < 8; bit++)); do
      crc=$(((crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0)))
    done
  done
  rest=$((crc ^ 0xffffffff))
  for ((i = 0; i < 6; i++)); do
    check=${digits:rest%62:1}$check
    rest=$((rest / 62))
  done
  printf %s "$check"
}

# A new value of a secret. (Each `|| exit 1`: bash does not hand errexit on to $(…).)
mint() { # name
  local hex
  case "$1" in
    operator-api-key) api_key ;;
    # In the shape of Airtable's tokens; the other says what it is for.
    airtable-emulator-token)
      hex=$(random_hex 39) || exit 1
      printf %s "pat${hex:0:14}.${hex:14}"
      ;;
    gemini-emulator-key)
      hex=$(random_hex 32) || exit 1
      printf %s "gemini-emulator-$hex"
      ;;
    *) random_hex 32 ;;
  esac
}
