#!/usr/bin/env bash
# Sees to it that a key of a name is there and that its secret is in a file, however often it is run: the second run
# changes nothing. BASE_URL, CERT, SECRET_KEY (a key that may create and edit keys) and KEY_FILE come from the environment.
set -euo pipefail
umask 077

# What the server keeps of a secret: SHA-256 over a label, a zero byte, and the 32 bytes behind the last colon.
digest() {
    { printf 'firstkey/apikey/v1\0'; printf %s "${1##*:}" | openssl base64 -d -A; } | openssl dgst -sha256 -r | cut -c 1-64
}

held=()
if [ -s "$KEY_FILE" ]; then
    held=(-H "X-Have-Secret-Digest: sha256:$(digest "$(cat "$KEY_FILE")")")
fi
answer=$(curl --silent --show-error --fail-with-body --cacert "$CERT" -X PUT "$BASE_URL/api/apikeys/by-name/nightly%20build${QUERY:-}" \
    -H "api-secret-key: $SECRET_KEY" -H 'api-version: v1' -H 'Content-Type: application/json' "${held[@]}" \
    -d '{"roleID":2,"description":"Reports of the nightly build"}') || { printf '%s\n' "$answer" >&2; exit 1; }
secret=$(printf %s "$answer" | sed -n 's/.*"secretKey":"\([^"]*\)".*/\1/p')
if [ -n "$secret" ]; then
    printf %s "$secret" >"$KEY_FILE"
fi
printf %s "$answer" | sed 's/.*"outcome":"\([a-z]*\)".*/\1/'
