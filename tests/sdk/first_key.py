"""The vendor's own SDK, as its guide shows it: finds a role, makes a key, lists, uses and deletes it.

BASE_URL, SECRET_KEY (a Full Access key) and either CERT (a file to trust) or INSECURE=1 come from the environment.
Prints one line of JSON; anything unexpected ends in a traceback.
"""

import json
import os
import time
import warnings

import deepsecurity as api
from deepsecurity.rest import ApiException

API_VERSION = "v1"


def client(secret_key):
    """A client with a secret of its own: `Configuration()` hands out copies that share one `api_key`."""
    configuration = api.Configuration()
    configuration.host = os.environ["BASE_URL"].rstrip("/") + "/api"
    configuration.api_key = {"api-secret-key": secret_key}
    if os.environ.get("INSECURE") == "1":
        warnings.filterwarnings("ignore", message="Unverified HTTPS request")
        configuration.verify_ssl = False
    else:
        configuration.verify_ssl = True
        configuration.ssl_ca_cert = os.environ["CERT"]
    return api.ApiClient(configuration)


def find_role(api_client, role_name):
    name_criteria = api.SearchCriteria()
    name_criteria.field_name = "name"
    name_criteria.string_value = role_name
    name_criteria.string_test = "equal"
    role_filter = api.SearchFilter()
    role_filter.search_criteria = [name_criteria]
    admin_roles_api = api.AdministratorRolesApi(api_client)
    roles = admin_roles_api.search_administrator_roles(API_VERSION, search_filter=role_filter)
    return roles.roles


maker = client(os.environ["SECRET_KEY"])
keys_api = api.APIKeysApi(maker)

roles = find_role(maker, "Auditor")
assert [(role.id, role.name) for role in roles] == [(2, "Auditor")], roles
assert find_role(maker, "No such role") == [], "a search without a match answers an empty list"

time_to_expiry_in_ms = 14 * 24 * 60 * 60 * 1000
current_time_in_ms = int(round(time.time() * 1000))
key = api.ApiKey()
key.key_name = f"SDK {os.getpid()}-{time.time_ns()}"
key.description = "Read-only access"
key.role_id = "2"
key.locale = "en-US"
key.time_zone = "Asia/Tokyo"
key.expiry_date = current_time_in_ms + time_to_expiry_in_ms
made = keys_api.create_api_key(key, API_VERSION)

assert made.key_name == key.key_name, made
assert made.description == "Read-only access", made
assert made.role_id == 2, made
assert made.locale == "en-US", made
assert made.time_zone == "Asia/Tokyo", made
assert made.expiry_date == key.expiry_date, made
assert made.active is True and made.service_account is False, made
assert made.unsuccessful_sign_in_attempts == 0, made
assert made.secret_key.startswith(f"{made.id}:"), "the secret begins with the ID of its key"

listed = {one.id: one for one in keys_api.list_api_keys(API_VERSION).api_keys}
assert listed[made.id].key_name == key.key_name, listed
assert listed[made.id].secret_key is None, "the secret is shown once"
described = keys_api.describe_api_key(made.id, API_VERSION)
assert described.key_name == key.key_name and described.secret_key is None, described

# The auditor's key lives, and may not look at keys.
auditor = api.APIKeysApi(client(made.secret_key))
assert auditor.describe_current_api_key(API_VERSION).id == made.id
try:
    auditor.list_api_keys(API_VERSION)
    raise AssertionError("the Auditor role may not view API keys")
except ApiException as refused:
    assert refused.status == 403, refused
    assert json.loads(refused.body)["message"], refused

keys_api.delete_api_key(made.id, API_VERSION)
assert made.id not in [one.id for one in keys_api.list_api_keys(API_VERSION).api_keys]
try:
    auditor.describe_current_api_key(API_VERSION)
    raise AssertionError("a deleted key still works")
except ApiException as refused:
    assert refused.status == 401, refused

print(json.dumps({"roleID": roles[0].id, "keyID": made.id, "keyName": made.key_name, "deleted": True}))
