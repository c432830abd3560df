use serde_json::json;

use super::Slice;

pub const SLICE: Slice = Slice {
    body: |scene, operation| match operation {
        "search_roles" | "search_administrator_roles" => Some(
            json!({ "searchCriteria": [{ "fieldName": "name", "stringTest": "equal", "stringValue": "Auditor" }] }),
        ),
        "create_role" | "create_administrator_role" => Some(json!({ "name": format!("wanted {}", scene.fresh()) })),
        "modify_role" | "modify_administrator_role" => Some(json!({ "description": "changed" })),
        _ => None,
    },
    except: |route, caller| {
        let theirs = matches!(
            route.operation,
            "modify_role" | "modify_administrator_role" | "delete_role" | "delete_administrator_role"
        );
        (theirs && caller.starts_with("other tenant's")).then_some((404, "not_found"))
    },
};
