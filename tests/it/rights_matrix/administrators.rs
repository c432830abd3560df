use serde_json::json;

use super::{NEW_PASSWORD, PASSWORD, Slice};

pub const SLICE: Slice = Slice {
    body: |_, operation| match operation {
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
        _ => None,
    },
};
