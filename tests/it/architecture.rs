//! Who may use whom: the table, and every path of `src/` held against it.
//!
//! The source is read as tokens, without its comments, its texts and its unit tests; every `use`, braces opened, and
//! every path written out in the code counts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Some files, and all of this crate that they may name.
struct Part {
    /// Paths below `src/`: a file, a folder (`db/`), or a file of every slice (`*/rules.rs`). The first part that
    /// fits a file is its part.
    files: &'static [&'static str],
    /// Modules of the crate, their own folder aside.
    may_use: &'static [&'static str],
    /// Crates, or parts of them, that they keep away from.
    may_not: &'static [&'static str],
}

const ACTIX: &[&str] = &["actix_web", "actix_session"];
const DIESEL: &[&str] = &["diesel", "diesel_migrations"];
/// The folders with the same three files in each.
const SLICES: &[&str] = &[
    "administrators",
    "api_key_profiles",
    "api_keys",
    "api_types",
    "calendar",
    "claims",
    "contacts",
    "jobs",
    "notices",
    "roles",
    "sessions",
    "settings",
    "tenants",
    "usage",
    "webhooks",
];

const TABLE: &[Part] = &[
    // ---- plain values: from the bottom up, each knows only those above it ----
    // `id`, `clock` and `secret` say how they are stored and shown (Diesel's and the schema's traits): a newtype in
    // between would buy nothing. `error` is actix's ResponseError and Diesel's errors' interpreter for the same reason.
    Part { files: &["rights.rs"], may_use: &[], may_not: &["actix_web", "diesel", "std::time"] },
    Part { files: &["logging.rs", "tls.rs"], may_use: &["clock"], may_not: &["actix_web", "diesel"] },
    Part { files: &["id.rs", "clock.rs"], may_use: &[], may_not: ACTIX },
    Part { files: &["duration.rs", "secret_life.rs"], may_use: &["clock"], may_not: ACTIX },
    Part { files: &["error.rs"], may_use: &["id"], may_not: &["actix_session"] },
    // `Accept` is read by the parser that the server itself has.
    Part { files: &["dialect.rs"], may_use: &[], may_not: &["actix_session", "diesel", "std::time"] },
    Part { files: &["reach.rs"], may_use: &[], may_not: &["actix_session", "diesel", "std::time"] },
    Part { files: &["name.rs", "locale.rs"], may_use: &["error"], may_not: &["actix_web", "diesel", "std::time"] },
    // Hours are those of a zone's clocks.
    Part {
        files: &["constraints.rs", "constraints/"],
        may_use: &["clock", "error", "locale"],
        may_not: &["actix_web", "diesel", "std::time"],
    },
    Part { files: &["secret.rs"], may_use: &["error", "id"], may_not: ACTIX },
    Part { files: &["keyring.rs"], may_use: &["error", "id", "secret"], may_not: &["actix_web", "diesel"] },
    // A public URL's host is checked by the parser that the server itself uses.
    Part { files: &["config.rs", "config/"], may_use: &["logging"], may_not: DIESEL },
    // ---- the edges ----
    Part { files: &["wire/"], may_use: &["clock", "id", "rights"], may_not: &["actix_web", "diesel", "std::time"] },
    Part { files: &["body.rs"], may_use: &["app", "error", "id", "secret", "wire"], may_not: DIESEL },
    Part { files: &["list.rs"], may_use: &["error", "wire"], may_not: DIESEL },
    // The one reader of a wire shape below the handlers: every resource's search comes in the same shape, and each
    // handler would have to copy the same twenty members.
    Part { files: &["search/"], may_use: &["clock", "db", "error", "name", "wire"], may_not: ACTIX },
    // The URL of the database is a setting like any other, and its type stands with them.
    Part { files: &["db/"], may_use: &["config", "error", "id"], may_not: ACTIX },
    Part { files: &["forwarded.rs", "in_flight.rs"], may_use: &[], may_not: DIESEL },
    Part { files: &["outgoing/"], may_use: &["clock", "config"], may_not: &["actix_web", "actix_session", "diesel"] },
    // ---- who is calling, and what is remembered of it ----
    Part {
        // a session's life is judged by its tenant's settings, a key's by its profile
        files: &["auth/lookup/", "auth/key_notes.rs", "auth/key_usage.rs", "auth/key_usage/"],
        may_use: &[
            "api_key_profiles",
            "app",
            "audit",
            "clock",
            "constraints",
            "db",
            "error",
            "id",
            "locale",
            "rights",
            "secret",
            "secret_life",
            "settings",
        ],
        may_not: ACTIX,
    },
    // Its tests make keys of all kinds.
    Part {
        files: &["auth/check.rs"],
        may_use: &["clock", "constraints", "error", "locale"],
        may_not: &["actix_web", "actix_session", "diesel", "std::time", "chrono", "tokio"],
    },
    Part { files: &["auth/password_lane.rs"], may_use: &["error"], may_not: &["actix_web", "diesel"] },
    Part { files: &["auth/throttle.rs"], may_use: &["app", "clock", "db", "error", "id", "secret"], may_not: ACTIX },
    Part {
        files: &["auth/rate_limit.rs"],
        may_use: &["api_key_profiles", "clock", "config", "error", "id"],
        may_not: ACTIX,
    },
    Part {
        files: &["auth/"],
        may_use: &[
            "api_key_profiles",
            "app",
            "audit",
            "clock",
            "constraints",
            "db",
            "dialect",
            "error",
            "id",
            "locale",
            "reach",
            "rights",
            "secret",
        ],
        may_not: DIESEL,
    },
    // ---- whether a key is good ----
    Part {
        files: &["verify/rules.rs"],
        may_use: &["auth", "clock", "name", "rights"],
        may_not: &["actix_web", "actix_session", "diesel", "std::time", "chrono", "tokio"],
    },
    Part {
        files: &["verify/"],
        may_use: &[
            "api_keys", "app", "audit", "auth", "body", "clock", "error", "id", "observe", "reach", "rights", "secret",
            "wire",
        ],
        may_not: &["diesel", "std::time", "chrono", "tokio"],
    },
    // ---- the same where there is no database ----
    Part {
        files: &["snapshot/seal.rs"],
        may_use: &["error"],
        may_not: &["actix_web", "actix_session", "diesel", "std::time", "chrono", "tokio"],
    },
    Part {
        files: &["snapshot/lines.rs", "snapshot/read.rs"],
        may_use: &[
            "api_key_profiles",
            "auth",
            "clock",
            "constraints",
            "id",
            "locale",
            "rights",
            "secret",
            "secret_life",
        ],
        may_not: &["actix_web", "actix_session", "diesel", "std::time", "chrono", "tokio"],
    },
    // Waits for its reader, piece by piece, and for its turn.
    Part {
        files: &["snapshot/"],
        may_use: &["app", "audit", "auth", "clock", "db", "error", "id", "rights", "secret"],
        may_not: &["actix_session", "diesel", "chrono"],
    },
    // A server of its own, put together of the same layers.
    Part {
        files: &["edge/"],
        may_use: &[
            "api",
            "audit",
            "auth",
            "body",
            "clock",
            "config",
            "error",
            "forwarded",
            "id",
            "in_flight",
            "observe",
            "outgoing",
            "reach",
            "rights",
            "secret",
            "server",
            "snapshot",
            "tls",
            "verify",
            "wire",
        ],
        may_not: &["actix_session", "diesel", "chrono"],
    },
    Part { files: &["lease.rs"], may_use: &["clock", "db", "error", "secret"], may_not: ACTIX },
    // Folds names, reads for callers and searches as every store does; the chain is functions of values.
    Part {
        files: &["audit/store.rs"],
        may_use: &["auth", "clock", "db", "error", "id", "name", "search"],
        may_not: ACTIX,
    },
    Part {
        files: &["audit/chain.rs"],
        may_use: &["keyring"],
        may_not: &["actix_web", "actix_session", "diesel", "std::time", "chrono", "tokio"],
    },
    Part {
        files: &["audit/handlers.rs"],
        may_use: &["app", "auth", "body", "clock", "error", "list", "rights", "search", "wire"],
        may_not: &["diesel", "std::time", "chrono", "tokio"],
    },
    // Whoever is to be told of an event is told in its transaction.
    Part {
        files: &["audit/change.rs"],
        may_use: &["app", "auth", "clock", "db", "error", "id", "notices"],
        may_not: &["actix_web", "actix_session", "diesel"],
    },
    Part {
        files: &["audit/"],
        may_use: &["app", "auth", "clock", "db", "error", "id", "keyring", "lease"],
        may_not: ACTIX,
    },
    // ---- the slices ----
    // A setting's place is a field of the rules, which are plain values though they stand with the app; what is kept
    // of calls, and how much, is configured.
    Part {
        files: &["settings/rules.rs", "usage/rules.rs"],
        may_use: &["app", "clock", "config", "error", "id"],
        may_not: &["actix_web", "actix_session", "diesel", "std::time", "chrono", "tokio", "rand"],
    },
    Part { files: &["usage/observe.rs"], may_use: &["app", "auth", "list"], may_not: DIESEL },
    Part {
        files: &["settings/store.rs"],
        may_use: &["app", "auth", "db", "error", "id"],
        may_not: &["actix_web", "actix_session", "std::time", "chrono", "tokio"],
    },
    // Dates as people write them: functions of values, which chrono knows how to take apart.
    Part {
        files: &["calendar/rules.rs", "notices/texts.rs"],
        may_use: &["clock", "id", "locale"],
        may_not: &["actix_web", "actix_session", "diesel", "std::time", "tokio", "rand", "std::fs", "std::env"],
    },
    // Where a webhook leads is judged by the fence's own reader of URLs.
    Part {
        files: &["webhooks/rules.rs"],
        may_use: &["clock", "error", "id", "name", "outgoing", "rights"],
        may_not: &["actix_web", "actix_session", "diesel", "std::time", "chrono", "tokio", "rand"],
    },
    // What is told to whom is put together of what every slice offers; no statement of theirs is made there.
    Part {
        files: &["notices/queue.rs", "notices/expiry.rs", "notices/delivery.rs"],
        may_use: &[
            "administrators",
            "api_key_profiles",
            "api_keys",
            "app",
            "audit",
            "clock",
            "contacts",
            "db",
            "error",
            "id",
            "name",
            "outgoing",
            "rights",
            "roles",
            "secret",
            "tenants",
            "webhooks",
        ],
        may_not: &["actix_web", "actix_session", "diesel", "chrono"],
    },
    // A list of keys is read line by line: moments as RFC 3339 spells them.
    Part {
        files: &["api_keys/inventory.rs"],
        may_use: &["clock", "constraints", "error", "id", "secret"],
        may_not: &["actix_web", "actix_session", "diesel", "std::time", "tokio", "rand", "std::fs", "std::env"],
    },
    Part {
        files: &["api_keys/bulk_rules.rs", "api_keys/history_rules.rs"],
        may_use: &["clock", "error", "id", "name", "rights"],
        may_not: &["actix_web", "actix_session", "diesel", "std::time", "chrono", "tokio", "rand"],
    },
    // What IDs stood for when a key ended: roles and people, by what their slices offer.
    Part {
        files: &["api_keys/history_store.rs"],
        may_use: &[
            "administrators",
            "api_key_profiles",
            "auth",
            "clock",
            "db",
            "error",
            "id",
            "name",
            "roles",
            "search",
            "secret",
        ],
        may_not: &["actix_web", "actix_session", "std::time", "chrono", "tokio"],
    },
    // Goes on behind the call that began it, and waits where the database is away.
    Part {
        files: &["jobs/work.rs"],
        may_use: &["app", "audit", "auth", "clock", "db", "error", "id"],
        may_not: &["actix_web::web", "actix_session", "diesel", "chrono"],
    },
    Part {
        files: &["*/rules.rs", "administrators/second_factor.rs", "api_keys/status.rs", "api_keys/under_profile.rs"],
        may_use: &[
            "api_key_profiles",
            "api_types",
            "app",
            "clock",
            "constraints",
            "dialect",
            "duration",
            "error",
            "id",
            "keyring",
            "locale",
            "name",
            "rights",
            "secret",
        ],
        may_not: &[
            "actix_web",
            "actix_session",
            "diesel",
            "std::time",
            "chrono",
            "tokio",
            "rand",
            "std::fs",
            "std::env",
        ],
    },
    // What statements about keys share: who sees which, and how a key is.
    Part {
        files: &["api_keys/conditions.rs"],
        may_use: &["api_key_profiles", "auth", "clock", "db", "id", "search"],
        may_not: &["actix_web", "actix_session", "std::time", "chrono", "tokio"],
    },
    // How a secret was used is a value of `auth`, where it is noted.
    Part {
        files: &["api_keys/rotation.rs"],
        may_use: &["api_key_profiles", "auth", "clock", "duration", "error", "secret", "secret_life"],
        may_not: &["actix_web", "actix_session", "diesel", "std::time", "chrono", "tokio", "rand"],
    },
    // Of `auth`, the caller; of another slice, what its `mod.rs` offers, so that it keeps its table to itself.
    Part {
        files: &[
            "*/store.rs",
            "api_keys/secret_store.rs",
            "api_keys/confirmation_store.rs",
            "api_keys/search_store.rs",
            "api_keys/substring_store.rs",
        ],
        may_use: &[
            "auth",
            "clock",
            "constraints",
            "db",
            "error",
            "id",
            "keyring",
            "locale",
            "name",
            "outgoing",
            "rights",
            "search",
            "secret",
            "secret_life",
            "sessions",
        ],
        may_not: &["actix_web", "actix_session", "std::time", "chrono", "tokio"],
    },
    // Piece by piece through every slice, each of which removes its own rows.
    Part {
        files: &["tenants/purge.rs"],
        may_use: &[
            "administrators",
            "api_key_profiles",
            "api_keys",
            "api_types",
            "app",
            "calendar",
            "claims",
            "contacts",
            "db",
            "error",
            "id",
            "jobs",
            "notices",
            "roles",
            "sessions",
            "usage",
            "webhooks",
        ],
        may_not: &["diesel", "actix_session", "std::time", "chrono", "tokio"],
    },
    // `db` for the transaction that a change hands out; a statement needs Diesel, which they have not.
    Part {
        files: &[
            "*/handlers.rs",
            "administrators/own_account.rs",
            "api_keys/authorizations.rs",
            "api_keys/bulk.rs",
            "api_keys/ensure.rs",
            "api_keys/expand.rs",
            "api_keys/history.rs",
            "api_keys/import.rs",
            "api_keys/profiled.rs",
            "api_keys/secrets.rs",
            "api_keys/substrings.rs",
            "sessions/legacy.rs",
        ],
        may_use: &[
            "administrators",
            "api_key_profiles",
            "api_keys",
            "api_types",
            "app",
            "audit",
            "auth",
            "body",
            "clock",
            "constraints",
            "db",
            "duration",
            "error",
            "id",
            "jobs",
            "list",
            "locale",
            "name",
            "notices",
            "outgoing",
            "rights",
            "roles",
            "search",
            "secret",
            "secret_life",
            "sessions",
            "settings",
            "tenants",
            "wire",
        ],
        may_not: &["diesel", "std::time", "chrono", "tokio"],
    },
    Part { files: &["*/mod.rs"], may_use: &[], may_not: &["actix_web", "diesel"] },
    // ---- what holds it together ----
    Part {
        files: &["app.rs"],
        may_use: &[
            "auth",
            "body",
            "clock",
            "db",
            "error",
            "forwarded",
            "id",
            "in_flight",
            "keyring",
            "lease",
            "locale",
            "outgoing",
            "reach",
            "settings",
            "snapshot",
            "usage",
        ],
        may_not: DIESEL,
    },
    Part {
        files: &["observe.rs"],
        may_use: &["audit", "dialect", "error", "forwarded", "in_flight", "reach", "secret", "wire"],
        may_not: DIESEL,
    },
    Part { files: &["docs_page.rs"], may_use: &["error"], may_not: DIESEL },
    Part { files: &["openapi.rs"], may_use: &["api", "dialect", "error", "settings", "wire"], may_not: DIESEL },
    Part {
        files: &["api.rs"],
        may_use: &[
            "administrators",
            "api_key_profiles",
            "api_keys",
            "api_types",
            "audit",
            "calendar",
            "claims",
            "contacts",
            "error",
            "jobs",
            "observe",
            "openapi",
            "rights",
            "roles",
            "sessions",
            "snapshot",
            "tenants",
            "settings",
            "usage",
            "verify",
            "webhooks",
            "wire",
        ],
        may_not: DIESEL,
    },
    Part {
        files: &["server.rs"],
        may_use: &[
            "api",
            "app",
            "auth",
            "body",
            "chores",
            "config",
            "docs_page",
            "error",
            "in_flight",
            "observe",
            "openapi",
            "tls",
            "usage",
            "verify",
            "wire",
        ],
        may_not: DIESEL,
    },
    Part {
        files: &["chores.rs"],
        may_use: &[
            "api_keys", "app", "audit", "auth", "claims", "error", "jobs", "lease", "notices", "sessions", "tenants",
            "usage",
        ],
        may_not: &["actix_session", "diesel", "diesel_migrations"],
    },
    // The table `installation` is nobody's slice: one row, by which the master key is recognised.
    Part {
        files: &["bootstrap.rs"],
        may_use: &[
            "administrators",
            "app",
            "audit",
            "auth",
            "clock",
            "config",
            "db",
            "error",
            "forwarded",
            "id",
            "in_flight",
            "keyring",
            "lease",
            "locale",
            "name",
            "outgoing",
            "reach",
            "roles",
            "secret",
            "snapshot",
            "tenants",
            "usage",
        ],
        may_not: ACTIX,
    },
    // Commands change things as everybody does: through the slices, with an event. actix only runs the server.
    Part {
        files: &["cli/serve.rs"],
        may_use: &["app", "bootstrap", "clock", "config", "logging", "server", "tls"],
        may_not: DIESEL,
    },
    Part {
        files: &["cli/verifyd.rs"],
        may_use: &["bootstrap", "clock", "config", "edge", "logging", "outgoing", "server", "snapshot", "tls"],
        may_not: DIESEL,
    },
    Part {
        files: &["cli/"],
        may_use: &[
            "administrators",
            "api_keys",
            "app",
            "audit",
            "auth",
            "bootstrap",
            "clock",
            "config",
            "constraints",
            "db",
            "error",
            "id",
            "keyring",
            "locale",
            "name",
            "rights",
            "roles",
            "secret",
            "sessions",
            "settings",
            "snapshot",
        ],
        may_not: &["actix_web", "diesel", "std::time"],
    },
    Part { files: &["lib.rs", "main.rs"], may_use: &[], may_not: &["actix_web", "diesel"] },
];

/// Which tables a file may name; one that is not here names none.
const TABLES: &[(&str, &[&str])] = &[
    ("administrators/store.rs", &["administrators", "tenants"]), // an account is found by its tenant's name, in one statement
    ("api_key_profiles/store.rs", &["api_key_profiles", "default_api_key_profiles"]),
    ("api_keys/confirmation_store.rs", &["spent_confirmations"]),
    ("api_keys/search_store.rs", &["api_keys"]), // searches in the table of api_keys/store.rs
    ("api_keys/secret_store.rs", &["api_key_secrets"]),
    ("api_keys/store.rs", &["api_keys"]),
    ("api_keys/substring_store.rs", &["api_keys"]), // an index of its own that only SQLite has, and a condition on keys
    ("api_types/store.rs", &["api_key_api_types", "api_types"]),
    // a key leaves the one table for the other
    (
        "api_keys/history_store.rs",
        &["api_key_profiles", "api_key_secrets", "api_keys", "revoked_api_key_secrets", "revoked_api_keys"],
    ),
    ("jobs/store.rs", &["job_chunks", "jobs"]),
    ("claims/store.rs", &["claims", "tenants"]), // a code is worth nothing where its tenant is suspended
    // who sees a key depends on its profile, how it is on whoever issued it: in the same statement
    ("api_keys/conditions.rs", &["administrators", "api_key_profiles", "api_keys"]),
    ("calendar/store.rs", &["calendars"]),
    ("contacts/store.rs", &["contacts"]),
    ("notices/store.rs", &["notice_marks", "notices"]),
    ("roles/store.rs", &["roles"]),
    ("sessions/store.rs", &["administrators", "sessions"]), // who a session that timed out was, for its event
    ("settings/store.rs", &["system_settings"]),
    ("tenants/store.rs", &["tenants"]),
    ("usage/store.rs", &["api_usage"]),
    ("webhooks/store.rs", &["webhooks"]),
    ("audit/store.rs", &["audit_chain", "audit_cuts", "audit_events", "audit_seals"]),
    ("lease.rs", &["leases"]),
    ("auth/throttle.rs", &["sign_in_attempts"]),
    ("auth/key_usage.rs", &["api_key_secrets", "api_keys"]), // the columns that are written behind
    // the look-ups of every call: everything the decision needs, in one statement
    ("auth/lookup/mod.rs", &["roles", "tenants"]),
    (
        "auth/lookup/keys.rs",
        &[
            "administrators",
            "api_key_api_types",
            "api_key_profiles",
            "api_key_secrets",
            "api_keys",
            "api_types",
            "revoked_api_key_secrets",
            "revoked_api_keys",
            "roles",
            "tenants",
        ],
    ),
    ("auth/lookup/sessions.rs", &["administrators", "roles", "sessions", "tenants"]),
    ("auth/lookup/standing.rs", &["administrators", "roles", "sessions", "tenants"]),
    ("bootstrap.rs", &["installation"]),
];

#[test]
fn every_file_uses_only_what_its_part_may_use() {
    let mut faults = Vec::new();
    for (file, paths) in sources() {
        let Some(part) = TABLE.iter().find(|part| part.files.iter().any(|pattern| fits(pattern, &file))) else {
            faults.push(format!("{file} belongs to no part of the table"));
            continue;
        };
        for path in &paths {
            match path.strip_prefix("crate::").map(|inner| inner.split("::").next().unwrap_or_default()) {
                Some(module) if !part.may_use.contains(&module) && !is_own(module, &file) => {
                    faults.push(format!("{file} names {path}, and may use of the crate: {}", part.may_use.join(", ")));
                }
                None if part.may_not.iter().any(|banned| lies_in(path, banned)) => {
                    faults.push(format!("{file} names {path}, which its part keeps away from"));
                }
                _ => {}
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What a slice offers stands in its `mod.rs`; its store is its own.
#[test]
fn nobody_reaches_into_another_slices_store_or_rules() {
    let mut faults = Vec::new();
    for (file, paths) in sources() {
        for slice in SLICES.iter().filter(|slice| !is_own(slice, &file)) {
            for inside in ["store", "rules"] {
                let place = format!("crate::{slice}::{inside}");
                faults.extend(paths.iter().filter(|path| lies_in(path, &place)).map(|path| format!("{file}: {path}")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_table_has_its_one_store() {
    let mut faults = Vec::new();
    for (file, paths) in sources() {
        let own = TABLES.iter().find(|(known, _)| *known == file).map_or(&[] as &[&str], |(_, tables)| tables);
        let named: BTreeSet<&str> =
            paths.iter().filter_map(|path| path.strip_prefix("crate::db::schema::")?.split("::").next()).collect();
        faults.extend(named.iter().filter(|table| !own.contains(table)).map(|table| format!("{file} names {table}")));
        faults.extend(own.iter().filter(|table| !named.contains(*table)).map(|table| format!("{file}: no {table}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Only the clock asks for the time, and only `secret.rs` asks for random bytes (T-35); elsewhere both are handed in.
#[test]
fn time_and_chance_come_from_one_place_each() {
    let mut faults = Vec::new();
    for (file, paths) in sources() {
        for path in &paths {
            if lies_in(path, "rand") && file != "secret.rs" {
                faults.push(format!("{file}: {path}"));
            }
            let clocks = ["std::time::SystemTime", "chrono::Utc", "chrono::Local"];
            if clocks.iter().any(|clock| lies_in(path, clock)) && file != "clock.rs" {
                faults.push(format!("{file}: {path}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_page_for_readers_names_every_module() {
    let page = std::fs::read_to_string(source_folder().join("lib.rs")).expect("lib.rs");
    let modules = page.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let missing: Vec<&str> = modules.filter(|module| !page.contains(&format!("[`{module}`]"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file of `src/` with the paths it names.
fn sources() -> Vec<(String, BTreeSet<String>)> {
    let root = source_folder();
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let name = path.strip_prefix(&root).expect("below src").to_str().expect("a name").to_owned();
                files.push((name, paths_of(&std::fs::read_to_string(&path).expect("a source"))));
            }
        }
    }
    assert!(files.len() > 40, "the source was not found");
    files.sort();
    files
}

fn fits(pattern: &str, file: &str) -> bool {
    match pattern.strip_prefix("*/") {
        Some(name) => SLICES.iter().any(|slice| file == format!("{slice}/{name}")),
        None if pattern.ends_with('/') => file.starts_with(pattern),
        None => file == pattern,
    }
}

/// Whether a module is the file's own: `search` for `search/mod.rs` and for `search/condition.rs`.
fn is_own(module: &str, file: &str) -> bool {
    file.split('/').next().is_some_and(|first| first == module || first.strip_suffix(".rs") == Some(module))
}

fn lies_in(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

// ---- a small reader of Rust ----

/// Every path in a source: `a::b::c`, with the braces of a `use` opened. Single words are no paths, but for `use`.
fn paths_of(source: &str) -> BTreeSet<String> {
    let tokens = tokens(source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
    let mut paths = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at = tree(&tokens, at + 1, "", &mut paths);
        } else if is_word(&tokens[at]) && tokens.get(at + 1).is_some_and(|next| next == "::") {
            at = tree(&tokens, at, "", &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

/// Reads a path, or a tree of them, from `at` on; answers where it ended.
fn tree(tokens: &[String], mut at: usize, before: &str, paths: &mut BTreeSet<String>) -> usize {
    let mut path = before.to_owned();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") if path.ends_with("::") || path == before => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = tree(tokens, at, &path, paths);
                    while tokens.get(at).is_some_and(|token| !matches!(token.as_str(), "," | "}")) {
                        at += 1; // `as` and the new name
                    }
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            Some("::") => path.push_str("::"),
            Some(word) if is_word(word) && (path == before || path.ends_with("::")) => path.push_str(word),
            _ => break,
        }
        at += 1;
    }
    let path = path.trim_end_matches("::").trim_start_matches("::").trim_end_matches("::self").to_owned();
    paths.insert(path);
    at
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Words, `::` and single signs, without comments, texts and lifetimes.
fn tokens(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied().unwrap_or_default();
        match c {
            '/' if next == '/' => at = skip_to(&chars, at, |c| c == '\n'),
            '/' if next == '*' => {
                at += 2;
                while at < chars.len() && !(chars[at] == '*' && chars.get(at + 1) == Some(&'/')) {
                    at += 1;
                }
                at += 2;
            }
            '"' => at = after_text(&chars, at),
            'r' if next == '"' || (next == '#' && chars.get(at + 2).is_some_and(|c| matches!(c, '"' | '#'))) => {
                let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
                let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                at += hashes + 2;
                while at < chars.len() && !chars[at..].starts_with(&end) {
                    at += 1;
                }
                at += end.len();
            }
            '\'' if next == '\\' => at = skip_to(&chars, at + 3, |c| c == '\'') + 1,
            '\'' if chars.get(at + 2) == Some(&'\'') => at += 3,
            ':' if next == ':' => {
                tokens.push("::".to_owned());
                at += 2;
            }
            c if c.is_alphanumeric() || c == '_' => {
                let end = skip_to(&chars, at, |c| !(c.is_alphanumeric() || c == '_'));
                tokens.push(chars[at..end].iter().collect());
                at = end;
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(c.to_string());
                }
                at += 1;
            }
        }
    }
    tokens
}

fn skip_to(chars: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|at| stop(chars[*at])).unwrap_or(chars.len())
}

fn after_text(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(&c) = chars.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// The reader itself is tried, or the tests above would hold for a source that it cannot read.
#[test]
fn the_reader_finds_every_path() {
    let source = r##"
        //! crate::comment::Not
        use crate::a::{self, b::{C, D as E}, f};
        use actix_web::web;
        pub(crate) use {g, h};
        /* crate::comment::Neither */
        fn x<'a>(c: char) -> crate::i::J<'a> {
            let text = "crate::text::Not \" still"; let raw = r#"crate::raw::"Not"#; let quote = '"'; let tick = '\'';
            $crate::k::l(std::time::Duration::ZERO, D::m, diesel::dsl::now)
        }
        #[cfg(test)]
mod tests {
        use crate::test::Not;
    }"##;
    let found: Vec<String> = paths_of(&source.replace("        #[cfg", "#[cfg")).into_iter().collect();
    let expected = [
        "D::m",
        "actix_web::web",
        "crate::a",
        "crate::a::b::C",
        "crate::a::b::D",
        "crate::a::f",
        "crate::i::J",
        "crate::k::l",
        "diesel::dsl::now",
        "g",
        "h",
        "std::time::Duration::ZERO",
    ];
    assert_eq!(found, expected);
}
