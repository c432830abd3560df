//! `GET /api/administratorroles`, and the same under `/api/roles`.

use serde_json::json;

use super::PATHS;
use crate::app::TestApp;
use crate::both;

both! {
    /// DS-18, DS-24: every role by ID, each as a description shows it, under the member `roles`.
    fn roles_come_by_id_and_look_as_described(app: TestApp) {
        let viewer = app.full_key();
        for name in ["Zebra", "Aardvark"] {
            app.role(name, &[]);
        }
        for path in PATHS {
            let text = app.get(path).key(&viewer).send().expect(200).text();
            let described: Vec<String> = (1..=4)
                .map(|id| app.get(&format!("{path}/{id}")).key(&viewer).send().expect(200).text())
                .collect();
            assert_eq!(text, format!(r#"{{"roles":[{}]}}"#, described.join(",")));
        }
    }

    /// MC-26: the SDK insists on a list, and on the documented refusal.
    fn who_may_not_view_roles_is_told_so(app: TestApp) {
        let auditor = app.auditor_key();
        for path in PATHS {
            let answer = app.get(path).key(&auditor).send();
            assert_eq!(answer.refusal(), (403, "not_authorized".to_owned()));
            assert_eq!(answer.json()["message"], json!("Not authorized to view administrator roles."));
        }
    }
}
