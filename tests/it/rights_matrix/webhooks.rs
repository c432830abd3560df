use serde_json::json;

use super::{FULL, Scene, Slice};
use crate::app::secret;

/// A webhook that nobody else looks at; its ID.
pub fn fresh(scene: &Scene) -> i64 {
    // a tenant has so many at most, and the matrix has more cells
    scene.app.execute("delete from webhooks");
    let name = format!("webhook {}", scene.fresh());
    let body = json!({ "name": name, "url": "https://1.1.1.1/", "events": ["apikey.created"], "active": false });
    let webhook = scene.app.post("/api/webhooks", body).key(&scene.maker).send().expect(200).json();
    webhook["ID"].as_i64().expect("an ID")
}

/// A calendar that nobody else looks at; its secret.
pub fn calendar(scene: &Scene) -> String {
    let key = secret(&scene.key(FULL));
    let made = scene.app.call("POST", "/api/calendar").key(&key).send().expect(200).json();
    let url = made["url"].as_str().expect("a URL").strip_suffix(".ics").expect("a calendar").to_owned();
    url.rsplit('/').next().expect("its last part").to_owned()
}

pub const SLICE: Slice = Slice {
    body: |scene, operation| match operation {
        "create_webhook" => {
            scene.app.execute("delete from webhooks");
            let name = format!("wanted {}", scene.fresh());
            Some(json!({ "name": name, "url": "https://1.1.1.1/", "events": ["apikey.created"], "active": false }))
        }
        "modify_webhook" => Some(json!({ "description": "changed", "url": "https://1.1.1.1/new" })),
        "search_webhooks" => Some(json!({ "searchCriteria": [{ "fieldName": "name", "stringValue": "webhook 1" }] })),
        _ => None,
    },
    except: |route, caller| {
        if caller.starts_with("other tenant's") && route.path.contains("{webhookID}") {
            return Some((404, "not_found"));
        }
        // it may not see the keys that the webhook is told of
        let tells = ["create_webhook", "modify_webhook", "replace_webhook_secret"].contains(&route.operation);
        if ["key with the right", "session with the right"].contains(&caller) && tells {
            return Some((403, "beyond_caller"));
        }
        // nobody has made one yet
        (route.operation == "delete_calendar").then_some((404, "not_found"))
    },
};
