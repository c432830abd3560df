#!/usr/bin/env bash
# Sees to it that the keys NAMES are there, each with a secret that this machine has made itself: the server is told its
# digest only. A task that runs again and again: the second run changes nothing. BASE_URL, CERT, SECRET_KEY (a key that
# may create and edit keys), FOLDER for the secrets, NAMES and DESCRIPTION come from the environment. One key that cannot
# be keeps none of the others back; the task has failed then.
set -euo pipefail
umask 077

# What the server keeps of a secret: SHA-256 over a label, a zero byte, and the 32 bytes.
digest() {
    { printf 'firstkey/apikey/v1\0'; cat "$1"; } | openssl dgst -sha256 -r | cut -c 1-64
}

failed=0
for name in $NAMES; do
    file=$FOLDER/$name
    [ -s "$file.bin" ] || openssl rand -out "$file.bin" 32
    answer=$(curl --silent --show-error --fail-with-body --cacert "$CERT" -X PUT "$BASE_URL/api/apikeys/by-name/$name${QUERY:-}" \
        -H "api-secret-key: $SECRET_KEY" -H 'api-version: v1' -H 'Content-Type: application/json' \
        -d "{\"roleID\":2,\"description\":\"${DESCRIPTION:-}\",\"secretDigest\":\"sha256:$(digest "$file.bin")\",\"rotation\":{\"overlap\":\"1h\"}}") ||
        { printf '%s: failed: %s\n' "$name" "$answer"; failed=1; continue; }
    outcome=$(printf %s "$answer" | sed 's/.*"outcome":"\([a-z]*\)".*/\1/')
    printf '%s:%s' "$(printf %s "$answer" | sed 's/.*"ID":\([0-9]*\).*/\1/')" "$(openssl base64 -A -in "$file.bin")" >"$file.key"
    printf '%s: %s\n' "$name" "$outcome"
done
exit $failed
