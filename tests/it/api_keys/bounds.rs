//! What bounds a key's use besides its end: taken with a body, looked at at every use.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented, seen};
use crate::app::{PASSWORD, START, Session, TestApp, secret};
use crate::both;
use crate::settings::other_tenant;

const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

/// A key of Full Access with these bounds.
fn bounded(app: &TestApp, maker: &str, name: &str, constraints: Value) -> Value {
    made(app, maker, json!({ "keyName": name, "roleID": 1, "constraints": constraints }))
}

fn path(key: &Value) -> String {
    format!("/api/apikeys/{}", key["ID"])
}

/// The bounds of a key as they are shown.
fn shown(app: &TestApp, viewer: &str, key: &Value) -> Value {
    app.get(&format!("{}?expand=constraints", path(key))).key(viewer).send().expect(200).json()["constraints"].clone()
}

fn bind(app: &TestApp, maker: &str, key: &Value, constraints: Value) {
    app.post(&path(key), json!({ "constraints": constraints })).key(maker).send().expect(200);
}

/// Status and code of the lightest call with a key, from another of this machine's addresses.
fn presented_from(app: &TestApp, secret: &str, last: u8) -> (u16, String) {
    let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    app.get("/api/apikeys/current").key(secret).send_from(from).refusal()
}

/// A person's session, and their number.
fn person(app: &TestApp, name: &str, role: i64) -> (i64, Session) {
    let id = app.administrator(name, PASSWORD, role, 0);
    (id, Session::from(&app.try_sign_in(name, PASSWORD).expect(200)))
}

both! {
    /// Bounds are taken at creation and later, each by itself; null takes one away, what is not sent stays. They are
    /// shown as they are understood, and only where that is asked for.
    fn bounds_are_taken_one_by_one(app: TestApp) {
        let maker = app.full_key();
        let sent = json!({
            "notBefore": (START.millis() - DAY).to_string(),
            "networks": { "allow": ["::ffff:127.0.0.0/104", "2001:DB8::/32", "127.0.0.0/8", "::1"], "deny": ["127.0.0.9/32"] },
            "remainingUses": "100", "callsPerMinute": 60,
            "windows": [{ "days": ["sun", "mon", "sun"], "from": "22:00", "to": "00:00" }],
        });
        let mut expected = json!({
            "notBefore": START.millis() - DAY,
            "networks": { "allow": ["127.0.0.0/8", "2001:db8::/32", "::1"], "deny": ["127.0.0.9"] },
            "remainingUses": 100, "callsPerMinute": 60,
            "windows": [{ "days": ["mon", "sun"], "from": "22:00", "to": "24:00" }],
        });
        let body = json!({ "keyName": "k", "roleID": 2, "constraints": sent });
        let key = app.post("/api/apikeys?expand=constraints", body).key(&maker).send().expect(200).json();
        assert_eq!(key["constraints"].to_string(), expected.to_string());
        assert_eq!(shown(&app, &maker, &key), expected);
        assert!(seen(&app, &maker, &key["ID"]).get("constraints").is_none());
        let lists = [app.get("/api/apikeys?expand=all").key(&maker), app.call("POST", "/api/apikeys/search?expand=constraints").key(&maker)];
        for list in lists {
            assert_eq!(list.send().expect(200).json()["apiKeys"][1]["constraints"], expected);
        }
        for (member, value) in [
            ("remainingUses", json!(1_000_000_000)), ("remainingUses", Value::Null), ("callsPerMinute", json!(1)), ("callsPerMinute", Value::Null),
            ("notBefore", Value::Null), ("windows", json!([])), ("networks", json!({ "deny": ["10.0.0.0/8"] })), ("networks", Value::Null),
        ] {
            let before = (app.last_event(), expected.clone());
            let changed = app.post(&format!("{}?expand=constraints", path(&key)), json!({ "constraints": { member: value } }));
            let changed = changed.key(&maker).send().expect(200).json();
            let is_gone = value.is_null() || value == json!([]);
            expected[member] = if member == "networks" { json!({ "allow": [], "deny": ["10.0.0.0/8"] }) } else { value };
            if is_gone {
                expected.as_object_mut().expect("members").remove(member);
            }
            assert_eq!(changed["constraints"], expected, "{member}");
            // the event tells what it was and what it is
            let nothing = || match member { "networks" => json!({ "allow": [], "deny": [] }), "windows" => json!([]), _ => Value::Null };
            let of = |bounds: &Value| bounds.get(member).cloned().unwrap_or_else(nothing);
            let events = app.events_after(before.0);
            let details: Value = serde_json::from_str(events[0].split_once('{').map(|(_, rest)| format!("{{{rest}")).expect("details").as_str()).expect("JSON");
            assert_eq!(details, json!({ format!("constraints.{member}"): { "from": of(&before.1), "to": of(&expected) } }));
        }
        assert_eq!(shown(&app, &maker, &key), json!({}));
    }

    /// What is no bound is refused with the member's name, at creation, at a change and by name; nothing happens.
    fn what_is_no_bound_is_named(app: TestApp) {
        let maker = app.full_key();
        let key = bounded(&app, &maker, "k", json!({}));
        let window = |days: Value, from: &str, to: &str| json!({ "windows": [{ "days": ["mon"], "from": "08:00", "to": "09:00" }, { "days": days, "from": from, "to": to }] });
        let allow = |network: &str| json!({ "networks": { "allow": ["10.0.0.0/8", "::1", network] } });
        let many = |count: usize| (0..count).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect::<Vec<_>>();
        let windows: Vec<Value> = (0..51).map(|n| json!({ "days": ["mon"], "from": format!("00:{n:02}"), "to": "12:00" })).collect();
        let rows = app.rows();
        for (constraints, says) in [
            (allow("10.0.0.0/33"), "constraints.networks.allow[2]: "),
            (allow("10.0.0.7/8"), "constraints.networks.allow[2]: there are bits beyond the prefix; the network is 10.0.0.0/8."),
            (allow("localhost"), "constraints.networks.allow[2]: "),
            (allow(""), "constraints.networks.allow[2]: "),
            (allow("\0"), "constraints.networks.allow[2]: "),
            (allow("::/1"), "constraints.networks.allow[2]: IPv4 addresses are part of it"),
            (json!({ "networks": { "deny": ["1.2.3"] } }), "constraints.networks.deny[0]: "),
            (json!({ "networks": { "deny": many(101) } }), "constraints.networks.deny: at most 100"),
            (json!({ "networks": { "allow": [7] } }), "constraints.networks.allow[0]: "),
            (json!({ "networks": ["10.0.0.0/8"] }), "constraints.networks: "),
            (json!({ "remainingUses": 0 }), "constraints.remainingUses: 1 to 1000000000"),
            (json!({ "remainingUses": 1_000_000_001 }), "constraints.remainingUses: "),
            (json!({ "remainingUses": -1 }), "constraints.remainingUses: "),
            (json!({ "remainingUses": 1.5 }), "constraints.remainingUses: "),
            (json!({ "callsPerMinute": 0 }), "constraints.callsPerMinute: 1 to 1000000"),
            (json!({ "callsPerMinute": 1_000_001 }), "constraints.callsPerMinute: "),
            (json!({ "callsPerMinute": "many" }), "constraints.callsPerMinute: "),
            (json!({ "notBefore": 0 }), "constraints.notBefore: "),
            (json!({ "notBefore": START.millis() + 3_654 * DAY }), "constraints.notBefore: "),
            (json!({ "notBefore": i64::MIN }), "constraints.notBefore: "),
            (window(json!([]), "08:00", "09:00"), "constraints.windows[1].days: "),
            (window(json!(["mon", "Tue"]), "08:00", "09:00"), "constraints.windows[1].days: "),
            (window(json!(["tue"]), "8:00", "09:00"), "constraints.windows[1].from: "),
            (window(json!(["tue"]), "24:00", "09:00"), "constraints.windows[1].from: "),
            (window(json!(["tue"]), "08:00", "24:01"), "constraints.windows[1].to: "),
            (json!({ "windows": [{ "days": ["mon"], "from": "08:00" }] }), "constraints.windows[0]: missing field `to`"),
            (json!({ "windows": windows }), "constraints.windows: at most 50"),
            (json!({ "windows": "always" }), "constraints.windows: "),
            (json!([]), "constraints: "),
            (json!([{}, null]), "constraints: "),
            (json!({ "windows": [[["mon"], "08:00", "09:00"]] }), "constraints.windows[0]: "),
            (json!({ "networks": [["10.0.0.0/8"], []] }), "constraints.networks: "),
        ] {
            let with = |body: Value| { let mut body = body; body["constraints"] = constraints.clone(); body };
            for call in [
                app.post("/api/apikeys", with(json!({ "keyName": "new", "roleID": 2 }))),
                app.post("/api/tenants/0/apikeys", with(json!({ "keyName": "new", "roleID": 2 }))),
                app.post(&path(&key), with(json!({}))),
                app.call("PUT", "/api/apikeys/by-name/k").json(with(json!({ "roleID": 1 }))),
                app.call("PUT", "/api/apikeys/by-name/new").json(with(json!({ "roleID": 1 }))),
            ] {
                let what = format!("{} {} {constraints}", call.request.method, call.request.path);
                let answer = call.key(&maker).send();
                assert_eq!((answer.status, answer.code().as_str()), (400, "malformed"), "{what}: {}", answer.text());
                let message = answer.json()["message"].as_str().expect("a message").to_owned();
                assert!(message.starts_with(says), "{what}: {message}");
            }
        }
        // a beginning lies before the end, whichever of the two is sent
        let ends = json!({ "expiryDate": START.millis() + DAY });
        app.post(&path(&key), ends).key(&maker).send().expect(200);
        let late = json!({ "constraints": { "notBefore": START.millis() + DAY } });
        assert_refusal(app.post(&path(&key), late).key(&maker).send().refusal(), (400, "malformed"));
        bind(&app, &maker, &key, json!({ "notBefore": START.millis() + DAY - 1 }));
        let sooner = json!({ "expiryDate": START.millis() + DAY - 1 });
        assert_refusal(app.post(&path(&key), sooner).key(&maker).send().refusal(), (400, "malformed"));
        assert_eq!(app.rows().len(), rows.len() + 2, "nothing but the two events");
    }

    /// Every address allowed by itself is taken, and warned of in a header.
    fn all_addresses_are_taken_and_warned_of(app: TestApp) {
        let maker = app.full_key();
        for (number, (network, whom)) in [("0.0.0.0/0", "IPv4"), ("::/0", "IPv6"), ("::ffff:0.0.0.0/96", "IPv4")].into_iter().enumerate() {
            let constraints = json!({ "networks": { "allow": [network] } });
            let body = json!({ "keyName": format!("k{number}"), "roleID": 2, "constraints": constraints });
            let made = app.post("/api/apikeys", body.clone()).key(&maker).send().expect(200);
            let ensured = app.call("PUT", &format!("/api/apikeys/by-name/k{number}")).json(body).key(&maker).send().expect(200);
            let changed = app.post(&path(&made.json()), json!({ "description": "d" })).key(&maker).send().expect(200);
            for answer in [made, ensured, changed] {
                let warning = answer.header("x-firstkey-warning").unwrap_or_default().to_owned();
                assert!(warning.starts_with("constraints.networks.allow: ") && warning.contains(whom), "{warning}");
            }
        }
        // together, too, and where nobody is left who is let in
        let halves = ["0.0.0.0/1", "128.0.0.0/1"];
        for (number, (networks, expected)) in [
            (json!({ "allow": halves }), Some("constraints.networks.allow: 0.0.0.0/0 lets every IPv4 address in")),
            (json!({ "deny": halves }), Some("constraints.networks.deny: 0.0.0.0/0 keeps every IPv4 address out")),
            (json!({ "deny": ["0.0.0.0/0", "::/0"] }), Some("constraints.networks.deny: 0.0.0.0/0 keeps every IPv4 address out; constraints.networks.deny: ::/0 keeps every IPv6 address out")),
            (json!({ "allow": ["10.0.0.0/8"], "deny": halves }), Some("constraints.networks.deny: it keeps out all that allow lets in, and nobody is left")),
            (json!({ "allow": ["10.0.0.0/8"], "deny": ["10.0.0.0/9"] }), None),
            (json!({ "allow": [] }), None),
        ].into_iter().enumerate() {
            let body = json!({ "keyName": format!("n{number}"), "roleID": 2, "constraints": { "networks": networks } });
            let answer = app.post("/api/apikeys", body).key(&maker).send().expect(200);
            assert_eq!(answer.header("x-firstkey-warning"), expected, "{networks}");
        }
    }

    /// A tool that makes sure of a key finds its bounds there the second time, however it spells them; uses that were
    /// made meanwhile are no difference, and are not given back. A key is of one kind for life.
    fn bounds_are_made_sure_of_by_name(app: TestApp) {
        let maker = app.full_key();
        let ensure = |constraints: Value| {
            let body = json!({ "roleID": 2, "lifecycle": { "kind": "logCollector" }, "constraints": constraints });
            app.call("PUT", "/api/apikeys/by-name/k").json(body).key(&maker).send().expect(200).json()
        };
        let wanted = json!({ "networks": { "allow": ["127.0.0.0/8"] }, "remainingUses": 3, "windows": [{ "days": ["sat", "mon"], "from": "00:00", "to": "24:00" }] });
        let key = ensure(wanted.clone());
        assert_eq!(key["outcome"], "created");
        assert_refusal(presented(&app, &secret(&key)), IN);
        app.flush();
        let rows = app.rows();
        for again in [wanted.clone(), json!({}), json!({ "networks": { "allow": ["::ffff:127.0.0.0/104"], "deny": [] }, "notBefore": null,
            "windows": [{ "days": ["mon", "sat"], "from": "00:00", "to": "00:00" }] })] {
            assert_eq!(ensure(again)["outcome"], "unchanged");
        }
        app.assert_rows(&rows, "the second run");
        let kind = json!({ "roleID": 2, "lifecycle": { "kind": "standard" } });
        assert_refusal(app.call("PUT", "/api/apikeys/by-name/k").json(kind).key(&maker).send().refusal(), (409, "conflict"));
        let mut other = wanted;
        other["callsPerMinute"] = json!(60);
        assert_eq!(ensure(other)["outcome"], "updated");
        assert_eq!(shown(&app, &maker, &key)["remainingUses"], 2, "the one that was made is not given back");
        bind(&app, &maker, &key, json!({ "remainingUses": 3 }));
        assert_eq!(shown(&app, &maker, &key)["remainingUses"], 3, "unless that is asked for");
    }

    /// Of all that speaks against a key the first is told, in one order, each with a code of its own and its name in the
    /// message; and nothing of it before the secret is right.
    fn the_first_rule_is_told(app: TestApp) {
        let maker = app.full_key();
        let (issuer, session) = person(&app, "issuer", 1);
        let body = json!({ "keyName": "k", "roleID": 2 });
        let key = app.post("/api/apikeys", body).with(&session).send().expect(200).json();
        let id = &key["ID"];
        let now = START.millis();
        app.execute(&format!("update api_keys set profile_id = 3, active = false, expiry_date = {now}, not_before = {}, remaining_uses = 0, \
            networks = '{{\"allow\":[\"10.0.0.0/8\"]}}', windows = '[{{\"days\":[0],\"from\":0,\"to\":60}}]' where id = {id}", now + 1));
        app.execute(&format!("update administrators set active = false where id = {issuer}"));
        let mend = |sql: &str| assert_eq!(app.execute(&format!("update api_keys set {sql} where id = {id}")), 1);
        let steps: [(&str, u16, &str, &dyn Fn()); 7] = [
            ("expired at 2026-11-21T12:00:15.000Z", 401, "api_key_expired", &|| mend("expiry_date = null")),
            ("NOT_YET_VALID", 401, "api_key_not_yet_valid", &|| mend("not_before = null")),
            ("locked out", 401, "api_key_locked", &|| mend("active = true")),
            ("ISSUER_DISABLED", 403, "issuer_disabled", &|| assert!(app.execute("update administrators set active = true") > 0)),
            ("from 127.0.0.1 (ADDRESS_REFUSED)", 403, "address_refused", &|| mend("networks = ''")),
            ("OUTSIDE_WINDOW", 403, "outside_window", &|| mend("windows = ''")),
            ("USAGE_EXCEEDED", 403, "usage_exceeded", &|| mend("remaining_uses = null")),
        ];
        for (says, status, code, then) in steps {
            let answer = app.get("/api/apikeys/current").key(&secret(&key)).send();
            assert_eq!(answer.refusal(), (status, code.to_owned()));
            assert!(answer.text().contains(says), "{}", answer.text());
            assert_refusal(presented(&app, &format!("{id}:{}=", "A".repeat(43))), (401, "invalid_api_key"));
            then();
        }
        assert!(seen(&app, &maker, id).get("lastSignIn").is_none(), "refused calls are no uses");
        assert_refusal(presented(&app, &secret(&key)), IN);
    }

    /// A key is of use from its networks only. The address is the connection's, and an IPv4 address is one in either
    /// spelling.
    fn a_key_is_of_use_from_its_networks(app: TestApp) {
        let maker = app.full_key();
        let key = bounded(&app, &maker, "k", json!({}));
        for (networks, admitted) in [
            (json!({ "allow": ["127.0.0.1"] }), [true, false]),
            (json!({ "allow": ["127.0.0.0/30"], "deny": ["127.0.0.2"] }), [true, false]),
            (json!({ "allow": ["127.0.0.0/30"], "deny": ["::ffff:127.0.0.2"] }), [true, false]),
            (json!({ "allow": ["::ffff:127.0.0.2/128"] }), [false, true]),
            (json!({ "deny": ["127.0.0.0/31"] }), [false, true]),
            (json!({ "deny": ["0.0.0.0/0"] }), [false, false]),
            (json!({ "allow": ["::/0"] }), [false, false]),
            (json!({ "deny": ["::/0"] }), [true, true]),
            (json!({ "allow": ["0.0.0.0/0"] }), [true, true]),
            (Value::Null, [true, true]),
        ] {
            bind(&app, &maker, &key, json!({ "networks": networks }));
            let found = [1, 2].map(|last| presented_from(&app, &secret(&key), last));
            let expected = admitted.map(|is_in| if is_in { (200, String::new()) } else { (403, "address_refused".to_owned()) });
            assert_eq!(found, expected, "{networks}");
        }
        // no header of a proxy is believed
        bind(&app, &maker, &key, json!({ "networks": { "allow": ["10.0.0.0/8"] } }));
        let spoofed = app.get("/api/apikeys/current").key(&secret(&key)).header("X-Forwarded-For", "10.0.0.1").send();
        assert_refusal(spoofed.refusal(), (403, "address_refused"));
    }

    /// A key is of use at its hours only, by the clocks of its own time zone, to the millisecond.
    fn a_key_is_of_use_at_its_hours(app: TestApp) {
        let maker = app.full_key();
        // the test begins on a Saturday at 12:00:15 UTC, when it is 21:00:15 in Tokyo
        let body = json!({ "keyName": "k", "roleID": 2, "timeZone": "Asia/Tokyo", "constraints": { "windows": [{ "days": ["sat"], "from": "21:01", "to": "02:00" }] } });
        let key = secret(&made(&app, &maker, body));
        let start = START.millis();
        for (at, expected) in [
            (start, (403, "outside_window")),
            (start + 44_999, (403, "outside_window")),
            (start + 45_000, IN),
            (start + 5 * 60 * MINUTE - 15_001, IN),
            (start + 5 * 60 * MINUTE - 15_000, (403, "outside_window")),
            (start + 7 * DAY + 45_000, IN),
        ] {
            app.clock.advance(at - app.clock.now().millis());
            assert_refusal(presented(&app, &key), expected);
        }
    }

    /// Of many calls at the same moment as many are let in as there are uses left, and no more.
    fn uses_are_counted_to_the_last(app: TestApp, |setup| setup.workers = 2) {
        let maker = app.full_key();
        let key = bounded(&app, &maker, "k", json!({ "remainingUses": 5 }));
        let refusals: Vec<(u16, String)> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..20).map(|_| scope.spawn(|| {
                (0..10).map(|_| presented(&app, &secret(&key))).collect::<Vec<_>>()
            })).collect();
            callers.into_iter().flat_map(|caller| caller.join().expect("no panic")).collect()
        });
        assert_eq!((refusals.len(), refusals.iter().filter(|refusal| refusal.0 == 200).count()), (200, 5));
        assert!(refusals.iter().all(|(status, code)| *status == 200 || code == "usage_exceeded"));
        assert_eq!(shown(&app, &maker, &key)["remainingUses"], 0);
        assert_eq!(app.count("select remaining_uses as n from api_keys where key_name = 'k'"), 0);
        bind(&app, &maker, &key, json!({ "remainingUses": 1 }));
        assert_refusal(presented(&app, &secret(&key)), IN);
        assert_refusal(presented(&app, &secret(&key)), (403, "usage_exceeded"));
        bind(&app, &maker, &key, json!({ "remainingUses": null }));
        assert_refusal(presented(&app, &secret(&key)), IN);
    }

    /// A call that is refused for any reason before takes no use: nor does one too many within a minute.
    fn a_refused_call_takes_no_use(app: TestApp) {
        let maker = app.full_key();
        let key = bounded(&app, &maker, "k", json!({ "remainingUses": 5, "callsPerMinute": 1, "networks": { "deny": ["127.0.0.2"] } }));
        let left = || shown(&app, &maker, &key)["remainingUses"].clone();
        let wrong = format!("{}:{}=", key["ID"], "A".repeat(43));
        assert_refusal(presented(&app, &wrong), (401, "invalid_api_key"));
        assert_refusal(presented_from(&app, &secret(&key), 2), (403, "address_refused"));
        assert_refusal(app.get("/api/apikeys").key(&secret(&key)).header("api-version", "v2").send().refusal(), (400, "unknown_api_version"));
        assert_refusal(app.get("/api/apikeys").key(&secret(&key)).header("Cookie", "sID=0").send().refusal(), (400, "ambiguous_credentials"));
        assert_eq!(left(), 5);
        assert_refusal(presented(&app, &secret(&key)), IN);
        assert_eq!(left(), 4);
        for _ in 0..3 {
            assert_refusal(presented(&app, &secret(&key)), (429, "rate_limited"));
        }
        assert_eq!(left(), 4);
        app.clock.advance(61_000);
        // what it may not do is refused to one who was let in: that was a use
        assert_refusal(app.get("/api/sessions").key(&secret(&key)).send().refusal(), (403, "wrong_credential_kind"));
        assert_eq!(left(), 3);
    }

    /// A key's own bound holds over any 60 seconds, and tells how long to wait; refused calls are not counted.
    fn a_key_has_so_many_calls_a_minute(app: TestApp) {
        let maker = app.full_key();
        let key = secret(&bounded(&app, &maker, "k", json!({ "callsPerMinute": 3 })));
        let other = secret(&bounded(&app, &maker, "other", json!({ "callsPerMinute": 3 })));
        for _ in 0..3 {
            assert_refusal(presented(&app, &key), IN);
            app.clock.advance(10_000);
        }
        for _ in 0..5 {
            let refused = app.get("/api/apikeys/current").key(&key).send();
            assert_refusal(refused.refusal(), (429, "rate_limited"));
            assert_eq!(refused.header("retry-after"), Some("31"), "the first call's second is over 30 s ago");
        }
        assert_refusal(presented(&app, &other), IN);
        app.clock.advance(31_000);
        assert_refusal(presented(&app, &key), IN);
        assert_refusal(presented(&app, &key), (429, "rate_limited"));
    }

    /// TC-25, TC-26: twenty calls in the minute that begins with the first of them, each token for itself; then new ones
    /// are taken when that minute is over, all at once. The number is the profile's.
    fn a_token_has_twenty_calls_from_the_first_on(app: TestApp) {
        let maker = app.full_key();
        let [key, other] = ["one", "two"].map(|name| bounded(&app, &maker, name, json!({})));
        app.execute("update api_keys set profile_id = 2 where key_name in ('one', 'two')");
        app.clock.advance(123_456);
        for _ in 0..20 {
            assert_refusal(presented(&app, &secret(&key)), IN);
            app.clock.advance(2_000);
        }
        for (ahead, wait) in [(0, "20"), (1, "20"), (18_998, "2"), (1_000, "1")] {
            app.clock.advance(ahead);
            let refused = app.get("/api/apikeys/current").key(&secret(&key)).send();
            assert_eq!((refused.status, &refused.json()["code"]), (429, &json!(429)), "in the shape of its profile");
            assert_eq!(refused.header("retry-after"), Some(wait), "{ahead}");
        }
        assert_refusal(presented(&app, &secret(&other)), IN);
        app.clock.advance(1);
        for _ in 0..20 {
            assert_refusal(presented(&app, &secret(&key)), IN);
        }
        assert_eq!(presented(&app, &secret(&key)).0, 429);
        // another number, where somebody wants one
        app.execute("insert into api_key_profiles select 99, 0, 'ten', 'ten', description, description_fold, immutable, rights_from, validity, \
            min_validity, max_validity, max_keys, targets, api_types_required, replace_secret_on_type_change, refresh_revives, max_overlap, \
            warn_before, issuer_bound, visibility, 10, tenant_calls_per_minute, calls_window, error_dialect from api_key_profiles where id = 2");
        app.execute("update api_keys set profile_id = 99 where key_name = 'two'");
        app.clock.advance(MINUTE);
        let taken = (0..20).filter(|_| presented(&app, &secret(&other)) == (200, String::new())).count();
        assert_eq!(taken, 10);
    }

    /// MC-17: thirty calls a minute for all of a tenant's tokens together; another tenant's are counted for themselves,
    /// and keys of another profile not at all.
    fn a_tenants_tokens_have_thirty_calls_a_minute(app: TestApp) {
        let (_, blue) = other_tenant(&app);
        let session = app.sign_in();
        let make = |name: &str| secret(&app.post("/api/apikeys", json!({ "keyName": name, "roleID": 1 })).with(&session).send().expect(200).json());
        let (one, two, plain) = (make("one"), make("two"), make("plain"));
        app.execute("update api_keys set profile_id = 3 where key_name in ('one', 'two', 'blue')");
        for _ in 0..15 {
            assert_refusal(presented(&app, &one), IN);
            assert_refusal(presented(&app, &two), IN);
        }
        for key in [&one, &two] {
            assert_refusal(presented(&app, key), (429, "rate_limited"));
        }
        assert_refusal(presented(&app, &blue), IN);
        assert_refusal(presented(&app, &plain), IN);
        app.clock.advance(61_000);
        assert_refusal(presented(&app, &one), IN);
    }

    /// MC-16: a token of somebody who is locked out or gone is kept and refused, and the list says why; it works again
    /// when they may sign in again. Keys of other profiles go on working.
    fn a_token_is_of_no_use_without_its_issuer(app: TestApp) {
        let viewer = app.full_key();
        let (issuer, session) = person(&app, "issuer", 1);
        let make = |name: &str| app.post("/api/apikeys", json!({ "keyName": name, "roleID": 2 })).with(&session).send().expect(200).json();
        let (token, plain) = (make("token"), make("plain"));
        app.execute("update api_keys set profile_id = 3 where key_name = 'token'");
        let status = || {
            let list = app.get("/api/apikeys?expand=lifecycle").key(&viewer).send().expect(200).json();
            let keys = list["apiKeys"].as_array().expect("a list").clone();
            let token = keys.iter().find(|key| key["ID"] == token["ID"]).expect("it is listed");
            token["lifecycle"]["status"].as_str().expect("a status").to_owned()
        };
        let lock = |active: bool| drop(app.post(&format!("/api/administrators/{issuer}"), json!({ "active": active })).key(&viewer).send().expect(200));
        assert_refusal(presented(&app, &secret(&token)), IN);
        assert_eq!(status(), "active");
        lock(false);
        assert_refusal(presented(&app, &secret(&token)), (403, "issuer_disabled"));
        assert_refusal(presented(&app, &secret(&plain)), IN);
        assert_eq!(status(), "issuerDisabled");
        lock(true);
        assert_refusal(presented(&app, &secret(&token)), IN);
        app.delete(&format!("/api/administrators/{issuer}")).key(&viewer).send().expect(204);
        assert_refusal(presented(&app, &secret(&token)), (403, "issuer_disabled"));
        assert_eq!(status(), "issuerDisabled");
        assert_refusal(presented(&app, &secret(&plain)), IN);
        // one that was made with a key depends on that key
        let made_with_key = made(&app, &viewer, json!({ "keyName": "child", "roleID": 2 }));
        app.execute("insert into api_key_profiles select 99, 0, 'bound', 'bound', description, description_fold, immutable, 'role', validity, \
            min_validity, max_validity, max_keys, targets, api_types_required, replace_secret_on_type_change, refresh_revives, max_overlap, \
            warn_before, issuer_bound, visibility, key_calls_per_minute, tenant_calls_per_minute, calls_window, error_dialect \
            from api_key_profiles where id = 3");
        app.execute("update api_keys set profile_id = 99 where key_name = 'child'");
        assert_refusal(presented(&app, &secret(&made_with_key)), IN);
        app.execute("update api_keys set active = false where key_name = 'full'");
        assert_refusal(presented(&app, &secret(&made_with_key)), (403, "issuer_disabled"));
        app.execute("delete from api_keys where key_name = 'full'");
        assert_refusal(presented(&app, &secret(&made_with_key)), (403, "issuer_disabled"));
    }

    /// T-01: what a bounded key makes is bounded as much: said nothing, it gets the same; said more, it is refused.
    fn a_bounded_key_makes_none_that_is_not(app: TestApp) {
        let full = app.full_key();
        let bounds = json!({
            "networks": { "allow": ["127.0.0.0/24"], "deny": ["127.0.0.9"] }, "callsPerMinute": 500,
            "windows": [{ "days": ["sat"], "from": "08:00", "to": "20:00" }],
        });
        let maker = bounded(&app, &full, "maker", bounds.clone());
        app.post(&path(&maker), json!({ "timeZone": "Europe/Paris" })).key(&full).send().expect(200);
        let make = |name: &str, more: Value| {
            let mut body = json!({ "keyName": name, "roleID": 2 });
            body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
            app.post("/api/apikeys?expand=constraints", body).key(&secret(&maker)).send()
        };
        let child = make("child", json!({})).expect(200).json();
        assert_eq!((&child["constraints"], &child["timeZone"]), (&bounds, &json!("Europe/Paris")));
        let narrower = json!({
            "networks": { "allow": ["127.0.0.8/30"], "deny": ["127.0.0.8/30"] }, "remainingUses": 1, "callsPerMinute": 1,
            "windows": [{ "days": ["sat"], "from": "09:00", "to": "19:00" }],
        });
        make("narrower", json!({ "constraints": narrower })).expect(200);
        for (member, value) in [
            ("networks", Value::Null),
            ("networks", json!({ "allow": ["127.0.0.0/23"], "deny": ["127.0.0.9"] })),
            ("networks", json!({ "allow": ["127.0.0.0/24"] })),
            ("networks", json!({ "deny": ["127.0.0.9"] })),
            ("callsPerMinute", Value::Null),
            ("callsPerMinute", json!(501)),
            ("windows", Value::Null),
            ("windows", json!([{ "days": ["sat"], "from": "08:00", "to": "20:01" }])),
        ] {
            let answer = make("wider", json!({ "constraints": { member: value } }));
            assert_refusal(answer.refusal(), (403, "beyond_caller"));
            assert!(answer.text().contains(&format!("constraints.{member}: ")), "{}", answer.text());
        }
        // the same hours of another zone are others
        assert_refusal(make("elsewhere", json!({ "timeZone": "UTC" })).refusal(), (403, "beyond_caller"));
        let ensured = app.call("PUT", "/api/apikeys/by-name/wider").json(json!({ "roleID": 2, "constraints": { "windows": null } }));
        assert_refusal(ensured.key(&secret(&maker)).send().refusal(), (403, "beyond_caller"));
        assert_eq!(app.count("select count(*) as n from api_keys where key_name in ('wider', 'elsewhere')"), 0);
    }

    /// T-01: nor does it take bounds off, itself included, nor does it give anything to a key that is bounded less, nor
    /// a person or a tenant an access that is not bounded at all.
    fn a_bounded_key_loosens_nothing(app: TestApp) {
        let full = app.full_key();
        let maker = bounded(&app, &full, "maker", json!({ "windows": [{ "days": ["sat"], "from": "08:00", "to": "20:00" }], "networks": { "allow": ["127.0.0.0/8"] } }));
        let zone = maker["timeZone"].clone();
        let by = |call: crate::app::Call<'_>| call.key(&secret(&maker)).send().refusal();
        let change = |key: &Value, body: Value| by(app.post(&path(key), body));
        let free = made(&app, &full, json!({ "keyName": "free", "roleID": 2, "timeZone": zone, "expiryDate": START.millis() + DAY }));
        let locked = made(&app, &full, json!({ "keyName": "locked", "roleID": 2, "active": false }));
        let refused = (403, "beyond_caller");
        for (key, body) in [
            (&maker, json!({ "constraints": { "networks": null } })),
            (&maker, json!({ "constraints": { "windows": [] } })),
            (&maker, json!({ "timeZone": "Pacific/Apia" })),
            (&free, json!({ "roleID": 1 })),
            (&free, json!({ "expiryDate": START.millis() + 2 * DAY })),
            (&free, json!({ "expiryDate": 0 })),
            (&locked, json!({ "active": true })),
        ] {
            assert_refusal(change(key, body.clone()), refused);
        }
        assert_refusal(by(app.post("/api/apikeys/current", json!({ "timeZone": "Pacific/Apia" }))), refused);
        assert_refusal(by(app.call("POST", &format!("{}/secretkey", path(&free)))), refused);
        assert_refusal(by(app.call("PUT", "/api/apikeys/by-name/locked").json(json!({ "roleID": 2, "active": true }))), refused);
        let person = json!({ "username": "someone", "password": PASSWORD, "roleID": 2 });
        assert_refusal(by(app.post("/api/administrators", person)), refused);
        assert_refusal(by(app.post("/api/tenants", json!({ "name": "Blue", "administrator": { "username": "b", "password": PASSWORD } }))), refused);
        // what gives nobody anything is not refused: another text, an earlier end, less room
        for (key, body) in [
            (&free, json!({ "description": "d" })),
            (&free, json!({ "expiryDate": START.millis() + DAY / 2 })),
            (&free, json!({ "active": false })),
            (&free, json!({ "constraints": { "callsPerMinute": 7 } })),
            (&maker, json!({ "constraints": { "networks": { "allow": ["127.0.0.0/9"] } } })),
        ] {
            assert_refusal(change(key, body), IN);
        }
        assert_refusal(by(app.call("POST", "/api/apikeys/current/secretkey")), IN);
    }

    /// T-01: uses that are counted are not handed on: each key that is made would have as many again. A key that has
    /// them makes no keys, no claims and imports none, and changes no bounds but its own, which it makes narrower only.
    fn uses_that_are_counted_are_not_handed_on(app: TestApp) {
        let full = app.full_key();
        let counted = bounded(&app, &full, "counted", json!({ "remainingUses": 100 }));
        let other = bounded(&app, &full, "other", json!({ "remainingUses": 5 }));
        let key = secret(&counted);
        let by = |call: crate::app::Call<'_>| call.key(&key).send();
        let less = json!({ "keyName": "k", "roleID": 2, "constraints": { "remainingUses": 1 } });
        let rows = app.count("select count(*) as n from api_keys");
        for call in [
            app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2 })),
            app.post("/api/apikeys", less.clone()),
            app.call("PUT", "/api/apikeys/by-name/k").json(less.clone()),
            app.post("/api/claims", less.clone()),
            app.post("/api/tenants/0/apikeys", less.clone()),
            app.post("/api/apikeys/import", json!({ "apiKeys": [{ "keyName": "k", "roleID": 2 }] })),
            app.post("/api/apikeys/import?dryRun=true&skipInvalid=true", json!({ "apiKeys": [{ "keyName": "k", "roleID": 2 }] })),
        ] {
            let answer = by(call);
            assert_refusal(answer.refusal(), (403, "beyond_caller"));
            assert!(answer.text().contains("are counted"), "{}", answer.text());
        }
        assert_eq!(app.count("select count(*) as n from api_keys") + app.count("select count(*) as n from claims"), rows);
        for (key, constraints) in [
            (&other, json!({ "remainingUses": 6 })),
            (&other, json!({ "remainingUses": null })),
            (&other, json!({ "remainingUses": 4 })),
            (&other, json!({ "callsPerMinute": 4 })),
            (&counted, json!({ "remainingUses": 1_000 })),
            (&counted, json!({ "remainingUses": null })),
        ] {
            let answer = by(app.post(&path(key), json!({ "constraints": constraints.clone() })));
            assert_refusal(answer.refusal(), (403, "beyond_caller"));
            // there a number that is no lower is no other: some of the uses may have been made
            if constraints["remainingUses"].as_i64().is_none_or(|number| number < 5) {
                let ensured = app.call("PUT", &format!("/api/apikeys/by-name/{}", key["keyName"].as_str().expect("a name")));
                assert_refusal(by(ensured.json(json!({ "roleID": 1, "constraints": constraints }))).refusal(), (403, "beyond_caller"));
            }
        }
        assert_refusal(by(app.call("POST", &format!("{}/secretkey", path(&other)))).refusal(), (403, "beyond_caller"));
        // itself it may bind more, and others it may lock, rename and revoke
        by(app.post(&path(&counted), json!({ "constraints": { "remainingUses": 50 } }))).expect(200);
        by(app.post(&path(&other), json!({ "active": false, "keyName": "renamed" }))).expect(200);
        assert_refusal(by(app.post(&path(&other), json!({ "active": true }))).refusal(), (403, "beyond_caller"));
        by(app.call("POST", "/api/apikeys/current/secretkey")).expect(200);
    }

    /// T-01: a key that is bound to whoever issued it makes none that would outlast them, and nobody who would.
    fn a_key_that_is_bound_to_its_issuer_makes_none_that_is_not(app: TestApp) {
        let session = app.sign_in();
        let make = |name: &str| app.post("/api/apikeys", json!({ "keyName": name, "roleID": 1 })).with(&session).send().expect(200).json();
        let (maker, sibling, free) = (make("maker"), make("sibling"), make("free"));
        app.execute("update api_keys set profile_id = 3 where key_name in ('maker', 'sibling')");
        let by = |call: crate::app::Call<'_>| call.key(&secret(&maker)).send().refusal();
        let refused = (403, "beyond_caller");
        assert_refusal(by(app.post("/api/apikeys", json!({ "keyName": "child", "roleID": 2 }))), refused);
        assert_refusal(by(app.post("/api/administrators", json!({ "username": "x", "password": PASSWORD, "roleID": 2 }))), refused);
        assert_refusal(by(app.call("POST", &format!("{}/secretkey", path(&free)))), refused);
        assert_refusal(by(app.post(&path(&free), json!({ "roleID": 2 }))), refused);
        assert_refusal(by(app.post(&path(&free), json!({ "description": "d" }))), IN);
        assert_refusal(by(app.call("POST", &format!("{}/secretkey", path(&sibling)))), IN);
        assert_refusal(by(app.call("POST", "/api/apikeys/current/secretkey")), IN);
    }

    /// T-16: a key whose bounds were changed while its call was under way makes nothing by the old ones.
    fn bounds_that_were_changed_meanwhile_hold(app: TestApp) {
        let full = app.full_key();
        let maker = bounded(&app, &full, "maker", json!({}));
        const BODY: &str = r#"{"keyName":"made too late","roleID":2}"#;
        for (constraints, expected) in [
            (json!({ "networks": { "allow": ["127.0.0.0/8"] } }), (403, "not_authorized")),
            (json!({ "notBefore": START.millis() + DAY, "networks": null }), (401, "invalid_api_key")),
        ] {
            let head = format!("POST /api/apikeys HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}", BODY.len());
            let mut connection = app.begin_call(&format!("api-secret-key: {}", secret(&maker)), &head);
            bind(&app, &full, &maker, constraints);
            connection.write_raw(BODY.as_bytes()).expect("it is taken");
            assert_refusal(connection.read(false).expect("an answer").refusal(), expected);
        }
        assert_eq!(app.count("select count(*) as n from api_keys where key_name = 'made too late'"), 0);
    }
}
