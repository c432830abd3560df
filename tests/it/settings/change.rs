use serde_json::{Value, json};

use super::{other_tenant, path};
use crate::app::{Setup, TestApp};
use crate::both;
use crate::stored::without_trace;

const PER_TENANT: usize = 17;
const ALL: usize = 19;

both! {
    /// DS-12, DS-13, DS-14, DS-15: all settings in one flat object, each with its default as text.
    fn every_setting_is_listed_with_its_default(app: TestApp) {
        let key = app.full_key();
        let answer = app.get("/api/systemsettings").key(&key).send().expect(200);
        let all = answer.json();
        let object = all.as_object().expect("an object");
        assert_eq!(object.len(), ALL);
        for (name, value) in [
            ("UserSessionIdleTimeout", "30 Minutes"), ("UserSessionDurationMax", "12 Hours"), ("UserSignInAttemptsAllowedNumber", "5"),
            ("ActiveSessionsMax", "10"), ("ActiveSessionsMaxExceededAction", "End oldest session"), ("UserPasswordExpiry", "Never"),
            ("UserPasswordExpirySendEmailEnabled", "false"), ("UserPasswordLengthMin", "15"),
            ("UserPasswordRequireLettersAndNumbersEnabled", "false"), ("UserPasswordRequireMixedCaseEnabled", "false"),
            ("UserPasswordRequireSpecialCharactersEnabled", "false"), ("UserPasswordRequireNotSameAsUsernameEnabled", "true"),
            ("UserEnforceTermsAndConditionsEnabled", "false"), ("UserEnforceTermsAndConditionsTitle", ""),
            ("UserEnforceTermsAndConditionsMessage", ""), ("SignInPageMessage", ""), ("RetainSystemEventDuration", "53 Weeks"),
            ("UserSignInAttemptsLockEnabled", "false"), ("UserMFARequiredEnabled", "false"),
        ] {
            assert_eq!(all[format!("platformSetting{name}")], json!({ "value": value }), "{name}");
            assert_eq!(app.setting(&key, name), value);
        }
        assert!(answer.text().starts_with(r#"{"platformSettingUserSessionIdleTimeout":{"value":"30 Minutes"},"#));
    }

    /// The program's rules are the defaults, wherever they came from.
    fn the_defaults_are_the_programs(app: TestApp, |setup: &mut Setup| { setup.rules.idle = 90 * 60_000; setup.rules.sessions = 3; }) {
        let key = app.full_key();
        assert_eq!((app.setting(&key, "UserSessionIdleTimeout"), app.setting(&key, "ActiveSessionsMax")), (json!("90 Minutes"), json!("3")));
    }

    /// DS-12: a value may come as a string, a number or a boolean, is answered as a string, and goes back to the default.
    fn one_setting_is_set_and_reset(app: TestApp) {
        let (key, after) = (app.full_key(), app.last_event());
        let set = |name: &str, value: Value| app.post(&path(name), json!({ "value": value, "unknown": 1 })).key(&key).send().expect(200).text();
        assert_eq!(set("UserSessionIdleTimeout", json!("1 hour")), r#"{"value":"1 Hours"}"#);
        assert_eq!(set("UserSessionIdleTimeout", json!(10)), r#"{"value":"10 Minutes"}"#);
        assert_eq!(set("UserPasswordRequireMixedCaseEnabled", json!(true)), r#"{"value":"true"}"#);
        assert_eq!(set("ActiveSessionsMax", json!("no limit")), r#"{"value":"No Limit"}"#);
        assert_eq!(app.setting(&key, "UserSessionIdleTimeout"), "10 Minutes");
        let reset = app.delete(&path("UserSessionIdleTimeout")).key(&key).json(json!({})).send().expect(200);
        assert_eq!(reset.text(), r#"{"value":"30 Minutes"}"#);
        assert_eq!(app.delete(&path("UserSessionIdleTimeout")).key(&key).send().expect(200).text(), reset.text(), "twice does no harm");
        let events = app.events_after(after);
        assert_eq!(events.len(), 6, "{events:#?}");
        assert!(events[0].starts_with("5060 apiKey/") && events[0].contains(" systemSettings/0/ "), "{}", events[0]);
        assert!(events[0].ends_with(r#"{"platformSettingUserSessionIdleTimeout":{"from":"30 Minutes","to":"1 Hours"}}"#), "{}", events[0]);
        assert!(events[4].ends_with(r#"{"platformSettingUserSessionIdleTimeout":{"from":"10 Minutes","to":"30 Minutes"}}"#));
        assert!(events[5].ends_with("{}"));
    }

    /// DS-12: the whole object takes what changes, all of it or nothing, and answers all.
    fn several_settings_are_set_at_once_or_not_at_all(app: TestApp) {
        let key = app.full_key();
        let post = |body: Value| app.post("/api/systemsettings", body).key(&key).send();
        let whole = post(json!({
            "platformSettingUserPasswordExpiry": { "value": "30 Days" }, "platformSettingSignInPageMessage": { "value": "Grüezi\nmitenand" },
        })).expect(200).json();
        assert_eq!(whole.as_object().map(serde_json::Map::len), Some(ALL));
        assert_eq!(whole["platformSettingUserPasswordExpiry"]["value"], "30 Days");
        assert_eq!(whole["platformSettingSignInPageMessage"]["value"], "Grüezi\nmitenand");
        assert_eq!(post(json!({})).expect(200).json(), whole);
        let number = post(json!({ "platformSettingUserPasswordLengthMin": { "value": 20.0 } })).expect(200).json();
        assert_eq!(number["platformSettingUserPasswordLengthMin"]["value"], "20");
        app.delete(&path("UserPasswordLengthMin")).key(&key).send().expect(200);
        assert_eq!(app.get("/api/systemsettings").key(&key).send().json(), whole);
        let before = app.rows();
        let good = json!({ "value": "20" });
        for (name, value, code) in [
            ("platformSettingUserPasswordLengthMin", json!({ "value": "7" }), "bad_setting"),
            ("platformSettingNothing", good.clone(), "bad_setting"),
            ("platformsettingUserPasswordLengthMin", good.clone(), "bad_setting"),
            ("", good.clone(), "bad_setting"),
            ("platformSettingHttpStrictTransportEnabled", json!({ "value": "true" }), "bad_setting"),
            ("platformSettingSamlRetainInactiveExternalAdministratorsDuration", good.clone(), "bad_setting"),
            ("platformSettingUserPasswordLengthMin", json!({}), "malformed"),
            ("platformSettingUserPasswordLengthMin", json!({ "value": null }), "malformed"),
            ("platformSettingUserPasswordLengthMin", json!({ "value": 1.5 }), "malformed"),
            ("platformSettingUserPasswordLengthMin", json!({ "value": ["16"] }), "malformed"),
            ("platformSettingUserPasswordLengthMin", json!("16"), "malformed"),
            ("platformSettingUserPasswordLengthMin", Value::Null, "malformed"),
        ] {
            let body = json!({ "platformSettingActiveSessionsMax": good, name: value });
            let answer = post(body);
            assert_eq!(answer.refusal(), (400, code.to_owned()), "{name} {value}");
            assert!(answer.json()["message"].as_str().is_some_and(|message| message.contains(name)), "{}", answer.text());
            app.assert_rows(&before, name);
        }
        let twice = r#"{"platformSettingActiveSessionsMax":{"value":1},"platformSettingActiveSessionsMax":{"value":2}}"#;
        assert_eq!(app.call("POST", "/api/systemsettings").body(twice).key(&key).send().refusal(), (400, "malformed".into()));
    }

    /// Bounds of every setting, to the last value and one beyond, and what each does not take.
    fn bounds_and_units_are_held(app: TestApp) {
        let key = app.full_key();
        let times = ["", "soon", "Never ", "-1 Days", "1.5 Days", "1 Fortnight", "1 Days 2 Hours", "99999999999 Weeks", "0 Days", "٣ Days", "true"];
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("UserSessionIdleTimeout", &["1 Minutes", "30 Days", "720 Hours"], &["31 Days", "721 Hours", "Never", "No Limit"]),
            ("UserSessionDurationMax", &["5 Minutes", "365 Days", "52 Weeks", "No Limit"], &["4 Minutes", "366 Days", "53 Weeks", "Never"]),
            ("UserPasswordExpiry", &["1 Days", "3650 Days", "24 Hours", "Never"], &["23 Hours", "3651 Days", "No Limit"]),
            ("RetainSystemEventDuration", &["1 Days", "521 Weeks", "Never"], &["23 Hours", "522 Weeks", "No Limit"]),
            ("UserSignInAttemptsAllowedNumber", &["1", "20"], &["0", "21", "Never", "1 Minutes"]),
            ("ActiveSessionsMax", &["1", "1000", "No Limit"], &["0", "1001", "Never"]),
            ("ActiveSessionsMaxExceededAction", &["Block new sessions", "End oldest session"], &["Block", ""]),
            ("UserPasswordLengthMin", &["8", "128"], &["7", "129", "No Limit"]),
            ("UserPasswordRequireMixedCaseEnabled", &["true", "false"], &["TRUE", "1", "yes", ""]),
        ];
        for (name, good, bad) in cases {
            for value in *good {
                assert_eq!(app.set(&key, name, value).expect(200).json()["value"], *value, "{name}");
            }
            let before = app.rows();
            for value in bad.iter().chain(if good[0].contains(' ') && !name.ends_with("Action") { &times[..2] } else { &[] }) {
                let answer = app.set(&key, name, value);
                assert_eq!(answer.refusal(), (400, "bad_setting".into()), "{name} {value}");
                assert!(answer.json()["message"].as_str().is_some_and(|text| text.starts_with(&format!("platformSetting{name}: takes "))));
            }
            app.assert_rows(&before, name);
        }
        for value in times.iter().filter(|value| **value != "Never ") {
            assert_eq!(app.set(&key, "UserPasswordExpiry", value).refusal(), (400, "bad_setting".into()), "{value}");
        }
        for (name, most) in [("UserEnforceTermsAndConditionsTitle", 200), ("UserEnforceTermsAndConditionsMessage", 10_000), ("SignInPageMessage", 2_000)] {
            let text = "鍵".repeat(most);
            assert_eq!(app.set(&key, name, &text).expect(200).json()["value"], text);
            for bad in [format!("{text}x"), "a\0b".into(), "a\u{1b}[31m".into(), "\u{85}".into()] {
                assert_eq!(app.set(&key, name, &bad).refusal(), (400, "bad_setting".into()), "{name}");
            }
            assert_eq!(app.set(&key, name, "").expect(200).json()["value"], "");
        }
    }

    /// A name that is no setting is 404 in the path, and so is one that the tenant does not have.
    fn unknown_settings_are_404(app: TestApp) {
        let (key, (_, blue)) = (app.full_key(), other_tenant(&app));
        let before = app.rows();
        for name in ["Nothing", "HttpStrictTransportEnabled", "SystemEventForwardingSnmpEnabled", "ApiSoapWebServiceEnabled", "usersessionidletimeout"] {
            for call in [app.get(&path(name)), app.post(&path(name), json!({ "value": "1" })), app.delete(&path(name))] {
                let answer = call.key(&key).send();
                assert_eq!(answer.refusal(), (404, "not_found".into()), "{name}");
                assert_eq!(answer.json()["message"], "The system setting does not exist.");
            }
        }
        for name in ["RetainSystemEventDuration", "SignInPageMessage"] {
            let unknown = without_trace(&app.get(&path("Nothing")).key(&blue).send().expect(404));
            for call in [app.get(&path(name)), app.post(&path(name), json!({ "value": "1" })), app.delete(&path(name))] {
                assert_eq!(without_trace(&call.key(&blue).send().expect(404)), unknown);
            }
            let body = json!({ format!("platformSetting{name}"): { "value": "1" } });
            assert_eq!(app.post("/api/systemsettings", body).key(&blue).send().refusal(), (400, "bad_setting".into()));
        }
        app.assert_rows(&before, "nothing was set");
        let own = app.get("/api/systemsettings").key(&blue).send().expect(200).json();
        assert_eq!(own.as_object().map(serde_json::Map::len), Some(PER_TENANT));
    }

    /// Each tenant has its own settings.
    fn tenants_do_not_share_settings(app: TestApp) {
        let (key, (_, blue)) = (app.full_key(), other_tenant(&app));
        app.set(&blue, "ActiveSessionsMax", "2").expect(200);
        app.set(&key, "UserPasswordLengthMin", "20").expect(200);
        assert_eq!((app.setting(&key, "ActiveSessionsMax"), app.setting(&blue, "ActiveSessionsMax")), (json!("10"), json!("2")));
        assert_eq!((app.setting(&key, "UserPasswordLengthMin"), app.setting(&blue, "UserPasswordLengthMin")), (json!("20"), json!("15")));
        app.delete(&path("ActiveSessionsMax")).key(&key).send().expect(200);
        assert_eq!(app.setting(&blue, "ActiveSessionsMax"), "2");
    }

    /// A value that this program does not take, left by another, is passed over for the default.
    fn a_stored_value_that_is_none_is_passed_over(app: TestApp) {
        let key = app.full_key();
        app.execute("insert into system_settings (tenant_id, name, value) values (0, 'platformSettingUserSessionIdleTimeout', 'a while'), (0, 'platformSettingOld', '1')");
        app.get("/api/sessions").with(&app.sign_in()).send().expect(200);
        app.set(&key, "UserSessionIdleTimeout", "5").expect(200);
        assert_eq!(app.get("/api/systemsettings").key(&key).send().expect(200).json().as_object().map(serde_json::Map::len), Some(ALL));
    }
}
