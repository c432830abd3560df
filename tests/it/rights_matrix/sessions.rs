use serde_json::json;

use super::{AUDITOR, PASSWORD, Slice};

pub const SLICE: Slice = Slice {
    body: |scene, operation| {
        let name = format!("guest {}", scene.fresh());
        let signs_in = operation == "create_session";
        signs_in.then(|| {
            scene.app.administrator(&name, PASSWORD, AUDITOR, 0);
            json!({ "userName": name, "password": PASSWORD })
        })
    },
    except: |_, _| None,
};
