"""Gives each generated call a credential of its own: what a call does to its own key or session, it does to that one.

BASE_URL, SECRET_KEY (a Full Access key that is used for nothing but this) and CERT come from the environment.
"""

import itertools
import os

import requests
import schemathesis

BASE_URL, SECRET_KEY, CERT = (os.environ[name] for name in ("BASE_URL", "SECRET_KEY", "CERT"))
PASSWORD = "seven purple elephants quietly juggling"
numbers = itertools.count(1)


def post(path, body, **headers):
    answer = requests.post(BASE_URL + path, json=body, headers=headers, verify=CERT, timeout=10)
    answer.raise_for_status()
    return answer


@schemathesis.auth(refresh_interval=None)
class OwnCredential:
    def get(self, case, context):
        needs = context.operation.definition.raw.get("security", [])
        if not needs:
            return {}
        number = next(numbers)
        if any("apiKey" in way for way in needs):
            key = post("/api/apikeys", {"keyName": f"own {number}", "roleID": 1}, **{"api-secret-key": SECRET_KEY})
            return {"api-secret-key": key.json()["secretKey"]}
        person = {"username": f"own {number}", "password": PASSWORD, "roleID": 1}
        post("/api/administrators", person, **{"api-secret-key": SECRET_KEY})
        session = post("/api/sessions", {"userName": person["username"], "password": PASSWORD})
        return {"Cookie": f"sID={session.cookies['sID']}", "rID": session.json()["RID"]}

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), **data}
