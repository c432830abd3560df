//! What is kept of a call, and where it waits to be written down.

use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::config::ApiUsage;
use crate::id::{TenantID, UsageID};

/// Calls that wait in memory at most: a few seconds' worth under a storm.
const MOST_WAITING: usize = 50_000;
/// The longest path that is kept, in bytes.
const LONGEST_PATH: usize = 200;
/// The longest `expand` that is kept, in bytes.
const LONGEST_EXPAND: usize = 100;

/// A call that was answered.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// The caller's tenant and its GUID; none where nobody proved who they are.
    pub tenant: Option<(TenantID, String)>,
    /// Who called: `administrator` or `apiKey`, and the number; empty for nobody.
    pub actor: (&'static str, Option<i64>),
    /// When it was answered.
    pub at: Timestamp,
    /// The method.
    pub action: String,
    /// The path, if it can be kept.
    pub path: String,
    /// Milliseconds.
    pub duration: i64,
    /// The answer's status.
    pub status: i64,
    /// `sID`, `API-Key`, or empty.
    pub method: &'static str,
    /// The query's `expand`.
    pub expand: String,
    /// Objects in the answer.
    pub items: Option<i64>,
}

/// A call as it was written down.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "as in `NewCall`")]
pub struct Call {
    pub id: UsageID,
    pub tenant_guid: String,
    pub at: Timestamp,
    pub action: String,
    pub path: String,
    pub duration: i64,
    pub status: i64,
    pub method: String,
    pub expand: String,
    pub items: Option<i64>,
}

/// The path as it may be kept. Whoever makes up a path may have put a secret there: so only one is kept whose every
/// part is the route's own, or a number that may be an ID; else the route's pattern, and nothing of a path that is no
/// route.
pub fn kept_path(pattern: Option<&str>, path: &str) -> String {
    let Some(pattern) = pattern else { return "/api/*".into() };
    let shown: String = pattern.split('/').map(parameter_name).collect::<Vec<_>>().join("/");
    let same_length = pattern.split('/').count() == path.split('/').count();
    let may_stand = |(pattern, part): (&str, &str)| match pattern.starts_with('{') {
        true => part.len() <= 10 && part.bytes().all(|byte| byte.is_ascii_digit()),
        false => pattern == part,
    };
    let kept = same_length && path.len() <= LONGEST_PATH && pattern.split('/').zip(path.split('/')).all(may_stand);
    if kept { path.to_owned() } else { shown }
}

/// `{apiKeyID}` for `{apiKeyID:[0-9]+}`.
fn parameter_name(part: &str) -> String {
    match part.split_once(':') {
        Some((name, _)) if name.starts_with('{') => format!("{name}}}"),
        _ => part.to_owned(),
    }
}

/// The query's `expand`, if it is a list of words; nothing else of a query is kept.
pub fn kept_expand(query: &str) -> String {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("expand=")).unwrap_or_default();
    let words = value.len() <= LONGEST_EXPAND && value.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b',');
    if words { value.to_owned() } else { String::new() }
}

/// The calls that are not written down yet.
pub struct CallLog {
    keep: ApiUsage,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    calls: Vec<NewCall>,
    dropped: u64,
}

impl CallLog {
    /// With nothing noted yet.
    pub fn new(keep: ApiUsage) -> Self {
        Self { keep, waiting: Mutex::default() }
    }

    /// How long and how many are to be kept.
    pub fn keep(&self) -> ApiUsage {
        self.keep
    }

    /// Whether calls are noted at all.
    pub fn is_on(&self) -> bool {
        self.keep.rows > 0
    }

    /// Notes a call, unless too many wait: nobody's call is slower for it.
    pub fn note(&self, call: NewCall) {
        let mut waiting = self.waiting();
        if waiting.calls.len() < MOST_WAITING {
            waiting.calls.push(call);
        } else {
            waiting.dropped += 1;
        }
    }

    /// Takes out what waits, and how many were dropped since.
    pub fn take(&self) -> (Vec<NewCall>, u64) {
        let mut waiting = self.waiting();
        (take(&mut waiting.calls), take(&mut waiting.dropped))
    }

    /// Puts back what could not be written, in front, as far as there is room.
    pub fn put_back(&self, mut calls: Vec<NewCall>) {
        let mut waiting = self.waiting();
        let later = take(&mut waiting.calls);
        let room = MOST_WAITING.saturating_sub(calls.len());
        waiting.dropped += later.len().saturating_sub(room) as u64;
        calls.extend(later.into_iter().take(room));
        waiting.calls = calls;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which rows are too old or too many: all up to this ID.
pub fn removable(too_old: Option<i64>, latest: Option<i64>, most: i64) -> Option<i64> {
    let too_many = latest.map(|latest| latest.saturating_sub(most));
    too_old.max(too_many).filter(|id| *id > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_is_kept_that_may_hold_a_secret() {
        let key = "/api/apikeys/{apiKeyID:[0-9]+}";
        for (pattern, path, kept) in [
            (Some("/api/apikeys"), "/api/apikeys", "/api/apikeys"),
            (Some(key), "/api/apikeys/7", "/api/apikeys/7"),
            (Some(key), "/api/apikeys/31415926535897", "/api/apikeys/{apiKeyID}"),
            (Some(key), "/%61pi/apikeys/7", "/api/apikeys/{apiKeyID}"),
            (Some("/api/systemsettings/{name:[A-Za-z]+}"), "/api/systemsettings/hunter", "/api/systemsettings/{name}"),
            (None, "/api/8:AAAA", "/api/*"),
        ] {
            assert_eq!(kept_path(pattern, path), kept, "{path}");
        }
        for (query, kept) in
            [("expand=a,b", "a,b"), ("x=1&expand=none", "none"), ("expand=1:AA%3d", ""), ("password=x", ""), ("", "")]
        {
            assert_eq!(kept_expand(query), kept, "{query}");
        }
    }

    #[test]
    fn only_so_many_calls_wait_and_the_others_are_counted() {
        let log = CallLog::new(ApiUsage { days: 1, rows: 1 });
        let call = |status| NewCall {
            tenant: None,
            actor: ("", None),
            at: Timestamp::from_millis(0),
            action: String::new(),
            path: String::new(),
            duration: 0,
            status,
            method: "",
            expand: String::new(),
            items: None,
        };
        for _ in 0..MOST_WAITING + 3 {
            log.note(call(1));
        }
        let (calls, dropped) = log.take();
        assert_eq!((calls.len(), dropped), (MOST_WAITING, 3));
        log.note(call(2));
        log.put_back(calls[1..].to_vec());
        log.note(call(3));
        let (calls, dropped) = log.take();
        assert_eq!((calls.len(), calls.last().map(|call| call.status), dropped), (MOST_WAITING, Some(2), 1));
    }

    #[test]
    fn what_is_too_old_or_too_many_goes() {
        assert_eq!(removable(None, None, 10), None);
        assert_eq!(removable(Some(4), Some(9), 10), Some(4));
        assert_eq!(removable(Some(4), Some(19), 10), Some(9));
        assert_eq!(removable(None, Some(9), 10), None);
    }
}
