use serde_json::json;

use super::{Scene, Slice};

/// An API type that no key is for; its ID.
pub fn fresh(scene: &Scene) -> i64 {
    let body = json!({ "name": format!("type{}", scene.fresh()) });
    let kind = scene.app.post("/api/apitypes", body).key(&scene.maker).send().expect(200).json();
    kind["ID"].as_i64().expect("an ID")
}

pub const SLICE: Slice = Slice {
    body: |scene, operation| match operation {
        "create_api_type" => Some(json!({ "name": format!("wanted{}", scene.fresh()) })),
        "modify_api_type" => Some(json!({ "description": "changed" })),
        "search_api_types" => {
            Some(json!({ "searchCriteria": [{ "fieldName": "name", "stringValue": "logretrieval" }] }))
        }
        _ => None,
    },
    except: |route, caller| {
        let foreign = caller.starts_with("other tenant's") && route.path.contains("{apiTypeID}");
        foreign.then_some((404, "not_found"))
    },
};
