use firstkey::api::Route;
use serde_json::json;

use super::{AUDITOR, PASSWORD, Scene, Slice};

/// An API type that waits for an authorization.
pub const TYPE: &str = "threatMitigationUserAccount";

/// A key with an API type that waits, or has its authorization where that is to be taken back; its ID.
pub fn waiting(scene: &Scene, route: &Route) -> i64 {
    let name = format!("waiting {}", scene.fresh());
    let body = json!({ "keyName": name, "roleID": AUDITOR, "constraints": { "apiTypes": [TYPE] } });
    let key = scene.app.post("/api/apikeys", body).key(&scene.maker).send().expect(200).json();
    if route.method == "DELETE" {
        scene.app.execute(&format!("update api_key_api_types set granted = 1 where api_key_id = {}", key["ID"]));
    }
    key["ID"].as_i64().expect("an ID")
}

/// A dry run that finds no key.
fn nobodys() -> serde_json::Value {
    json!({ "searchCriteria": [{ "fieldName": "keyName", "stringValue": "of nobody" }], "dryRun": true })
}

pub const SLICE: Slice = Slice {
    body: |scene, operation| match operation {
        "create_api_key" => Some(json!({ "keyName": format!("wanted {}", scene.fresh()), "roleID": AUDITOR })),
        "authorize_api_type" => Some(json!({ "apiType": TYPE, "password": PASSWORD })),
        "replace_api_secret_key" | "replace_current_api_secret_key" | "refresh_api_key" => Some(json!({})),
        "ensure_api_key" => Some(json!({ "roleID": AUDITOR })),
        "modify_api_key" | "modify_current_api_key" => Some(json!({ "description": "changed" })),
        "search_api_keys" => Some(json!({ "searchCriteria": [{ "fieldName": "keyName", "stringValue": "key 1" }] })),
        "search_revoked_api_keys" => Some(json!({ "maxItems": 1 })),
        "revoke_api_keys" | "lock_api_keys" | "unlock_api_keys" | "rotate_api_keys" => Some(nobodys()),
        "extend_api_keys" => {
            let mut order = nobodys();
            order["extendBy"] = json!("1d");
            Some(order)
        }
        "verify_api_key" => Some(json!({ "secretKey": "1:of nobody" })),
        "verify_api_keys" => Some(json!({ "items": [{ "secretKey": "1:of nobody" }] })),
        "explain_api_key" => Some(json!({ "keyID": scene.key(AUDITOR)["ID"] })),
        "import_api_keys" => {
            Some(json!({ "apiKeys": [{ "keyName": format!("wanted {}", scene.fresh()), "roleID": AUDITOR }] }))
        }
        _ => None,
    },
    except: |route, caller| {
        // a job is told to whoever began it, and to those who may view what was done
        let blind =
            ["auditor key", "key with the right", "auditor session", "session with the right"].contains(&caller);
        if route.path.contains("{jobID}") && (blind || caller.starts_with("other tenant's")) {
            return Some((404, "not_found"));
        }
        if caller.starts_with("other tenant's") && route.path.contains("{revokedKeyID}") {
            return Some((404, "not_found"));
        }
        let names_a_key = route.path.contains("{apiKeyID}") || route.operation == "explain_api_key";
        let foreign = caller.starts_with("other tenant's") && names_a_key;
        foreign.then_some((404, "not_found"))
    },
};
