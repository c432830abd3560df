use firstkey::clock::DAY;
use serde_json::json;

use super::ending;
use crate::app::{START, TestApp, secret};
use crate::both;

both! {
    /// Answers to a key that ends say when, refusals too; those to other callers say nothing.
    fn a_key_that_ends_is_told_so_with_each_answer(app: TestApp) {
        let full = app.full_key();
        let key = ending(&app, &full, "ends", 30 * DAY + 1_234);
        let text = secret(&key);
        let headers = |call: crate::app::Call<'_>| {
            let answer = call.send();
            (answer.status, answer.header("sunset").map(str::to_owned), answer.header("x-firstkey-expires").map(str::to_owned))
        };
        let told = |status| (status, Some("Mon, 21 Dec 2026 12:00:16 GMT".to_owned()), Some("2026-12-21T12:00:16.234Z".to_owned()));
        assert_eq!(START.millis(), 1_795_262_415_000);
        assert_eq!(headers(app.get("/api/apikeys/current").key(&text)), told(200));
        assert_eq!(headers(app.get("/api/apikeys").key(&text)), told(403));
        assert_eq!(headers(app.get("/api/nothing").key(&text)), told(404));
        assert_eq!(headers(app.get("/api/apikeys/current").key(&full)), (200, None, None));
        assert_eq!(headers(app.get("/api/apikeys").with(&app.sign_in())), (200, None, None));
        assert_eq!(headers(app.get("/api/apikeys/current").key(&format!("{}:{}=", key["ID"], "A".repeat(43)))), (401, None, None));
        // another end is told with the next answer
        let path = format!("/api/apikeys/{}", key["ID"]);
        app.post(&path, json!({ "expiryDate": 0 })).key(&full).send().expect(200);
        assert_eq!(headers(app.get("/api/apikeys/current").key(&text)), (200, None, None));
    }
}
