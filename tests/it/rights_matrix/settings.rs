use serde_json::json;

use super::Slice;

/// The setting that stands in a path: nobody else in the scene depends on it.
pub const NAME: &str = "platformSettingUserPasswordExpirySendEmailEnabled";

pub const SLICE: Slice = Slice {
    body: |_, operation| match operation {
        "modify_system_settings" => Some(json!({ NAME: { "value": true } })),
        "modify_system_setting" => Some(json!({ "value": "false" })),
        _ => None,
    },
    except: |_, _| None,
};
