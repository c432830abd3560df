//! The documentation's own two commands, with real curl and its cookie jar.

use serde_json::Value;

use super::binary::{Home, Server, is_missing, is_on_path, sh};
use crate::app::{ADMIN, PASSWORD};
use crate::on_both;

/// From "Create an API key using a username and password", to the letter.
const SIGN_IN: &str = r#"curl -i -X POST \
https:// localhost:4119/api/sessions \
-H 'Cache-Control: no-cache' \
-H 'Content-Type: application/json' \
-H 'api-version: v1' \
-c cookie.txt \
-d '{
"userName": "myUserName",
"password": "myPassword"
}'"#;
const MINT: &str = r#"curl -X POST \
https:// 192.168.60.128:4119/api/apikeys \
-H 'Content-Type: application/json' \
-H 'Postman-Token: 6f81da09-e5e2-421b-a38a-d5679f50608d' \
-H 'api-version: v1' \
-H 'rID: 77DFF81036170DBF92CB71E4559512B9' \
-b cookie.txt \
-d '{
"keyName": "First Key",
"description": "Created using a request ID",
"roleID": 1
}'"#;

fn trust(server: &Server) -> String {
    format!("--cacert '{}'", server.certificate().display().to_string().replace('\'', r"'\''"))
}

/// The two commands with the host, the user, the password and the RID of this server: the head and the
/// body of the first answer, and the body of the second.
fn run_both(server: &Server, options: &str) -> (String, String, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let curl = format!("curl -sS {options}");
    let sign_in = SIGN_IN
        .replace("https:// localhost:4119", &server.url)
        .replace("myUserName", ADMIN)
        .replace("myPassword", PASSWORD)
        .replacen("curl", &curl, 1);
    let answer = sh(folder.path(), &sign_in).expect(0).stdout;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not an answer: {answer}"));
    let session: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("not a session: {body}"));
    let rid = session["RID"].as_str().expect("a RID");
    assert!(rid.len() == 32 && rid.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)));

    let mint = MINT
        .replace("https:// 192.168.60.128:4119", &server.url)
        .replace("77DFF81036170DBF92CB71E4559512B9", rid)
        .replacen("curl", &curl, 1);
    (head.to_owned(), body.to_owned(), sh(folder.path(), &mint).expect(0).stdout)
}

fn started(home: &Home) -> Server {
    home.init();
    home.start()
}

on_both! {
    /// DS-03, DS-04, DS-05, DS-07, DS-31, by the documentation's own words.
    fn the_documented_commands_mint_a_key_as_documented(home) {
        if is_missing("curl", is_on_path("curl")) {
            return;
        }
        let server = started(&home);
        let (head, body, key) = run_both(&server, &format!("--http1.1 {}", trust(&server)));
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let has = |line: &str| {
            let (name, value) = line.split_once(": ").expect("a header");
            let is = |(known, said): (&str, &str)| known.eq_ignore_ascii_case(name) && said == value;
            assert!(head.lines().filter_map(|known| known.split_once(": ")).any(is), "{line} is missing: {head}");
        };
        has("Content-Length: 141");
        has("Content-Type: application/json");
        has("X-Frame-Options: SAMEORIGIN");
        has("X-XSS-Protection: 1;mode=block");
        has("Cache-Control: no-cache,no-store");
        has("Pragma: no-cache");
        let cookie = head.lines().find_map(|line| line.strip_prefix("Set-Cookie: ")).expect("a cookie");
        let sid = cookie.strip_prefix("sID=").and_then(|rest| rest.strip_suffix("; Path=/; Secure; HttpOnly"));
        assert_eq!(sid.map(str::len), Some(32), "{cookie}");
        let members = ["administratorID", "created", "lastActivity", "accessType", "RID"];
        assert_in_order(&body, &members);

        let members = [
            "keyName", "description", "locale", "roleID", "timeZone", "active", "created",
            "unsuccessfulSignInAttempts", "secretKey", "serviceAccount", "ID",
        ];
        assert_in_order(&key, &members);
        let key: Value = serde_json::from_str(&key).expect("JSON");
        assert_eq!(key.as_object().map(serde_json::Map::len), Some(members.len()), "{key}");
        assert_eq!(key["keyName"], "First Key");
        assert_eq!(key["description"], "Created using a request ID");
        assert_eq!((&key["roleID"], &key["active"], &key["serviceAccount"]), (&1.into(), &true.into(), &false.into()));
        let secret = key["secretKey"].as_str().expect("a secret");
        assert!(secret.starts_with(&format!("{}:", key["ID"])), "{secret}");
        assert_eq!(server.status_of(secret), 200);
    }

    /// DS-09: curl and its cookie jar are all it takes.
    fn the_documented_commands_work_over_http_2_and_without_checking_the_certificate(home) {
        if is_missing("curl", is_on_path("curl")) {
            return;
        }
        let server = started(&home);
        let (head, _, key) = run_both(&server, "--http2 -k");
        assert!(head.starts_with("HTTP/2 200"), "{head}");
        assert!(head.to_lowercase().contains("\r\nset-cookie: sid="), "{head}");
        let key: Value = serde_json::from_str(&key).expect("JSON");
        assert_eq!(server.status_of(key["secretKey"].as_str().expect("a secret")), 200);
    }
}

#[track_caller]
fn assert_in_order(json: &str, members: &[&str]) {
    let places: Vec<Option<usize>> = members.iter().map(|member| json.find(&format!("\"{member}\":"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{members:?} in {json}");
}

/// openssl's own limits are set aside, so that a refusal is the server's.
#[test]
fn tls_1_2_and_1_3_are_spoken_and_1_1_is_refused() {
    if is_missing("openssl", is_on_path("openssl")) {
        return;
    }
    let home = Home::new(crate::app::Backend::Sqlite);
    let server = started(&home);
    let shake = |version: &str| {
        let command = format!(
            "openssl s_client -connect {} -{version} -cipher DEFAULT@SECLEVEL=0 </dev/null 2>&1",
            server.address
        );
        sh(home.folder.path(), &command).stdout
    };
    for (version, spoken) in [("tls1_2", "TLSv1.2"), ("tls1_3", "TLSv1.3")] {
        let said = shake(version);
        assert!(said.contains(&format!("New, {spoken}, Cipher is ")), "{version}: {said}");
    }
    for version in ["tls1", "tls1_1"] {
        let said = shake(version);
        assert!(said.contains("SSL alert number") && said.contains("Cipher is (NONE)"), "{version}: {said}");
    }
}
