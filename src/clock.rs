//! Time as a value: a [`Timestamp`] is handed in, and only [`Clock`] ever asks the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Datelike as _, SecondsFormat, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::BigInt;
use serde::{Deserialize, Serialize};

/// A second, in milliseconds.
pub const SECOND: i64 = 1_000;
/// A minute, in milliseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// An hour, in milliseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// A day of 24 hours, in milliseconds.
pub const DAY: i64 = 24 * HOUR;
/// A week, in milliseconds.
pub const WEEK: i64 = 7 * DAY;

/// A moment: milliseconds since 1970-01-01 UTC, as the wire and the database carry it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, AsExpression, FromSqlRow,
)]
#[diesel(sql_type = BigInt)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A moment from milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This moment and `millis` more; stays at the ends of the range instead of wrapping.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// This moment, `millis` earlier; stays at the ends of the range instead of wrapping.
    #[must_use]
    pub const fn minus(self, millis: i64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// Milliseconds from `earlier` to this moment; negative when it is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since the epoch, none before it: what RFC 6238 counts steps from.
    pub fn unix_seconds(self) -> u64 {
        u64::try_from(self.0.div_euclid(SECOND)).unwrap_or(0)
    }

    /// As a header carries it (RFC 9110 §5.6.7), whole seconds; `None` where the calendar has no such year.
    pub fn http_date(self) -> Option<String> {
        let moment = DateTime::<Utc>::from_timestamp_millis(self.0)?;
        (1..=9_999).contains(&moment.year()).then(|| moment.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
    }

    /// The same moment as the standard library has it, none before 1970: for the date of a mail.
    pub fn system_time(self) -> std::time::SystemTime {
        std::time::UNIX_EPOCH + std::time::Duration::from_secs(self.unix_seconds())
    }

    /// A moment of the standard library's, such as that at which a file was written; none before 1970.
    pub fn of_system_time(at: std::time::SystemTime) -> Option<Self> {
        let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok().map(Self)
    }
}

/// RFC 3339 in UTC with milliseconds; the bare number where the calendar has no such year.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(moment) => f.write_str(&moment.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

impl<DB: Backend> FromSql<BigInt, DB> for Timestamp
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(bytes).map(Self)
    }
}

impl<DB: Backend> ToSql<BigInt, DB> for Timestamp
where
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        i64::schema()
    }
}

impl utoipa::ToSchema for Timestamp {}

/// Where "now" comes from: the machine, or a hand that holds it still.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's own clock.
    System,
    /// A clock that stands until it is moved; what tests of expiry and lock-out use.
    Held(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `at`.
    pub fn held(at: Timestamp) -> Self {
        Self::Held(Arc::new(AtomicI64::new(at.millis())))
    }

    /// The present moment.
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp(Utc::now().timestamp_millis()),
            Self::Held(millis) => Timestamp(millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a held clock by `millis`, backwards if negative. The machine's clock is not ours to move.
    pub fn advance(&self, millis: i64) {
        if let Self::Held(held) = self {
            held.fetch_add(millis, Ordering::SeqCst);
        }
    }

    /// Whether this is a held clock: only then may passwords be hashed cheaply.
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stays_at_the_ends_of_the_range() {
        assert_eq!(Timestamp(i64::MAX).plus(1).millis(), i64::MAX);
        assert_eq!(Timestamp(i64::MIN).minus(1).millis(), i64::MIN);
        assert_eq!(Timestamp(i64::MIN).since(Timestamp(i64::MAX)), i64::MIN);
        assert_eq!(Timestamp(-1).unix_seconds(), 0);
    }

    #[test]
    fn a_moment_is_written_as_rfc_3339_says() {
        assert_eq!(Timestamp(1_540_309_893_123).to_string(), "2018-10-23T15:51:33.123Z");
        assert_eq!(Timestamp(i64::MAX).to_string(), "9223372036854775807 ms");
        assert_eq!(Timestamp(784_111_777_999).http_date().as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!((Timestamp(i64::MAX).http_date(), Timestamp(1 << 49).http_date()), (None, None));
    }
}
