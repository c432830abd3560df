//! The tables of SECURITY.md and docs/conformance.md name, for each promise, the tests that try it: those whose
//! comment names the promise's row. `UPDATE_DOCS=1` writes the column anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a row says that nothing tries yet.
const NONE: &str = "none yet";

#[test]
fn the_tests_of_the_security_page_are_those_of_the_source() {
    hold("SECURITY.md", &["T-"]);
}

#[test]
fn the_tests_of_the_conformance_page_are_those_of_the_source() {
    let rows = hold("docs/conformance.md", &["DS-", "TC-", "MC-"]);
    let (deep_security, others): (Vec<String>, Vec<String>) = rows.into_iter().partition(|row| row.starts_with("DS-"));
    let all: Vec<String> = (1..=53).map(|row| format!("DS-{row:02}")).collect();
    assert_eq!(deep_security, all, "each row once, in order");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let out_of_scope = page.lines().filter_map(|line| match line.split('|').map(str::trim).collect::<Vec<_>>()[..] {
        ["", row, why, ""] if row.starts_with("TC-") || row.starts_with("MC-") => {
            (!why.is_empty()).then(|| row.to_owned())
        }
        _ => None,
    });
    let mut said: Vec<String> = others.into_iter().chain(out_of_scope).collect();
    said.sort();
    let row = |system: &'static str, last: usize| (1..=last).map(move |row| format!("{system}-{row:02}"));
    assert_eq!(said, row("MC", 26).chain(row("TC", 29)).collect::<Vec<_>>(), "each row once, shown or out of scope");
}

/// Holds a page to the source; answers its rows.
fn hold(page: &str, prefixes: &[&str]) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{page} is missing"));
    let found: BTreeMap<String, BTreeSet<String>> = prefixes.iter().flat_map(|prefix| tests_by_row(prefix)).collect();
    let is_row = |text: &str| prefixes.iter().any(|prefix| text.starts_with(prefix));
    let (mut written, mut rows, mut untried) = (String::new(), Vec::new(), Vec::new());
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells.as_slice() {
            ["", row, promise, _, ""] if is_row(row) => {
                let tests = found.get(*row).map(|tests| tests.iter().cloned().collect::<Vec<_>>().join("<br>"));
                written.push_str(&format!("| {row} | {promise} | {} |\n", tests.as_deref().unwrap_or(NONE)));
                untried.extend(tests.is_none().then(|| (*row).to_owned()));
                rows.push((*row).to_owned());
            }
            _ => written.push_str(&format!("{line}\n")),
        }
    }
    assert!(rows.len() > 20, "the table was not found");
    assert!(untried.is_empty(), "{page}: nothing tries {untried:?}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &written).expect("the page can be written");
    } else {
        let differing = text.lines().zip(written.lines()).find(|(old, new)| old != new);
        assert!(text == written, "{page} is out of date, UPDATE_DOCS=1 writes it: {differing:#?}");
    }
    rows
}

/// Row → tests, as "`tests/it/sessions/sign_in.rs::the_cookie_is_the_documented_line`".
fn tests_by_row(prefix: &str) -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut folders = vec![root.join("src"), root.join("tests/it")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).expect("below the root").display().to_string();
                for (row, test) in rows_of(&std::fs::read_to_string(&path).expect("a source"), prefix) {
                    found.entry(row).or_default().insert(format!("`{name}::{test}`"));
                }
            }
        }
    }
    found
}

/// Every row that a comment right above a test names, and the test. A test has an attribute that says so, or stands
/// in a macro that makes one of it for each database.
fn rows_of(source: &str, prefix: &str) -> Vec<(String, String)> {
    let (mut rows, mut comment, mut is_test, mut in_macro) = (Vec::new(), String::new(), false, false);
    for line in source.lines() {
        in_macro = (in_macro && line != "}") || line.ends_with("both! {");
        let text = line.trim_start();
        if text.starts_with("//") {
            comment.push_str(text);
        } else if text.starts_with("#[") {
            is_test |= text.ends_with("test]");
        } else {
            if let Some(rest) = text.strip_prefix("async ").unwrap_or(text).strip_prefix("fn ")
                && (is_test || (in_macro && line.starts_with("    fn ")))
            {
                let name = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
                rows.extend(named(&comment, prefix).map(|row| (row, name.to_owned())));
            }
            (comment, is_test) = (String::new(), false);
        }
    }
    rows
}

/// "T-06" and "T-07" in "T-06, T-07: …"; "T-06 to T-08" is the two that it names.
fn named<'c>(comment: &'c str, prefix: &'c str) -> impl Iterator<Item = String> + 'c {
    comment.match_indices(prefix).filter_map(move |(at, _)| {
        let before = comment[..at].chars().next_back();
        let digits: String = comment[at + prefix.len()..].chars().take_while(char::is_ascii_digit).collect();
        let stands_alone = before.is_none_or(|before| !before.is_alphanumeric() && before != '-');
        (stands_alone && digits.len() == 2).then(|| format!("{prefix}{digits}"))
    })
}

#[test]
fn rows_are_read_from_the_comment_above_a_test() {
    let source = "both! {\n    /// T-08: once.\n    fn on_both(app: TestApp) {\n        x();\n    }\n}\n\n\
                  /// T-06, T-31: spellings.\n#[test]\nfn a_test() {\n    // T-07\n    let x = 1;\n}\n\n\
                  /// T-09\nfn no_test() {}\n\n/// DT-08\n#[actix_web::test]\nasync fn b() {}\n";
    let rows: Vec<String> = rows_of(source, "T-").into_iter().map(|(row, test)| format!("{row} {test}")).collect();
    assert_eq!(rows, ["T-08 on_both", "T-06 a_test", "T-31 a_test"]);
}
