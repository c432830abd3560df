use serde_json::json;

use super::{PASSWORD, Slice};

pub const SLICE: Slice = Slice {
    body: |scene, operation| match operation {
        "create_tenant" => Some(json!({
            "name": format!("wanted {}", scene.fresh()),
            "administrator": { "username": "first", "password": PASSWORD },
        })),
        "modify_tenant" => Some(json!({ "description": "changed" })),
        "search_tenants" => Some(json!({ "searchCriteria": [{ "fieldName": "name", "stringValue": "Blue" }] })),
        "generate_tenant_api_secret_key" => Some(json!({ "keyName": format!("temporary {}", scene.fresh()) })),
        _ => None,
    },
    except: |_, _| None,
};
