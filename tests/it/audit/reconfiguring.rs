//! T-34: what the server writes where is the operator's business, on the host; the API has no say in it.

use std::collections::BTreeSet;

use firstkey::config::SETTINGS;
use serde_json::Value;

/// Words that would stand in the name of a member by which somebody sets a path, a sink, a format or a header.
const FORBIDDEN: &[&str] = &[
    "path",
    "file",
    "folder",
    "directory",
    "dir",
    "log",
    "logs",
    "logging",
    "sink",
    "syslog",
    "format",
    "header",
    "headers",
    "command",
    "exec",
    "script",
    "plugin",
    "url",
    "uri",
    "endpoint",
    "listen",
    "proxy",
    "certificate",
    "socket",
    "webhook",
];

/// `roleID` → role, ID; `platformSettingX` → platform, setting, x; in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut upper_before = true;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            words.push(String::new());
            continue;
        }
        if c.is_uppercase() && !upper_before {
            words.push(String::new());
        }
        upper_before = c.is_uppercase();
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// Every member of every body, through all the schemas that it refers to.
fn members(schema: &Value, page: &Value, seen: &mut BTreeSet<String>, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str)
                && seen.insert(reference.to_owned())
            {
                let target = page.pointer(reference.trim_start_matches('#')).expect("a schema");
                members(target, page, seen, found);
            }
            if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                found.extend(properties.keys().cloned());
            }
            object.values().for_each(|inner| members(inner, page, seen, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| members(inner, page, seen, found)),
        _ => {}
    }
}

/// T-34: no body of the API has a member that names a file, a log format, an audit sink or a response header, nor one that
/// is called as a setting of the process is.
#[test]
fn no_call_sets_paths_log_formats_audit_sinks_or_headers() {
    let page = firstkey::openapi::page();
    let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
    for operations in page["paths"].as_object().expect("paths").values() {
        for operation in operations.as_object().expect("operations").values() {
            members(&operation["requestBody"], &page, &mut seen, &mut found);
            for parameter in operation["parameters"].as_array().expect("parameters") {
                let name = parameter["name"].as_str().expect("a name");
                if parameter["in"] == "query" {
                    found.insert(name.to_owned());
                }
            }
        }
    }
    assert!(found.contains("keyName") && found.contains("fieldName"), "the bodies were not found: {found:?}");
    let settings: BTreeSet<Vec<String>> = SETTINGS.iter().map(|setting| words(setting.name)).collect();
    for member in &found {
        let words = words(member);
        let is_right = member.starts_with("can") || member.ends_with("Rights");
        if is_right || ["timeFormat", "format", "url"].contains(&member.as_str()) {
            // had by a role; how a person's clock counts its hours; as what one answer is written; whom a webhook tells,
            // inside the fence around what is called from here
            continue;
        }
        let forbidden = words.iter().find(|word| FORBIDDEN.contains(&word.as_str()));
        assert!(forbidden.is_none(), "{member}: no call may set a {}", forbidden.expect("a word"));
        assert!(!settings.contains(&words), "{member} is a setting of the process");
    }
}

#[test]
fn names_are_taken_apart() {
    assert_eq!(words("roleID"), ["role", "id"]);
    assert_eq!(words("log_format"), ["log", "format"]);
    assert_eq!(words("platformSettingLogFile"), ["platform", "setting", "log", "file"]);
    assert!(!words("profileID").contains(&"file".to_owned()));
}
