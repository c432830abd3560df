"""Gives generated calls a credential: those that only read share one, each other has its own, to which it may do
whatever it likes.

BASE_URL, SECRET_KEY (a Full Access key that is used for nothing but this) and CERT come from the environment.
"""

import functools
import os
import uuid

import requests
import schemathesis

BASE_URL, SECRET_KEY, CERT = (os.environ[name] for name in ("BASE_URL", "SECRET_KEY", "CERT"))
PASSWORD = "seven purple elephants quietly juggling"
http = requests.Session()
http.verify = CERT
http.trust_env = False


def post(path, body, **headers):
    http.cookies.clear()
    answer = http.post(BASE_URL + path, json=body, headers=headers, timeout=10)
    answer.raise_for_status()
    return answer


def new_key():
    body = {"keyName": f"own {uuid.uuid4()}", "roleID": 1}
    return {"api-secret-key": post("/api/apikeys", body, **{"api-secret-key": SECRET_KEY}).json()["secretKey"]}


def new_session():
    """Calls change settings too, until nobody can be made or sign in any more: then all are taken back, once."""
    try:
        return sign_in_as_somebody_new()
    except requests.HTTPError:
        me = {"api-secret-key": SECRET_KEY}
        for name in http.get(BASE_URL + "/api/systemsettings", headers=me, timeout=10).json():
            http.delete(f"{BASE_URL}/api/systemsettings/{name}", headers=me, timeout=10).raise_for_status()
        return sign_in_as_somebody_new()


def sign_in_as_somebody_new():
    person = {"username": f"own {uuid.uuid4()}", "password": PASSWORD, "roleID": 1}
    post("/api/administrators", person, **{"api-secret-key": SECRET_KEY})
    session = post("/api/sessions", {"userName": person["username"], "password": PASSWORD})
    return {"Cookie": f"sID={session.cookies['sID']}", "rID": session.json()["RID"]}


shared_key = functools.cache(new_key)


@schemathesis.auth(refresh_interval=None)
class Credential:
    def get(self, case, context):
        operation = context.operation
        needs = operation.definition.raw.get("security", [])
        if not needs:
            return {}
        if not any("apiKey" in way for way in needs):
            return new_session()
        reads = operation.method.upper() == "GET" or operation.path.endswith("/search")
        return shared_key() if reads else new_key()

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), **data}
