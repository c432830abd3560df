#!/usr/bin/env bash
# Signs in and mints a key with curl alone. BASE_URL, CERT, USERNAME and PASSWORD come from the environment.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
call=(curl --silent --show-error --fail-with-body --cacert "$CERT" -H 'api-version: v1' -H 'Content-Type: application/json')

# The session cookie goes to a file, the request ID is in the answer.
"${call[@]}" -c "$work/cookie.txt" "$BASE_URL/api/sessions" -d @- >"$work/session.json" <<EOT
{"userName":"$USERNAME","password":"$PASSWORD"}
EOT
rid=$(sed 's/.*"RID":"\([0-9A-F]*\)".*/\1/' "$work/session.json")

# Both together mint the key; its secret is shown this once.
"${call[@]}" -b "$work/cookie.txt" -H "rID: $rid" "$BASE_URL/api/apikeys" \
    -d '{"keyName":"First key by curl","description":"Created using a request ID","roleID":1}' >"$work/key.json"
grep -q '"secretKey":"[0-9]*:[A-Za-z0-9+/]*="' "$work/key.json"
cat "$work/key.json"
