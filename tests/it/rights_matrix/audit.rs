use serde_json::json;

use super::Slice;

pub const SLICE: Slice = Slice {
    body: |_, operation| (operation == "search_audit_events").then(|| json!({ "maxItems": 1 })),
    except: |_, _| None,
};
