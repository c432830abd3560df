//! The numbers that name things: one type per kind, so that a role can never be looked up by a key's ID.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::BigInt;
use serde::{Deserialize, Serialize};

/// The largest ID there is: clients of Deep Security hold IDs in 32 bits.
pub const MAX_ID: i64 = i32::MAX as i64;

/// Every number that an ID can be has been given to something, and none is given twice (T-44).
#[derive(Debug, thiserror::Error)]
#[error("every ID of 32 bits has been used")]
pub struct NoMoreIDs;

macro_rules! ids {
    ($($(#[$about:meta])* $name:ident;)*) => {$(
        $(#[$about])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            AsExpression, FromSqlRow,
        )]
        #[diesel(sql_type = BigInt)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Wraps a number that is already known to be an ID of this kind.
            pub const fn new(id: i64) -> Self {
                Self(id)
            }

            /// Reads decimal digits, as a path or a key carries them; `None` beyond 32 bits.
            pub fn parse(digits: &str) -> Option<Self> {
                parse_digits(digits).map(Self)
            }

            /// The bare number.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<DB: Backend> FromSql<BigInt, DB> for $name
        where
            i64: FromSql<BigInt, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                let id = i64::from_sql(bytes)?;
                // a new row's number comes by here before anybody else sees it
                if id > MAX_ID { Err(NoMoreIDs.into()) } else { Ok(Self(id)) }
            }
        }

        impl<DB: Backend> ToSql<BigInt, DB> for $name
        where
            i64: ToSql<BigInt, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.0.to_sql(out)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                i32::schema()
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

ids! {
    /// An API key. Never given twice, not even after the key is deleted: it is part of the secret.
    ApiKeyID;
    /// A person who signs in.
    AdministratorID;
    /// A role. 1 is Full Access, 2 is Auditor, everywhere.
    RoleID;
    /// A tenant. 0 is the primary one.
    TenantID;
    /// Somebody to be written to who cannot sign in.
    ContactID;
    /// A key that is to be made when a code is redeemed.
    ClaimID;
    /// A call that was noted.
    UsageID;
    /// Something that happened.
    AuditEventID;
    /// Work that goes on behind a call.
    JobID;
    /// The rules a family of keys lives under. 1 is Deep Security's.
    ProfileID;
    /// What a key can be for.
    ApiTypeID;
    /// A program of somebody else's that is told what happens.
    WebhookID;
}

impl TenantID {
    /// The tenant that is always there.
    pub const PRIMARY: Self = Self(0);
}

impl RoleID {
    /// Every right; cannot be changed.
    pub const FULL_ACCESS: Self = Self(1);
    /// Reads computers and policies, nothing else.
    pub const AUDITOR: Self = Self(2);
}

impl ProfileID {
    /// The documented behaviour of Deep Security's keys.
    pub const DEEP_SECURITY: Self = Self(1);
}

fn parse_digits(digits: &str) -> Option<i64> {
    let plain = (digits == "0" || !digits.starts_with('0'))
        && (1..=10).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?.filter(|id| *id <= MAX_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_decimal_digits_within_32_bits_are_an_id() {
        for (text, id) in [
            ("1", Some(1)),
            ("0", Some(0)),
            ("2147483647", Some(2147483647)),
            ("2147483648", None),
            ("99999999999999999999", None),
            ("007", None),
            ("-1", None),
            ("+1", None),
            ("1 ", None),
            ("", None),
            ("٣", None),
        ] {
            assert_eq!(ApiKeyID::parse(text).map(ApiKeyID::get), id, "{text:?}");
        }
    }
}
