//! As little as will do: rights one by one, kinds of access one by one, a key for one task.

use serde_json::json;

use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;

const KEYS: &str = "platformRights.apikeyRights";

both! {
    /// DS-21, DS-38: making, reading, changing and deleting keys need a right each, and none of them another.
    fn each_call_needs_its_own_right(app: TestApp) {
        let rights = ["canCreateNewApiKeys", "canViewApiKeys", "canEditApiKeyProperties", "canDeleteApiKeys"];
        let nothing = app.role("Nothing", &[]);
        for (number, right) in rights.into_iter().enumerate() {
            let role = app.role(right, &[&format!("{KEYS}.{right}")]);
            let key = secret(&app.mint(right, role));
            let other = app.mint(&format!("handled with {right}"), nothing)["ID"].clone();
            let path = format!("/api/apikeys/{other}");
            let statuses = [
                app.post("/api/apikeys", json!({ "keyName": format!("{right}'s child"), "roleID": nothing })).key(&key).send().status,
                app.get(&path).key(&key).send().status,
                app.post(&path, json!({ "description": "changed" })).key(&key).send().status,
                app.delete(&path).key(&key).send().status,
            ];
            let mut expected = [403; 4];
            expected[number] = if right == "canDeleteApiKeys" { 204 } else { 200 };
            assert_eq!(statuses, expected, "{right}");
        }
    }

    /// DS-20: a role may keep its bearers from the web service, or from the console.
    fn a_role_keeps_its_bearers_from_one_way_in(app: TestApp) {
        let role = app.role("One way", &[]);
        app.administrator("ben", PASSWORD, role, 0);
        let key = secret(&app.mint("one way", role));
        let open = |access: &str| {
            let body = json!({ "userName": "ben", "password": PASSWORD, "accessType": access });
            Session::from(&app.post("/api/sessions", body).send().expect(200))
        };
        let (service, console) = (open("webService"), open("userInterface"));
        let statuses = || {
            let by = |session: &Session| app.get("/api/sessions/current").with(session).send().refusal();
            [app.get("/api/apikeys/current").key(&key).send().refusal(), by(&service), by(&console)]
        };
        let (in_, out) = ((200, String::new()), (403, "access_not_allowed".to_owned()));
        assert_eq!(statuses(), [in_.clone(), in_.clone(), in_.clone()]);
        app.execute(&format!("update roles set allow_web_service = false where id = {role}"));
        assert_eq!(statuses(), [out.clone(), out.clone(), in_.clone()]);
        app.execute(&format!("update roles set allow_web_service = true, allow_user_interface = false where id = {role}"));
        assert_eq!(statuses(), [in_.clone(), in_, out]);
    }

    /// DS-51: a key for a task: the least role, an hour to live, and it deletes itself when it is done.
    fn a_key_for_one_task_deletes_itself(app: TestApp) {
        let role = app.role("Task", &[&format!("{KEYS}.canDeleteApiKeys")]);
        let session = app.sign_in();
        let hour = app.clock.now().millis() + 3_600_000;
        let body = json!({ "keyName": "task", "roleID": role, "expiryDate": hour });
        let key = app.post("/api/apikeys", body).with(&session).send().expect(200).json();
        app.get("/api/apikeys/current").key(&secret(&key)).send().expect(200);
        app.delete(&format!("/api/apikeys/{}", key["ID"])).key(&secret(&key)).send().expect(204);
        app.get("/api/apikeys/current").key(&secret(&key)).send().expect(401);
        assert_eq!(app.count("select count(*) as n from api_keys"), 0);
    }
}
