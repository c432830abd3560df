//! The body of a sign-in: what is accepted is an object of JSON that is not too deep, and what its members become
//! says the same as they did.
#![no_main]

use firstkey::name::Username;
use firstkey::secret::password_member;
use firstkey::sessions::handlers::mfa_code;
use firstkey::wire::SignIn;
use firstkey::{body, wire};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(sign_in) = body::parse::<SignIn>(bytes) else { return };
    let plain: Value = serde_json::from_slice(bytes).expect("what is accepted is JSON");
    assert!(plain.is_object() && depth(&plain) <= 16);
    if let Some(name) = sign_in.user_name {
        assert_eq!(plain["userName"], name.as_str());
        if let Ok(name) = Username::parse("userName", &name) {
            assert!((1..=128).contains(&name.as_str().chars().count()) && !name.as_str().contains(char::is_control));
        }
    }
    if let Ok(password) = password_member("password", sign_in.password) {
        assert_eq!(plain["password"], password.expose(), "taken exactly as received");
        assert!((1..=1_024).contains(&password.expose().len()));
    }
    let number = matches!(sign_in.mfa_code, Some(wire::MfaCodeInput::Number(_)));
    if let Some(code) = sign_in.mfa_code.and_then(mfa_code) {
        let digits = code.expose();
        assert!(digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(if number { plain["mfaCode"] == digits.parse::<i64>().unwrap() } else { plain["mfaCode"] == digits });
    }
});

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
