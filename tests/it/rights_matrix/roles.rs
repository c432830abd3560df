use serde_json::json;

use super::Slice;

pub const SLICE: Slice = Slice {
    body: |_, operation| match operation {
        "search_roles" | "search_administrator_roles" => Some(
            json!({ "searchCriteria": [{ "fieldName": "name", "stringTest": "equal", "stringValue": "Auditor" }] }),
        ),
        _ => None,
    },
    except: |_, _| None,
};
