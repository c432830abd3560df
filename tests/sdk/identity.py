"""Every call of the vendor's own SDK that concerns identity, made once at least and looked at.

BASE_URL, SECRET_KEY (a Full Access key) and either CERT (a file to trust) or INSECURE=1 come from the environment.
Prints one line of JSON; anything unexpected ends in a traceback.
"""

import inspect
import json
import os
import time
import warnings

import deepsecurity as api
from deepsecurity.rest import ApiException

V = "v1"
APIS = {
    "keys": api.APIKeysApi,
    "roles": api.AdministratorRolesApi,
    "people": api.AdministratorsApi,
    "tenants": api.TenantsApi,
    "contacts": api.ContactsApi,
    "settings": api.SystemSettingsApi,
    "usage": api.APIUsageApi,
}
PASSWORD = "seven purple elephants quietly juggling"
called = set()


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


def operations(kind):
    """The names of an API's calls, without their twins that hand out the HTTP answer too."""
    names = (name for name, _ in inspect.getmembers(kind, inspect.isfunction))
    return {name for name in names if not name.startswith("_") and not name.endswith("_with_http_info")}


class Caller:
    """All seven APIs with one key, as `caller.keys(…)`; notes what was called."""

    def __init__(self, secret_key):
        self.apis = {name: kind(client(secret_key)) for name, kind in APIS.items()}

    def __getattr__(self, name):
        """`caller.create_api_key(…)`: an operation by its name, whichever API has it."""
        for one in self.apis.values():
            if name in operations(type(one)):
                called.add(name)
                return getattr(one, name)
        raise AttributeError(name)


def refused(status, call, *arguments, **named):
    try:
        answer = call(*arguments, **named)
    except ApiException as error:
        assert error.status == status, error
        message = json.loads(error.body)["message"]
        assert message, error
        return message
    raise AssertionError(f"{status} was expected, not {answer}")


def where(**criterion):
    return api.SearchFilter(search_criteria=[api.SearchCriteria(**criterion)])


me = Caller(os.environ["SECRET_KEY"])
tag = f"{os.getpid()}-{time.time_ns()}"
now = int(time.time() * 1000)

# ---- roles: made, found, changed ----

rights = api.Rights(
    platform_rights=api.PlatformRights(
        apikey_rights=api.ApiKeyRights(can_view_api_keys=True, can_edit_api_key_properties=True),
        administrator_rights=api.AdministratorRights(can_view_administrators=True),
    )
)
role = me.create_administrator_role(
    api.Role(name=f"Reader {tag}", description="", rights=rights, allow_web_service=True), V
)
assert role.rights.platform_rights.apikey_rights.can_view_api_keys is True
assert role.rights.platform_rights.apikey_rights.can_create_new_api_keys is False, "what is not given is not had"
assert role.urn.endswith(f":role/Reader {tag}") and role.immutable is False, role
assert role.all_computers is True and role.allow_user_interface is True and role.computer_ids is None, role
role = me.modify_administrator_role(role.id, api.Role(description="Reads keys and people"), V)
assert role.description == "Reads keys and people" and role.name == f"Reader {tag}", role
assert role.rights.platform_rights.administrator_rights.can_view_administrators is True, "what is not sent stays"
assert me.describe_administrator_role(role.id, V) == role
assert {1, 2, role.id} <= {one.id for one in me.list_administrator_roles(V).roles}
found = me.search_administrator_roles(V, search_filter=where(field_name="name", string_value=f"reader {tag[:6]}%"))
assert [one.id for one in found.roles] == [role.id], found

# ---- keys: made, found, changed, renewed ----

key = me.create_api_key(
    api.ApiKey(key_name=f"Key {tag}", role_id=role.id, time_zone="Asia/Tokyo", locale="ja-JP", expiry_date=now + 86_400_000), V
)
assert key.secret_key.startswith(f"{key.id}:") and key.active is True and key.service_account is False, key
key_caller = Caller(key.secret_key)
current = key_caller.describe_current_api_key(V)
assert (current.id, current.tenant_id, current.role_urn) == (key.id, 0, role.urn), current
assert key.id in [one.id for one in key_caller.list_api_keys(V).api_keys]
for criterion in [
    {"field_name": "keyName", "string_value": f"Key {tag}", "string_wildcards": False},
    {"field_name": "roleID", "numeric_test": "equal", "numeric_value": role.id},
    {"field_name": "expiryDate", "first_date_value": now + 86_400_000, "last_date_value": now + 86_400_000},
    {"id_test": "equal", "id_value": key.id},
]:
    found = me.search_api_keys(V, search_filter=where(**criterion))
    assert [one.id for one in found.api_keys] == [key.id], (criterion, found)
key = me.modify_api_key(key.id, api.ApiKey(description="For reports"), V)
assert key.description == "For reports" and key.time_zone == "Asia/Tokyo" and key.secret_key is None, key
assert me.describe_api_key(key.id, V).description == "For reports"
renewed = me.replace_api_secret_key(key.id, V)
assert renewed.id == key.id and renewed.secret_key, renewed
refused(401, key_caller.describe_current_api_key, V)
key_caller = Caller(renewed.secret_key)
assert key_caller.modify_current_api_key(api.ApiKey(description="Mine"), V).description == "Mine"
renewed = key_caller.replace_current_api_secret_key(V)
refused(401, key_caller.describe_current_api_key, V)
key_caller = Caller(renewed.secret_key)
assert refused(403, key_caller.delete_api_key, key.id, V) == "Not authorized to delete API keys."
me.modify_api_key(key.id, api.ApiKey(active=False), V)
refused(401, key_caller.describe_current_api_key, V)
refused(409, me.delete_administrator_role, role.id, V)

# ---- people ----

person = me.create_administrator(
    api.Administrator(
        username=f"person {tag}",
        password=PASSWORD,
        full_name="山田 太郎",
        role_id=role.id,
        time_zone="Asia/Tokyo",
        email_address="taro@example.com",
        primary_contact=True,
    ),
    V,
)
assert person.password is None and person.full_name == "山田 太郎" and person.utc_offset == "UTC+9.00", person
assert person.mfa_type == "none" and person.type == "normal" and person.time_format == "24", person
assert person.created == person.last_password_change and person.last_sign_in is None, person
person = me.modify_administrator(person.id, api.Administrator(description="Reads", phone_number="+81 3 1234 5678"), V)
assert person.description == "Reads" and person.email_address == "taro@example.com", person
assert me.describe_administrator(person.id, V) == person
assert {1, person.id} <= {one.id for one in me.list_administrators(V).administrators}
for criterion in [
    {"field_name": "username", "string_value": f"PERSON {tag}"},
    {"field_name": "mfaType", "choice_test": "not-equal", "choice_value": "local-totp"},
    {"field_name": "primaryContact", "boolean_test": True},
    {"field_name": "lastSignIn", "null_test": True},
]:
    found = me.search_administrators(V, search_filter=where(**criterion))
    assert person.id in [one.id for one in found.administrators], (criterion, found)
me.delete_administrator(person.id, V)
assert refused(404, me.describe_administrator, person.id, V) == "The administrator does not exist."

# ---- contacts ----

contact = me.create_contact(
    api.Contact(name=f"Contact {tag}", email_address="reports@example.com", role_id=2, locale="en-US"), V
)
assert contact.report_pdf_password_enabled is False and contact.description == "", contact
contact = me.modify_contact(contact.id, api.Contact(mobile_number="0123"), V)
assert contact.mobile_number == "0123" and contact.email_address == "reports@example.com", contact
assert me.describe_contact(contact.id, V) == contact
assert contact.id in [one.id for one in me.list_contacts(V).contacts]
found = me.search_contacts(V, search_filter=where(field_name="emailAddress", string_value="REPORTS@%"))
assert contact.id in [one.id for one in found.contacts], found
me.delete_contact(contact.id, V)
refused(404, me.describe_contact, contact.id, V)

# ---- tenants, and keys into them ----

tenant = me.create_tenant(
    api.Tenant(
        name=f"Tenant {tag}",
        locale="en-US",
        modules_visible=["anti-malware", "firewall"],
        administrator=api.Administrator(username="MasterAdmin", password=PASSWORD, email_address="it@example.com"),
    ),
    V,
    confirmation_required=False,
)
assert tenant.tenant_state == "active" and len(tenant.guid) == 36, tenant
assert sorted(tenant.modules_visible) == ["anti-malware", "firewall"], tenant
tenant = me.modify_tenant(tenant.id, api.Tenant(description="Blue"), V)
assert me.describe_tenant(tenant.id, V).description == "Blue"
tenants = me.list_tenants(V).tenants
assert tenant.id in [one.id for one in tenants] and 0 not in [one.id for one in tenants], tenants
found = me.search_tenants(V, search_filter=where(field_name="tenantState", choice_test="equal", choice_value="active"))
assert tenant.id in [one.id for one in found.tenants], found
theirs = me.generate_tenant_api_secret_key(tenant.id, api.ApiKey(key_name="Temporary"), V)
assert theirs.service_account is True and theirs.secret_key.startswith(f"{tenant.guid}:{theirs.id}:"), theirs
assert 0 < theirs.expiry_date - theirs.created <= 6 * 3_600_000, theirs
tenant_caller = Caller(theirs.secret_key)
assert tenant_caller.describe_current_api_key(V).tenant_guid == tenant.guid
assert [one.id for one in tenant_caller.list_api_keys(V).api_keys] == [theirs.id], "nothing of other tenants"
assert refused(404, tenant_caller.describe_api_key, key.id, V) == refused(404, tenant_caller.describe_api_key, 2**31 - 1, V)
refused(403, tenant_caller.list_tenants, V)
tenant_caller.delete_api_key(theirs.id, V)
refused(401, tenant_caller.describe_current_api_key, V)
me.delete_tenant(tenant.id, V)
refused(404, me.describe_tenant, tenant.id, V)

# ---- settings ----

IDLE = "platformSettingUserSessionIdleTimeout"
assert me.describe_system_setting(IDLE, V).value == "30 Minutes"
assert me.modify_system_setting(IDLE, api.SettingValue(value="20 Minutes"), V).value == "20 Minutes"
settings = me.modify_system_settings(
    api.SystemSettings(platform_setting_active_sessions_max=api.SettingValue(value=5)), V
)
assert settings.platform_setting_active_sessions_max.value == "5", settings
settings = me.list_system_settings(V)
assert settings.platform_setting_user_session_idle_timeout.value == "20 Minutes", settings
for name in [IDLE, "platformSettingActiveSessionsMax"]:
    me.reset_system_setting(name, V)
assert me.describe_system_setting(IDLE, V).value == "30 Minutes"
refused(404, me.describe_system_setting, "platformSettingDemoModeEnabled", V)

# ---- what was called: written down within a second ----

refusals = where(field_name="statusCode", numeric_test="greater-than-or-equal", numeric_value=400)
until = time.monotonic() + 20
while not (metrics := me.search_api_usage_metrics(V, search_filter=refusals).api_usage_metrics):
    assert time.monotonic() < until, "no refusal was noted"
    time.sleep(0.1)
assert {metric.api_type for metric in metrics} == {"REST"}, metrics
assert me.list_api_usage_metrics(V).api_usage_metrics[0].authentication_method in {"API-Key", "sID", ""}

# ---- tidied up, and nothing of the SDK left out ----

me.delete_api_key(key.id, V)
me.delete_administrator_role(role.id, V)
assert me.search_administrator_roles(V, search_filter=where(field_name="name", string_value=f"Reader {tag}")).roles == []
everything = set().union(*(operations(kind) for kind in APIS.values()))
assert called == everything, everything - called
print(json.dumps({"calls": len(called)}))
