use serde_json::json;

use super::Slice;

pub const SLICE: Slice = Slice {
    body: |_, operation| match operation {
        "search_api_usage_metrics" => Some(
            json!({ "searchCriteria": [{ "fieldName": "statusCode", "numericTest": "equal", "numericValue": 429 }] }),
        ),
        _ => None,
    },
    except: |_, _| None,
};
