//! The OpenAPI 3.1 page, written from the table of routes and the shapes of `wire/`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::{Access, Route, Shape, routes};
use crate::dialect::ErrorDialect;
use crate::error::Reason;
use crate::settings::{CATALOGUE, Scope};
use crate::wire;

/// The page, as `/openapi.json` answers it.
pub fn page() -> Value {
    let routes = routes();
    let error = Shape::of::<wire::ErrorBody<'static>>();
    let problem = Shape::of::<wire::ProblemBody<'static>>();
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    let shapes = routes.iter().flat_map(|route| route.request.iter().chain(&route.answer.1)).chain([&error, &problem]);
    for (name, schema) in shapes.flat_map(|shape| (shape.schemas)()) {
        schemas.entry(name).or_insert_with(|| serde_json::to_value(schema).unwrap_or_default());
    }
    name_settings(&mut schemas);
    let mut paths: Map<String, Value> = Map::new();
    for route in &routes {
        let path = paths.entry(format!("/api{}", route.path)).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route, &error, &problem);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Firstkey",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Signs people in and turns them into role-bound API keys. Numbers and booleans may come as \
                the strings that spell them; read-only members are ignored, and unknown ones too, but for those of \
                what bounds a key and of profiles, claims, rotations and verifications, which are refused. A refusal is problem details (RFC \
                9457) where `Accept` names `application/problem+json`, and has the shape of Trend Micro Cloud App \
                Security where it names `application/vnd.firstkey.cas+json`. Every path is also there below `/v1`, and below the \
                tenant's own URL, which `GET /api/about` answers.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "apiKey": {
                    "type": "apiKey", "in": "header", "name": "api-secret-key",
                    "description": "One credential in a request: this header, one of the others that take a key, or the session.",
                },
                "xApiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
                "bearer": { "type": "http", "scheme": "bearer", "description": "The same key." },
                "token": {
                    "type": "apiKey", "in": "header", "name": "Authorization",
                    "description": "The same key, behind the word `Token` and a blank.",
                },
                "session": { "type": "apiKey", "in": "cookie", "name": "sID" },
                "requestID": {
                    "type": "apiKey", "in": "header", "name": "rID",
                    "description": "The member RID of the sign-in answer; goes with the cookie.",
                },
            },
        },
    })
}

/// The two shapes with settings by name get those names, and nothing else may stand there.
fn name_settings(schemas: &mut BTreeMap<String, Value>) {
    for (shape, value) in [("SystemSettings", "SettingValue"), ("SettingsChange", "SettingChange")] {
        let Some(schema) = schemas.get_mut(shape) else { continue };
        let properties = CATALOGUE.iter().map(|setting| {
            let whose = match setting.scope {
                Scope::Tenant => "",
                Scope::Primary => " Of the primary tenant only.",
            };
            let about = format!("{} Takes {}.{whose}", setting.about, setting.takes());
            let property = json!({ "$ref": format!("#/components/schemas/{value}"), "description": about });
            (setting.name.to_owned(), property)
        });
        schema["properties"] = properties.collect::<Map<_, _>>().into();
        schema["additionalProperties"] = json!(false);
    }
}

fn operation(route: &Route, error: &Shape, problem: &Shape) -> Value {
    let mut responses = Map::new();
    let (status, answer) = &route.answer;
    responses.insert(
        status.to_string(),
        match answer {
            Some(shape) if route.operation == "export_api_keys" => {
                let mut content = content(shape);
                content["text/csv"] = json!({ "schema": { "type": "string" } });
                json!({ "description": "Done.", "content": content })
            }
            Some(shape) if route.operation == "read_calendar" => {
                let schema = content(shape)["application/json"].clone();
                json!({ "description": "Done.", "content": { "text/calendar": schema } })
            }
            Some(shape) if route.operation == "read_snapshot" => {
                let schema = content(shape)["application/json"].clone();
                json!({ "description": "Done.", "content": { "application/x-ndjson": schema } })
            }
            Some(shape) => json!({ "description": "Done.", "content": content(shape) }),
            None => json!({ "description": "Done." }),
        },
    );
    if route.operation == "read_snapshot" {
        responses.insert("304".to_owned(), json!({ "description": "Nothing has changed since `If-None-Match`." }));
    }
    for status in refusals(route) {
        let reasons: Vec<&str> =
            Reason::ALL.iter().filter(|reason| reason.status() == status).map(|reason| reason.code()).collect();
        let description = format!("Refused: {}.", reasons.join(", "));
        let mut content = content(error);
        content[ErrorDialect::Problem.media_type()] = json!({ "schema": { "$ref": reference(problem) } });
        responses.insert(status.to_string(), json!({ "description": description, "content": content }));
    }
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "tags": [tag(route.path)],
        "parameters": parameters(route),
        "responses": responses,
        "security": security(route.access),
    });
    let needs = route.right.map(|right| match route.or_right {
        [] => format!("Needs the right `{right:?}`."),
        others => {
            let others: Vec<String> = others.iter().map(|right| format!("`{right:?}`")).collect();
            format!("Needs the right `{right:?}` or {}: which, depends on what comes of it.", others.join(" or "))
        }
    });
    let about = [about(route), needs.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
    if !about.is_empty() {
        operation["description"] = json!(about);
    }
    if let Some(shape) = &route.request {
        operation["requestBody"] = json!({ "required": !is_optional(shape), "content": content(shape) });
        if route.operation == "import_api_keys" {
            operation["requestBody"]["content"]["text/csv"] = json!({ "schema": { "type": "string" } });
        }
    }
    operation
}

/// What the summary of a route leaves to be said.
fn about(route: &Route) -> Option<&'static str> {
    match route.operation {
        "export_api_keys" => Some(
            "The whole inventory, never cut, without secrets or digests of them. As CSV (RFC 4180) there is one line for \
             each key below a line with the columns; moments are RFC 3339 in UTC. A cell that begins with `=`, `+`, `-`, \
             `@`, a tab or a carriage return has an apostrophe in front of it, because a spreadsheet would run it as a \
             formula.",
        ),
        "create_webhook" => Some(
            "The receiver is called as Standard Webhooks 1.0 says: `POST` with the headers `webhook-id`, `webhook-timestamp` \
             and `webhook-signature`, which is `v1,` and the base64 of HMAC-SHA-256 over ID, moment and body, with the \
             secret that is in this answer only. 2xx is success; anything else is tried again for four days, with the same \
             `webhook-id`; 410 switches the webhook off. Redirects are not followed. The URL must lead to the public \
             Internet, or to where the operator lets it. The caller needs the right to see what the events tell.",
        ),
        "read_snapshot" => Some(
            "For `firstkey verifyd`, which verifies keys where this server is far away: the tenant's keys with the digests \
             of their secrets, what bounds them, and keys that were revoked, as lines of JSON under an Ed25519 signature. \
             Needs canViewSystemInformation too, and has also the keys that only their issuers see in lists: whoever may read \
             the audit trail knows of them. \
             With `If-None-Match` and the `ETag` of the last one it is 304 as long as nothing has changed. Each one that \
             is read is an event.",
        ),
        "create_calendar" => Some(
            "One for each person and each key; making it again gives it another URL, and the old one is of no use from then \
             on. It shows what its owner may see at the moment it is read.",
        ),
        "ensure_api_key" => Some(
            "For tools that run again and again: the second run changes nothing. `created` needs canCreateNewApiKeys; \
             `unchanged` canViewApiKeys or canEditApiKeyProperties; `updated` canEditApiKeyProperties; `reissued` \
             canCreateNewApiKeys and canEditApiKeyProperties. The secret is in the answer only when the key is created \
             or reissued. A key whose secret is not the one that `X-Have-Secret-Digest` speaks of is `conflict`, and \
             nothing happens to it; with `reissue=allow` it gets a new secret, and the old one stops at once. A key that \
             has ended is never `unchanged`: an `expiryDate` that lies ahead gives it a new life; with `reissue=allow` so \
             does a profile by which a refresh brings keys back; otherwise it is `key_has_expired`, and one that lies behind \
             is `expiry_out_of_range`.",
        ),
        "modify_api_key" => Some(
            "The secret stays, with one exception: where `constraints.apiTypes` are others than before, and the key's \
             profile has the secret replaced then, the new one is in this answer, and the old one stops at once.",
        ),
        "authorize_api_type" => Some(
            "Some API types need an authorization; until it is given, a call that only they would allow is \
             `authorization_pending`. The caller's password is asked for once more. The key's secret stays.",
        ),
        "modify_api_key_profile" => Some(
            "Of a built-in profile only `default` can be changed. Where keys have the profile, `rightsFrom` stays, and \
             `issuerBound` cannot be taken off. A profile that contradicts itself is refused with the members that do.",
        ),
        "create_api_type" | "modify_api_type" => Some(
            "`rights` are `group.subGroup.right`, as the members of a role's `rights` are nested; none that the caller lacks.",
        ),
        "delete_api_key" => Some(
            "The key lets nobody in from the next call on, and its name is free. It stays in the history \
             (`/api/apikeys/revoked`) for as long as audit events are kept.",
        ),
        "revoke_api_keys" | "lock_api_keys" | "unlock_api_keys" | "extend_api_keys" => Some(
            "In two steps. With `dryRun` nothing happens: the answer says which keys the criteria find, how lately they \
             were used, which the caller must not touch, and holds a `confirmation` that is good for ten minutes. The \
             same call with the confirmation, without `dryRun`, begins a job that does it, once; where other keys are \
             found by then, where one of them has another name, role, end or lock, and where the confirmation was used \
             already, it is `set_changed` and nothing happens. Each key is judged again when its turn comes.",
        ),
        "rotate_api_keys" => Some(
            "In two steps, as the other calls on many keys, but for 500 keys at most and at once: their new secrets are \
             in the answer, this once, and the old ones stop. With `rotation` they live on for its overlap: keys whose \
             profile allows less, and keys that have two secrets already, are among `refused`, in the dry run too. The \
             confirmation is for that overlap and no other.",
        ),
        "import_api_keys" => Some(
            "At most 4 MiB and 10,000 keys; JSON as the export answers it, or CSV with `format=csv` and the header \
             `Content-Type: text/csv`. All keys are made or none, unless `skipInvalid`. The CSV's first line names the \
             columns: `keyName`, `roleID` or `role name`, and any of `description`, `locale`, `timeZone`, `active` or \
             `locked out`, `expiryDate`, `secretDigest`, `kind`, `profileID`, `profile`, `target`, `apiTypes`, `notBefore`, \
             `allowed networks`, `denied networks`, `remainingUses`, `callsPerMinute`, where several in one cell have blanks \
             or semicolons between them; those that only a server can know are left unread, others are refused. What a \
             key's profile says holds here too, that of the tenant's default one where none is named, and so do the bounds \
             of whoever makes the call. The export answers profiles and bounds with `expand=all`, as JSON. A key whose `secretDigest` is given is presented as the answer says, with the secret that its \
             holder has; one without lets nobody in until it is given a new secret. One secret opens one key: a digest that \
             a key of the tenant has, or had until it was replaced, or a key further up in the list, makes its line \
             `invalid`; it is `conflict` only where that key was made in the very same moment.",
        ),
        "verify_api_key" => Some(
            "For services that are handed a key. The answer is 200 whatever comes of it: `code` says what speaks against the \
             key, the first in the order of the list, and who it is only where its secret proved right. Of keys of other \
             tenants nothing is known. `VALID` was a use of the key, and counts towards whatever bounds its uses; a wrong \
             secret is counted against it and locks nothing. The call itself is one of the caller's. A demand that nobody can \
             meet, because there is no such right, is refused with those that are most like it.",
        ),
        "verify_api_keys" => Some(
            "At most 1,000 questions, 2 MiB and 16,384 members. They are answered in their order, as if one had come after \
             the other; where one cannot be understood nothing is answered or counted of any. Uses that keys have left are \
             taken of all or, where the database goes away, of none.",
        ),
        "explain_api_key" => Some(
            "For people. Nothing is counted, and no secret is needed: the caller must see the key. What is judged is what is \
             known now, at the moment that is asked about; how often the key was used within a minute only from now on. \
             `code` is what a verification with its secret would answer; `NOT_FOUND` stands for a key without one.",
        ),
        "create_claim" => Some(
            "For machines that boot: the code is handed to one, and the key is made, with a secret of that moment, when \
             it redeems the code. Whoever makes the claim must be able to make the key, now and then; the code can be \
             redeemed once, in its time, from its networks.",
        ),
        "redeem_claim" => Some(
            "The code in the body is the credential. It makes one key, whatever comes at the same moment. A code that \
             comes again afterwards is in two hands: it is refused with `claim_used`, and the key is revoked; only who \
             sent it before the key was there, from the same address, is refused without that.",
        ),
        _ => None,
    }
}

/// A search without a body finds everything; a secret that is replaced without one stops at once.
fn is_optional(shape: &Shape) -> bool {
    matches!(&*shape.name, "SearchFilter" | "RotationWish")
}

fn content(shape: &Shape) -> Value {
    json!({ "application/json": { "schema": { "$ref": reference(shape) } } })
}

fn reference(shape: &Shape) -> String {
    format!("#/components/schemas/{}", shape.name)
}

fn tag(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// Members of a route's query, and headers, that stand for more than true and false.
fn more_parameters(route: &Route) -> Vec<Value> {
    let kind = || {
        json!({
            "name": "kind", "in": "query", "required": false,
            "description": "`standard` when missing; `machine` is every other kind.",
            "schema": { "type": "string", "enum": ["standard", "siemAgent", "logCollector", "machine", "all"] },
        })
    };
    let expand = || {
        json!({
            "name": "expand", "in": "query", "required": false,
            "description": "What answers add: `lifecycle`, `constraints`, both with a comma between them, or `all`.",
            "schema": { "type": "string", "pattern": "^((lifecycle|constraints|all)(,(lifecycle|constraints|all))*)?$" },
        })
    };
    match route.operation {
        "export_api_keys" => vec![
            json!({
                "name": "format", "in": "query", "required": false, "description": "`json` when missing.",
                "schema": { "type": "string", "enum": ["json", "csv"] },
            }),
            kind(),
            expand(),
        ],
        "list_api_keys" | "search_api_keys" => vec![kind(), expand()],
        "count_api_keys" => vec![kind()],
        "create_api_key"
        | "describe_api_key"
        | "modify_api_key"
        | "replace_api_secret_key"
        | "describe_current_api_key"
        | "modify_current_api_key"
        | "replace_current_api_secret_key"
        | "generate_tenant_api_secret_key" => vec![expand()],
        "ensure_api_key" => vec![
            expand(),
            json!({
                "name": "reissue", "in": "query", "required": false,
                "description": "Allows a new secret where the caller holds another than the key has.",
                "schema": { "type": "string", "enum": ["allow"] },
            }),
            json!({
                "name": "X-Have-Secret-Digest", "in": "header", "required": false,
                "description": "Shows which secret the caller holds: SHA-256 over the 18 bytes `firstkey/apikey/v1`, a \
                    zero byte, and the 32 bytes that the base64 behind the last colon of the secret key stands for. In \
                    a shell: `{ printf 'firstkey/apikey/v1\\0'; printf %s \"${KEY##*:}\" | openssl base64 -d -A; } | \
                    openssl dgst -sha256 -r | cut -c 1-64`, with `sha256:` in front.",
                "schema": { "type": "string", "pattern": "^sha256:[0-9A-Fa-f]{64}$" },
            }),
        ],
        "read_snapshot" => vec![json!({
            "name": "If-None-Match", "in": "header", "required": false,
            "description": "The `ETag` of the snapshot that is there already.", "schema": { "type": "string" },
        })],
        "delete_api_key" => vec![
            json!({
                "name": "reason", "in": "query", "required": false, "description": "Why; `unspecified` when missing.",
                "schema": {
                    "type": "string",
                    "enum": ["unspecified", "leaked", "superseded", "unused", "compromisedIssuer", "other"],
                },
            }),
            json!({
                "name": "note", "in": "query", "required": false, "description": "What else is to be known of it.",
                "schema": { "type": "string", "maxLength": 1024 },
            }),
        ],
        "import_api_keys" => vec![json!({
            "name": "format", "in": "query", "required": false, "description": "`json` when missing.",
            "schema": { "type": "string", "enum": ["json", "csv"] },
        })],
        _ => Vec::new(),
    }
}

/// The members of a route's query that are true or false.
fn query(route: &Route) -> &'static [&'static str] {
    match route.operation {
        "import_api_keys" => &["dryRun", "skipInvalid"],
        _ if route.path.starts_with("/apikeys/bulk/") => &["dryRun"],
        "create_tenant" => &["bypassTenantCache", "confirmationRequired", "asynchronous"],
        _ => &[],
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let version = json!({
        "name": "api-version", "in": "header", "required": false,
        "description": "Taken as v1 when missing.", "schema": { "type": "string", "enum": ["v1"] },
    });
    let names = route.path.split('/').filter_map(|part| Some(part.strip_prefix('{')?.split_once('}')?.0));
    let ids = names.map(|name| {
        let schema = match name {
            "name" => {
                json!({ "type": "string", "enum": CATALOGUE.iter().map(|setting| setting.name).collect::<Vec<_>>() })
            }
            "apiTypeName" => json!({ "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9._-]*$", "maxLength": 64 }),
            "secret" => json!({ "type": "string", "pattern": "^[0-9A-F]{32}$" }),
            "keyName" => json!({ "type": "string", "minLength": 1, "maxLength": 128 }),
            _ => json!({ "type": "integer", "format": "int32", "minimum": i32::from(name != "tenantID") }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let flags = query(route)
        .iter()
        .map(|name| json!({ "name": name, "in": "query", "required": false, "schema": { "type": "boolean" } }));
    ids.chain(flags).chain(more_parameters(route)).chain([version]).collect()
}

fn security(access: Access) -> Value {
    let session = || json!({ "session": [], "requestID": [] });
    let keys = || ["apiKey", "xApiKey", "bearer", "token"].into_iter().map(|way| json!({ way: [] }));
    match access {
        Access::Open => json!([]),
        Access::Any => [session()].into_iter().chain(keys()).collect(),
        Access::Session => json!([session()]),
        Access::Key => keys().collect(),
    }
}

/// The statuses, other than success, that a route can answer. A free name is 404 only where a client swallows it: `.`.
fn refusals(route: &Route) -> Vec<u16> {
    let mut statuses = vec![400, 500, 503];
    // whoever may be anybody, and brings nothing, is refused only for the version
    if route.access != Access::Open || route.request.is_some() {
        statuses.extend([401, 403, 429]);
    }
    // a calendar that is not there cannot be taken away; and at a tenant's own URL those who belong elsewhere are told
    // that there is no such route, by the calls that say who one is
    // the key that is to be explained is named in the body
    let is_at_a_door =
        matches!(route.operation, "describe_about" | "describe_current_api_key" | "create_session" | "explain_api_key");
    if route.path.contains('{') || route.operation == "delete_calendar" || is_at_a_door {
        statuses.push(404);
    }
    if route.request.is_some() {
        statuses.extend([408, 413, 415]);
    }
    // one's own password is asked again, under the throttle of signing in
    let own_account = matches!(route.operation, "change_password" | "enrol_totp" | "confirm_totp" | "remove_totp");
    if ["create_", "generate_", "ensure_", "import_", "redeem_"].iter().any(|verb| route.operation.starts_with(verb)) {
        statuses.push(507);
    }
    if own_account || route.operation == "create_session" || conflicts(route) {
        statuses.push(409);
    }
    statuses.sort_unstable();
    statuses
}

/// Whether what is there already may be in the call's way.
fn conflicts(route: &Route) -> bool {
    let changes = [
        "create_",
        "modify_",
        "delete_",
        "generate_",
        "ensure_",
        "import_",
        "redeem_",
        "replace_",
        "refresh_",
        "finish_",
        "undo_",
        "authorize_",
        "withdraw_",
    ];
    route.path.starts_with("/apikeys/bulk/")
        || changes.iter().any(|verb| route.operation.starts_with(verb)) && !route.path.starts_with("/sessions")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The copy in the repository is what clients are generated from; `UPDATE_DOCS=1` writes it anew.
    #[test]
    fn the_page_in_the_repository_is_the_one_that_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        let page = format!("{}\n", serde_json::to_string_pretty(&page()).expect("it serialises"));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).expect("the page can be written");
        }
        assert!(std::fs::read_to_string(path).unwrap_or_default() == page, "docs/openapi.json is out of date");
    }

    /// What those routes are refused with that say who somebody is, by a URL that is not theirs; and what is in the way
    /// of an authorization.
    #[test]
    fn the_page_tells_refusals_that_are_not_in_the_path() {
        let page = page();
        for (path, method, status) in [
            ("/api/about", "get", "404"),
            ("/api/apikeys/current", "get", "404"),
            ("/api/sessions", "post", "404"),
            ("/api/apikeys/{apiKeyID}/authorizations", "post", "409"),
            ("/api/apikeys/{apiKeyID}/authorizations/{apiTypeName}", "delete", "409"),
        ] {
            assert!(page["paths"][path][method]["responses"].get(status).is_some(), "{method} {path} {status}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let page = page();
        let text = page.to_string();
        for name in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
}
