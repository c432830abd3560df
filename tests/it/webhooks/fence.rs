use firstkey::clock::{DAY, HOUR};
use serde_json::json;

use super::{assert_refusal, create};
use crate::app::TestApp;
use crate::both;
use crate::notices::{deliver, ending};
use crate::receivers::Hooks;

both! {
    /// A webhook to this machine, to a private network or to any address that is not of the public Internet is refused,
    /// however it is spelt, at the making and later.
    fn a_webhook_leads_to_no_private_address(app: TestApp, |setup| setup.webhooks.allow_http = true) {
        let key = app.full_key();
        create(&app, &key, json!({ "name": "x", "url": "https://1.1.1.1/", "events": ["apikey.created"] })).expect(200);
        let before = app.rows();
        for place in [
            "127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",
            "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a00:1]", "[64:ff9b::7f00:1]", "[fe80::1]",
            "[fd00::1]", "[fc00::1]", "[ff02::1]", "[2002:7f00:1::]", "[2001:db8::1]", "localhost", "LOCALHOST", "①②⑦.0.0.1",
        ] {
            for url in [format!("https://{place}/"), format!("http://{place}:8080/x")] {
                for answer in [
                    create(&app, &key, json!({ "name": "y", "url": url, "events": ["apikey.created"] })),
                    app.post("/api/webhooks/1", json!({ "url": url })).key(&key).send(),
                ] {
                    assert_refusal(&answer, (400, "malformed"));
                    assert!(answer.text().contains("webhooks.allow_networks"), "{url}: {}", answer.text());
                }
            }
        }
        app.assert_rows(&before, "refused");
    }

    /// What was let through once is judged again at each call: a name may have been turned elsewhere since.
    fn the_fence_holds_at_the_call_too(app: TestApp, |setup| setup.webhooks.allow_http = true) {
        let key = app.full_key();
        let hooks = Hooks::start();
        create(&app, &key, json!({ "name": "x", "url": "https://1.1.1.1/", "events": ["apikey.created"] })).expect(200);
        for url in [hooks.url(), format!("http://localhost:{}/", hooks.address.port()), format!("http://[::ffff:127.0.0.1]:{}/", hooks.address.port())] {
            app.execute(&format!("update webhooks set url = '{url}'"));
            app.execute("delete from notices");
            ending(&app, &key, &url, DAY);
            assert_eq!(deliver(&app), 0);
            assert_eq!(app.texts("select last_error as t from notices"), ["refused: it leads out of the fence"], "{url}");
            app.clock.advance(HOUR);
        }
        assert_eq!(hooks.take().len(), 0);
    }

    /// `http://` is for where the operator allows it, at the call too.
    fn http_is_for_where_it_is_allowed(app: TestApp, |setup| setup.webhooks.allow_networks = vec!["127.0.0.0/8".parse().expect("a network")]) {
        let key = app.full_key();
        let hooks = Hooks::start();
        let body = json!({ "name": "x", "url": hooks.url(), "events": ["apikey.created"] });
        let answer = create(&app, &key, body.clone());
        assert_refusal(&answer, (400, "malformed"));
        assert!(answer.text().contains("https:// is needed"), "{}", answer.text());
        create(&app, &key, json!({ "name": "x", "url": "https://1.1.1.1/", "events": ["apikey.created"] })).expect(200);
        app.execute(&format!("update webhooks set url = '{}'", hooks.url()));
        ending(&app, &key, "told", DAY);
        assert_eq!(deliver(&app), 0);
        assert_eq!((app.texts("select last_error as t from notices"), hooks.take().len()), (vec!["refused: it is not https".to_owned()], 0));
    }
}
