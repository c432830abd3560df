"""Signs in and mints a key with Python requests. BASE_URL, CERT, USERNAME and PASSWORD come from the environment."""

import json
import os

import requests

base = os.environ["BASE_URL"]
http = requests.Session()  # keeps the session cookie
http.verify = os.environ["CERT"]  # trusts this certificate and no other
http.trust_env = False  # REQUESTS_CA_BUNDLE would win over `verify`

session = http.post(
    f"{base}/api/sessions", json={"userName": os.environ["USERNAME"], "password": os.environ["PASSWORD"]}, timeout=30
)
session.raise_for_status()

key = http.post(
    f"{base}/api/apikeys",
    headers={"rID": session.json()["RID"]},
    json={"keyName": "First key by requests", "description": "Created using a request ID", "roleID": 1},
    timeout=30,
)
key.raise_for_status()
assert key.json()["secretKey"].startswith(f"{key.json()['ID']}:")
print(json.dumps(key.json()))
