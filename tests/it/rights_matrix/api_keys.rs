use serde_json::json;

use super::{AUDITOR, Slice};

pub const SLICE: Slice = Slice {
    body: |scene, operation| match operation {
        "create_api_key" => Some(json!({ "keyName": format!("wanted {}", scene.fresh()), "roleID": AUDITOR })),
        "replace_api_secret_key" | "replace_current_api_secret_key" | "refresh_api_key" => Some(json!({})),
        "ensure_api_key" => Some(json!({ "roleID": AUDITOR })),
        "modify_api_key" | "modify_current_api_key" => Some(json!({ "description": "changed" })),
        "search_api_keys" => Some(json!({ "searchCriteria": [{ "fieldName": "keyName", "stringValue": "key 1" }] })),
        _ => None,
    },
    except: |route, caller| {
        let foreign = caller.starts_with("other tenant's") && route.path.contains("{apiKeyID}");
        foreign.then_some((404, "not_found"))
    },
};
