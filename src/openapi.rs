//! The OpenAPI 3.1 page, written from the table of routes and the shapes of `wire/`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::{Access, Route, Shape, routes};
use crate::error::Reason;
use crate::settings::{CATALOGUE, Scope};
use crate::wire;

/// The page, as `/openapi.json` answers it.
pub fn page() -> Value {
    let routes = routes();
    let error = Shape::of::<wire::ErrorBody<'static>>();
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    let shapes = routes.iter().flat_map(|route| route.request.iter().chain(&route.answer.1)).chain([&error]);
    for (name, schema) in shapes.flat_map(|shape| &shape.schemas) {
        schemas.entry(name.clone()).or_insert_with(|| serde_json::to_value(schema).unwrap_or_default());
    }
    name_settings(&mut schemas);
    let mut paths: Map<String, Value> = Map::new();
    for route in &routes {
        let path = paths.entry(format!("/api{}", route.path)).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route, &error);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Firstkey",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Signs people in and turns them into role-bound API keys. Numbers and booleans may come as \
                the strings that spell them; unknown and read-only members are ignored.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "apiKey": { "type": "apiKey", "in": "header", "name": "api-secret-key" },
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

fn operation(route: &Route, error: &Shape) -> Value {
    let mut responses = Map::new();
    let (status, answer) = &route.answer;
    responses.insert(
        status.to_string(),
        match answer {
            Some(shape) => json!({ "description": "Done.", "content": content(shape) }),
            None => json!({ "description": "Done." }),
        },
    );
    for status in refusals(route) {
        let reasons: Vec<&str> =
            Reason::ALL.iter().filter(|reason| reason.status() == status).map(|reason| reason.code()).collect();
        let description = format!("Refused: {}.", reasons.join(", "));
        responses.insert(status.to_string(), json!({ "description": description, "content": content(error) }));
    }
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "tags": [tag(route.path)],
        "parameters": parameters(route),
        "responses": responses,
        "security": security(route.access),
    });
    if let Some(right) = route.right {
        operation["description"] = json!(format!("Needs the right `{right:?}`."));
    }
    if let Some(shape) = &route.request {
        operation["requestBody"] = json!({ "required": !is_optional(shape), "content": content(shape) });
    }
    operation
}

/// A search without a body finds everything.
fn is_optional(shape: &Shape) -> bool {
    shape.name == "SearchFilter"
}

fn content(shape: &Shape) -> Value {
    let reference = format!("#/components/schemas/{}", shape.name);
    json!({ "application/json": { "schema": { "$ref": reference } } })
}

fn tag(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// The members of a route's query that are true or false.
fn query(route: &Route) -> &'static [&'static str] {
    match route.operation {
        "create_tenant" => &["bypassTenantCache", "confirmationRequired", "asynchronous"],
        _ => &[],
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let version = json!({
        "name": "api-version", "in": "header", "required": false,
        "description": "Taken as v1 when missing.", "schema": { "type": "string", "enum": ["v1"] },
    });
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let ids = names.map(|name| {
        let schema = match name {
            "name" => {
                json!({ "type": "string", "enum": CATALOGUE.iter().map(|setting| setting.name).collect::<Vec<_>>() })
            }
            _ => json!({ "type": "integer", "format": "int32", "minimum": i32::from(name != "tenantID") }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let flags = query(route)
        .iter()
        .map(|name| json!({ "name": name, "in": "query", "required": false, "schema": { "type": "boolean" } }));
    ids.chain(flags).chain([version]).collect()
}

fn security(access: Access) -> Value {
    let (session, key) = (json!({ "session": [], "requestID": [] }), json!({ "apiKey": [] }));
    match access {
        Access::Open => json!([]),
        Access::Any => json!([session, key]),
        Access::Session => json!([session]),
        Access::Key => json!([key]),
    }
}

/// The statuses, other than success, that a route can answer.
fn refusals(route: &Route) -> Vec<u16> {
    let mut statuses = vec![400, 500, 503];
    // whoever may be anybody, and brings nothing, is refused only for the version
    if route.access != Access::Open || route.request.is_some() {
        statuses.extend([401, 403, 429]);
    }
    if route.path.contains('{') {
        statuses.push(404);
    }
    if route.request.is_some() {
        statuses.extend([408, 413, 415]);
    }
    // one's own password is asked again, under the throttle of signing in
    let own_account = matches!(route.operation, "change_password" | "enrol_totp" | "confirm_totp" | "remove_totp");
    if route.operation.starts_with("create_") || route.operation.starts_with("generate_") {
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
    let changes = ["create_", "modify_", "delete_", "generate_"];
    changes.iter().any(|verb| route.operation.starts_with(verb)) && !route.path.starts_with("/sessions")
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

    #[test]
    fn every_reference_leads_somewhere() {
        let page = page();
        let text = page.to_string();
        for name in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
}
