use serde_json::json;

use super::{AUDITOR, NEW_PASSWORD, PASSWORD, Slice};

pub const SLICE: Slice = Slice {
    body: |scene, operation| match operation {
        "create_administrator" => {
            let name = format!("wanted {}", scene.fresh());
            Some(json!({ "username": name, "password": NEW_PASSWORD, "roleID": AUDITOR }))
        }
        "modify_administrator" => Some(json!({ "description": "changed" })),
        "search_administrators" => {
            Some(json!({ "searchCriteria": [{ "fieldName": "username", "stringValue": "colleague 1" }] }))
        }
        "change_password" => Some(json!({ "currentPassword": PASSWORD, "newPassword": NEW_PASSWORD })),
        "enrol_totp" => Some(json!({ "password": PASSWORD })),
        "confirm_totp" => Some(json!({ "mfaCode": "000000" })),
        "remove_totp" => Some(json!({ "password": PASSWORD, "mfaCode": "000000" })),
        _ => None,
    },
    except: |route, caller| match route.operation {
        "change_password" | "enrol_totp" | "confirm_totp" | "remove_totp" if caller == "other tenant's session" => {
            Some((403, "not_authorized"))
        }
        // nobody here has MFA on
        "confirm_totp" | "remove_totp" => Some((409, "conflict")),
        _ if caller.starts_with("other tenant's") && route.path.ends_with("{administratorID}") => {
            Some((404, "not_found"))
        }
        _ => None,
    },
};
