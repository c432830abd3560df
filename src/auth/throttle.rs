//! Growing delays after wrong passwords, per account and address, that nobody can turn into a weapon.
//!
//! An attempt is reserved before the password is looked at, in one statement, so that parallel guesses
//! cannot outrun the counter; a full success sets it back to nothing. Five attempts are free (a setting of
//! the primary tenant, whatever tenant is named: else the number would tell whether it is there), then each waits 1 s, 2 s, 4 s … up to 15 minutes. Buckets are numbers that only the master key can aim at, and
//! there are no more than a million of them: unknown names cannot fill the database, and are treated
//! exactly as known ones.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use diesel::prelude::*;

use super::password_lane::Client;
use crate::app::App;
use crate::clock::{DAY, MINUTE, SECOND, Timestamp};
use crate::db::Db;
use crate::db::schema::sign_in_attempts;
use crate::error::{Error, Reason, Result};
use crate::id::TenantID;
use crate::secret::Password;

/// The longest delay, in milliseconds.
pub const LONGEST: i64 = 15 * MINUTE;
/// A bucket that has been quiet for this long, in milliseconds, is swept away.
const FORGOTTEN_AFTER: i64 = DAY;
/// How many buckets there are.
const BUCKETS: u32 = 1 << 20;
/// How long a request waits for its turn, and how often it asks.
const PATIENCE: Duration = Duration::from_secs(2);
const ASK_AGAIN: Duration = Duration::from_millis(40);
/// How often a compare-and-set is tried again when another node was faster.
const RETRIES: u32 = 64;

/// The bucket of one account as seen from one address.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    number: i64,
    /// That address, or its network.
    prefix: IpAddr,
    /// Whether the attempt that was reserved is the last one that makes nobody wait, should it fail.
    pub is_last_free: bool,
}

/// The delay after `failures` attempts of which `free` wait for nothing, in milliseconds.
pub fn delay(failures: i64, free: i64) -> i64 {
    match failures.saturating_sub(free) {
        ..0 => 0,
        doublings @ 0..20 => (SECOND << doublings).min(LONGEST),
        _ => LONGEST,
    }
}

/// The part of an address that one household or machine holds: all of IPv4, the first 64 bits of IPv6.
pub fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

impl App {
    /// Reserves an attempt to sign in to the folded `tenant` (empty: the primary one) as the folded `name`, waiting a moment for its turn; 429 when that
    /// does not come.
    pub async fn reserve_attempt(&self, tenant: &str, name: &str, address: IpAddr) -> Result<Bucket> {
        let prefix = prefix(address);
        let from = prefix.to_string();
        let number = self.keyring.bucket(&[tenant.as_bytes(), name.as_bytes(), from.as_bytes()], BUCKETS);
        if !self.rules.throttle {
            return Ok(Bucket { number, prefix, is_last_free: false });
        }
        let free = self.rules_of(TenantID::PRIMARY).await?.attempts;
        let give_up = Instant::now() + self.rules.throttle_patience.min(PATIENCE);
        loop {
            let now = self.now();
            match self.database.write(move |db| reserve(db, number, free, now)).await? {
                Turn::Reserved(count) => return Ok(Bucket { number, prefix, is_last_free: count == free }),
                Turn::NotBefore(at) if Instant::now() >= give_up || at.since(now) > PATIENCE.as_millis() as i64 => {
                    return Err(throttled(at.since(now)));
                }
                Turn::NotBefore(_) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }
}

impl App {
    /// Turns somebody from this address away, before anything else is done, where too many passwords wait already.
    pub async fn must_have_room(&self, address: IpAddr) -> Result<()> {
        self.lane.must_have_room(Client::Unknown(prefix(address))).await
    }

    /// Compares a password under a reserved attempt. Where the lane is too busy to look at it, the attempt
    /// was none: else a storm would lock out those who only came at the wrong moment.
    pub async fn try_password(&self, bucket: Bucket, password: &Password, hash: Option<&str>) -> Result<bool> {
        let compared = self.lane.verify(Client::Unknown(bucket.prefix), self.keyring.peppered(password), hash).await;
        if compared.is_err() && self.rules.throttle {
            let now = self.now();
            self.database.write(move |db| undo(db, bucket, now)).await?;
        }
        compared
    }
}

fn throttled(wait: i64) -> Error {
    let seconds = u64::try_from(wait.max(1)).unwrap_or(1).div_ceil(1_000);
    Error::new(Reason::SignInThrottled, format!("Too many attempts to sign in. Try again in {seconds} s."))
        .retry_after(seconds)
}

/// Whether an attempt may be made.
enum Turn {
    /// It is reserved: so many there have been since the last success, this one included.
    Reserved(i64),
    /// Not before that moment.
    NotBefore(Timestamp),
}

fn reserve(db: &mut Db, bucket: i64, free: i64, now: Timestamp) -> Result<Turn> {
    for _ in 0..RETRIES {
        let known: Option<(i64, Timestamp)> = sign_in_attempts::table
            .find(bucket)
            .select((sign_in_attempts::failures, sign_in_attempts::allowed_at))
            .get_result(db)
            .optional()?;
        let Some((failures, allowed_at)) = known else {
            if first_attempt(db, bucket, free, now)? {
                return Ok(Turn::Reserved(1));
            }
            continue;
        };
        if allowed_at > now {
            return Ok(Turn::NotBefore(allowed_at));
        }
        let reserved = diesel::update(sign_in_attempts::table.find(bucket))
            .filter(sign_in_attempts::failures.eq(failures))
            .filter(sign_in_attempts::allowed_at.eq(allowed_at))
            .set((
                sign_in_attempts::failures.eq(failures + 1),
                sign_in_attempts::allowed_at.eq(now.plus(delay(failures + 1, free))),
                sign_in_attempts::last.eq(now),
            ))
            .execute(db)?;
        if reserved == 1 {
            return Ok(Turn::Reserved(failures + 1));
        }
    }
    Ok(Turn::NotBefore(now.plus(SECOND)))
}

/// Inserts the bucket's row in a savepoint: another node may be faster.
fn first_attempt(db: &mut Db, bucket: i64, free: i64, now: Timestamp) -> Result<bool> {
    let row = (
        sign_in_attempts::bucket.eq(bucket),
        sign_in_attempts::failures.eq(1),
        sign_in_attempts::allowed_at.eq(now.plus(delay(1, free))),
        sign_in_attempts::last.eq(now),
    );
    match db.transaction(|db| diesel::insert_into(sign_in_attempts::table).values(row).execute(db)) {
        Ok(_) => Ok(true),
        Err(error) if crate::error::is_unique_violation(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Takes one reservation back. Its turn had come, so the next may come at once.
fn undo(db: &mut Db, bucket: Bucket, now: Timestamp) -> Result<()> {
    diesel::update(sign_in_attempts::table.find(bucket.number))
        .filter(sign_in_attempts::failures.gt(0))
        .set((sign_in_attempts::failures.eq(sign_in_attempts::failures - 1), sign_in_attempts::allowed_at.eq(now)))
        .execute(db)?;
    Ok(())
}

/// A full success: the bucket starts afresh. Part of the sign-in's transaction.
pub fn give_back(db: &mut Db, bucket: Bucket) -> Result<()> {
    diesel::delete(sign_in_attempts::table.find(bucket.number)).execute(db)?;
    Ok(())
}

/// Empties every bucket. The addresses behind an account's buckets are not kept, so `firstkey admin
/// unlock` cannot pick out one account's.
pub fn forget_all(db: &mut Db) -> Result<usize> {
    Ok(diesel::delete(sign_in_attempts::table).execute(db)?)
}

/// Sweeps buckets that have been quiet for a day.
pub fn sweep(db: &mut Db, now: Timestamp) -> Result<usize> {
    let quiet = sign_in_attempts::table.filter(sign_in_attempts::last.lt(now.minus(FORGOTTEN_AFTER)));
    Ok(diesel::delete(quiet).execute(db)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_quarter_of_an_hour() {
        for (failures, wait) in
            [(0, 0), (4, 0), (5, 1_000), (6, 2_000), (14, 512_000), (15, 900_000), (i64::MAX, 900_000)]
        {
            assert_eq!(delay(failures, 5), wait, "after {failures}");
        }
    }

    #[test]
    fn a_prefix_is_one_ipv4_address_or_one_ipv6_network() {
        for (address, expected) in
            [("10.1.2.3", "10.1.2.3"), ("::ffff:10.1.2.3", "10.1.2.3"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
        {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(prefix(address).to_string(), expected);
        }
    }
}
