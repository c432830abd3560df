use serde_json::json;

use super::{AUDITOR, Scene, Slice};

/// A contact that nobody else looks at; its ID.
pub fn fresh(scene: &Scene) -> i64 {
    let body = json!({ "name": format!("contact {}", scene.fresh()) });
    let contact = scene.app.post("/api/contacts", body).key(&scene.maker).send().expect(200).json();
    contact["ID"].as_i64().expect("an ID")
}

pub const SLICE: Slice = Slice {
    body: |_, operation| match operation {
        "create_contact" => Some(json!({ "name": "wanted", "roleID": AUDITOR })),
        "modify_contact" => Some(json!({ "description": "changed" })),
        "search_contacts" => Some(json!({ "searchCriteria": [{ "fieldName": "name", "stringValue": "contact 1" }] })),
        _ => None,
    },
    except: |route, caller| {
        let foreign = caller.starts_with("other tenant's") && route.path.contains("{contactID}");
        foreign.then_some((404, "not_found"))
    },
};
