use serde_json::json;

use super::{Scene, Slice};

/// A profile that no key has; its ID.
pub fn fresh(scene: &Scene) -> i64 {
    let body = json!({ "name": format!("profile {}", scene.fresh()) });
    let profile = scene.app.post("/api/apikeyprofiles", body).key(&scene.maker).send().expect(200).json();
    profile["ID"].as_i64().expect("an ID")
}

pub const SLICE: Slice = Slice {
    body: |scene, operation| match operation {
        "create_api_key_profile" => Some(json!({ "name": format!("wanted profile {}", scene.fresh()) })),
        "modify_api_key_profile" => Some(json!({ "description": "changed" })),
        "search_api_key_profiles" => {
            Some(json!({ "searchCriteria": [{ "fieldName": "name", "stringValue": "deep security" }] }))
        }
        _ => None,
    },
    except: |route, caller| {
        let foreign = caller.starts_with("other tenant's") && route.path.contains("{profileID}");
        foreign.then_some((404, "not_found"))
    },
};
