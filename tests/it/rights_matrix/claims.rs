use serde_json::json;

use super::{AUDITOR, Scene, Slice};

/// A claim of the matrix's own tenant; its ID and its code.
pub fn fresh(scene: &Scene) -> (i64, String) {
    let body = json!({ "keyName": format!("claimed {}", scene.fresh()), "roleID": AUDITOR });
    let claim = scene.app.post("/api/claims", body).key(&scene.maker).send().expect(200).json();
    (claim["ID"].as_i64().expect("an ID"), claim["code"].as_str().expect("a code").to_owned())
}

pub const SLICE: Slice = Slice {
    body: |scene, operation| match operation {
        "create_claim" => Some(json!({ "keyName": format!("claimed {}", scene.fresh()), "roleID": AUDITOR })),
        "redeem_claim" => Some(json!({ "code": fresh(scene).1 })),
        _ => None,
    },
    except: |_, _| None,
};
