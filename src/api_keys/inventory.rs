//! Keys that are brought from elsewhere, as a list says them: read line by line, each with what is wrong with it.

use std::collections::BTreeSet;

use chrono::DateTime;

use super::rules::{Expiry, Wanted};
use super::under_profile::Asked;
use crate::constraints;
use crate::error::{Error, Reason, Result};
use crate::id::{ProfileID, RoleID};
use crate::secret::SecretDigest;

/// The most keys of one list.
pub const MOST_LINES: usize = 10_000;

/// One key of a list.
pub struct Line {
    /// Where it stands: the line of a CSV, or the place in a JSON list, from 1 on.
    pub number: u64,
    /// What it is to be called; empty when that is missing.
    pub name: String,
    /// What it is to be; or why it cannot be.
    pub entry: Result<Entry, String>,
}

/// What a key that comes from elsewhere is to be; not checked against anything that is here.
pub struct Entry {
    /// Everything but the role.
    pub wanted: Wanted,
    /// The role, by ID, by name, or both.
    pub role: RoleWish,
    /// The name of its profile, beside which the profile's ID may be wanted.
    pub profile: Option<String>,
    /// The digest of the secret that its holder has already.
    pub digest: Option<SecretDigest>,
}

/// Which role is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleWish {
    /// By number.
    pub id: Option<RoleID>,
    /// By name.
    pub name: Option<String>,
}

/// A list that has more than is taken at once.
pub fn too_many() -> Error {
    Error::new(Reason::BodyTooLarge, format!("At most {MOST_LINES} keys are taken at once."))
}

/// `sha256:` and 64 hex digits, of a secret that not everybody hits upon.
pub fn digest(text: &str) -> Result<SecretDigest, String> {
    SecretDigest::brought(text).map_err(|error| error.message().to_owned())
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Name,
    RoleID,
    RoleName,
    Description,
    Locale,
    TimeZone,
    Active,
    LockedOut,
    Expiry,
    Digest,
    Kind,
    ProfileID,
    Profile,
    Target,
    ApiTypes,
    NotBefore,
    Allow,
    Deny,
    RemainingUses,
    CallsPerMinute,
    /// What only a server can know.
    Ignored,
}

/// Columns by their names without blanks, underscores and hyphens, in lower case: those of the export of this server,
/// of its API, and of inventories that people have drawn up of Deep Security's keys.
const COLUMNS: &[(&str, Column)] = &[
    ("keyname", Column::Name),
    ("name", Column::Name),
    ("apikeyname", Column::Name),
    ("roleid", Column::RoleID),
    ("rolename", Column::RoleName),
    ("role", Column::RoleName),
    ("description", Column::Description),
    ("locale", Column::Locale),
    ("language", Column::Locale),
    ("timezone", Column::TimeZone),
    ("active", Column::Active),
    ("enabled", Column::Active),
    ("lockedout", Column::LockedOut),
    ("locked", Column::LockedOut),
    ("expirydate", Column::Expiry),
    ("expiry", Column::Expiry),
    ("expires", Column::Expiry),
    ("expireson", Column::Expiry),
    ("secretdigest", Column::Digest),
    ("kind", Column::Kind),
    ("profileid", Column::ProfileID),
    ("profile", Column::Profile),
    ("profilename", Column::Profile),
    ("target", Column::Target),
    ("apitypes", Column::ApiTypes),
    ("notbefore", Column::NotBefore),
    ("allowednetworks", Column::Allow),
    ("deniednetworks", Column::Deny),
    ("remaininguses", Column::RemainingUses),
    ("callsperminute", Column::CallsPerMinute),
    ("id", Column::Ignored),
    ("created", Column::Ignored),
    ("lastsignin", Column::Ignored),
    ("lastused", Column::Ignored),
    ("unlocktime", Column::Ignored),
    ("unsuccessfulsigninattempts", Column::Ignored),
    ("failedattempts", Column::Ignored),
    ("serviceaccount", Column::Ignored),
];

fn malformed(message: impl Into<String>) -> Error {
    Error::new(Reason::Malformed, message.into())
}

/// Reads a CSV (RFC 4180) whose first line names the columns. A line that cannot be is answered with its reason; what
/// is no such list at all is refused.
pub fn read_csv(bytes: &[u8]) -> Result<Vec<Line>> {
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(format!("The body is not UTF-8 ({error}).")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let unreadable = |error: csv::Error| malformed(format!("The body is no CSV: {error}."));
    let columns = columns(reader.headers().map_err(unreadable)?)?;
    let mut lines = Vec::new();
    let mut place = Place { text, at: 0, line: 1 };
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        if lines.len() == MOST_LINES {
            return Err(too_many());
        }
        let number = record.position().map_or(0, |position| place.line_of(position.byte()));
        let cell = |wanted: Column| {
            let at = columns.iter().position(|column| *column == wanted)?;
            record.get(at).filter(|cell| !cell.is_empty())
        };
        let name = cell(Column::Name).map(plain).unwrap_or_default();
        let entry = match record.len() == columns.len() {
            true => entry(&name, cell),
            false => Err(format!("The line has {} cells, not {}.", record.len(), columns.len())),
        };
        lines.push(Line { number, name, entry });
    }
    Ok(lines)
}

/// Lines of a text, counted as its reader goes on: the CSV reader's own count is one short where lines end as RFC 4180
/// says.
struct Place<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl Place<'_> {
    /// The line on which the record stands whose end of line before it, or first character, is at this byte.
    fn line_of(&mut self, byte: u64) -> u64 {
        let bytes = self.text.as_bytes();
        let mut end = usize::try_from(byte).map_or(bytes.len(), |byte| byte.min(bytes.len()));
        end += bytes[end..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = bytes.get(self.at..end).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at = self.at.max(end);
        self.line
    }
}

fn columns(header: &csv::StringRecord) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    for name in header {
        let plain: String =
            name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).collect::<String>().to_ascii_lowercase();
        let known = COLUMNS.iter().find(|(known, _)| *known == plain);
        let (_, column) = known.ok_or_else(|| {
            let message = format!(
                "The first line names a column that is not known: {name:?}. Known are keyName, roleID, role name, \
                 description, locale, timeZone, active, locked out, expiryDate, secretDigest, kind, profileID, profile, \
                 target, apiTypes, notBefore, allowed networks, denied networks, remainingUses and callsPerMinute; more, \
                 hours of the week for one, can be said in JSON."
            );
            malformed(message)
        })?;
        columns.push(*column);
    }
    let named: Vec<Column> = columns.iter().copied().filter(|column| *column != Column::Ignored).collect();
    if named.iter().collect::<BTreeSet<_>>().len() < named.len() {
        return Err(malformed("The first line names a column twice."));
    }
    if named.contains(&Column::Active) && named.contains(&Column::LockedOut) {
        return Err(malformed("The first line names active and locked out: one of them is taken."));
    }
    if !named.contains(&Column::Name) || !(named.contains(&Column::RoleID) || named.contains(&Column::RoleName)) {
        return Err(malformed("The first line must name the columns: keyName, and roleID or role name."));
    }
    Ok(columns)
}

fn entry<'a>(name: &str, cell: impl Fn(Column) -> Option<&'a str>) -> Result<Entry, String> {
    let role_id = cell(Column::RoleID)
        .map(|text| RoleID::parse(text).ok_or_else(|| "roleID: the ID of a role is needed.".to_owned()));
    let flag = |column, what: &str| cell(column).map(|text| yes_or_no(text, what)).transpose();
    let active = flag(Column::Active, "active")?;
    let locked = flag(Column::LockedOut, "locked out")?;
    let own = |column| cell(column).map(str::to_owned);
    Ok(Entry {
        wanted: Wanted {
            key_name: Some(name.to_owned()),
            description: cell(Column::Description).map(plain),
            locale: own(Column::Locale),
            time_zone: own(Column::TimeZone),
            active: active.or(locked.map(|locked| !locked)),
            expiry: cell(Column::Expiry).map_or(Ok(Expiry::Unsaid), expiry)?,
            kind: own(Column::Kind),
            under: Asked {
                profile: cell(Column::ProfileID).map(profile_id).transpose()?,
                target: cell(Column::Target).map(|target| Some(plain(target))),
                api_types: cell(Column::ApiTypes).map(list),
            },
            constraints: constraints::Wanted {
                not_before: cell(Column::NotBefore).map(moment_to_begin).transpose()?,
                networks: networks(cell(Column::Allow), cell(Column::Deny)),
                remaining_uses: number(cell(Column::RemainingUses), "remainingUses")?,
                calls_per_minute: number(cell(Column::CallsPerMinute), "callsPerMinute")?,
                windows: None,
            },
            role: None,
        },
        profile: cell(Column::Profile).map(plain),
        role: RoleWish { id: role_id.transpose()?, name: cell(Column::RoleName).map(plain) },
        digest: cell(Column::Digest).map(digest).transpose()?,
    })
}

/// Several in one cell: blanks or semicolons stand between them.
fn list(cell: &str) -> Vec<String> {
    cell.split([';', ' ']).filter(|item| !item.is_empty()).map(plain).collect()
}

fn networks(allow: Option<&str>, deny: Option<&str>) -> Option<Option<(Vec<String>, Vec<String>)>> {
    let lists = |cell: Option<&str>| cell.map(list).unwrap_or_default();
    (allow.is_some() || deny.is_some()).then(|| Some((lists(allow), lists(deny))))
}

fn profile_id(cell: &str) -> Result<ProfileID, String> {
    ProfileID::parse(cell).ok_or_else(|| "profileID: the ID of a profile is needed.".to_owned())
}

fn number(cell: Option<&str>, column: &str) -> Result<Option<Option<i64>>, String> {
    let read = |cell: &str| cell.parse().map(Some).map_err(|_| format!("constraints.{column}: a number is needed."));
    cell.map(read).transpose()
}

fn moment_to_begin(cell: &str) -> Result<Option<i64>, String> {
    let expected =
        || "constraints.notBefore: a moment such as 2027-01-31T12:00:00Z, or milliseconds since 1970.".to_owned();
    millis(cell).map(Some).ok_or_else(expected)
}

/// A text as it was before the export put an apostrophe in front of what a spreadsheet would run.
fn plain(cell: &str) -> String {
    let inner = cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@', '\t', '\r']));
    inner.unwrap_or(cell).to_owned()
}

fn yes_or_no(text: &str, column: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" => Ok(true),
        "false" | "no" => Ok(false),
        _ => Err(format!("{column}: true or false is taken.")),
    }
}

/// RFC 3339, or milliseconds since 1970; `never` and 0 are never.
fn expiry(text: &str) -> Result<Expiry, String> {
    if text.eq_ignore_ascii_case("never") {
        return Ok(Expiry::Never);
    }
    let expected =
        || "expiryDate: a moment such as 2027-01-31T12:00:00Z, milliseconds since 1970, or never.".to_owned();
    millis(text).map(Expiry::from_millis).ok_or_else(expected)
}

/// Milliseconds since 1970, as RFC 3339 or as a number.
fn millis(text: &str) -> Option<i64> {
    let moment = || DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.timestamp_millis());
    text.parse().ok().or_else(moment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Line> {
        read_csv(text.as_bytes()).expect("a list")
    }

    fn refused(text: &str) -> String {
        read_csv(text.as_bytes()).err().map(|error| error.message().to_owned()).unwrap_or_default()
    }

    #[test]
    fn columns_have_several_names_and_may_stand_anywhere() {
        for header in ["keyName,roleID,locked out", "Name,Role ID,LOCKED_OUT", "\u{feff}\"Key Name\",role-id,Locked"] {
            let lines = read(&format!("{header}\r\nbuild,2,true\r\n"));
            let entry = lines[0].entry.as_ref().expect("a key");
            assert_eq!((lines[0].number, lines[0].name.as_str()), (2, "build"));
            assert_eq!((entry.role.id, entry.wanted.active), (Some(RoleID::AUDITOR), Some(false)), "{header}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_and_what_is_no_key_is_said() {
        for (text, says) in [
            ("", "must name the columns"),
            ("keyName\nbuild", "must name the columns"),
            ("keyName,roleID,colour\n", "colour"),
            ("keyName,name,roleID\n", "twice"),
            ("keyName,roleID,active,locked out\n", "active and locked out"),
        ] {
            assert!(refused(text).contains(says), "{text:?}: {}", refused(text));
        }
        assert!(read_csv(b"keyName,roleID\n\xff,2\n").is_err());
        let header = "keyName,roleID,active,expiryDate,secretDigest";
        for (line, says) in [
            ("a,x,,,", "roleID"),
            ("a,2,maybe,,", "active"),
            ("a,2,,tomorrow,", "expiryDate"),
            ("a,2,,,sha256:12", "secretDigest"),
            ("a,2", "2 cells"),
        ] {
            let why = read(&format!("{header}\n{line}\n")).remove(0).entry.err().unwrap_or_default();
            assert!(why.contains(says), "{line}: {why}");
        }
    }

    #[test]
    fn ends_are_read_in_every_spelling() {
        let end = |text: &str| expiry(text).ok();
        let at = Expiry::At(Timestamp::from_millis(1_800_000_000_000));
        for (text, expected) in [
            ("2027-01-15T08:00:00.000Z", Some(at)),
            ("2027-01-15T09:00:00+01:00", Some(at)),
            ("1800000000000", Some(at)),
            ("0", Some(Expiry::Never)),
            ("Never", Some(Expiry::Never)),
            ("2027-01-15", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(end(text), expected, "{text}");
        }
    }

    #[test]
    fn only_so_many_lines_are_taken() {
        let of = |count: usize| format!("keyName,roleID\n{}", "k,2\n".repeat(count));
        assert_eq!(read(&of(MOST_LINES)).len(), MOST_LINES);
        assert_eq!(
            read_csv(of(MOST_LINES + 1).as_bytes()).err().map(|error| error.reason()),
            Some(Reason::BodyTooLarge)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_csv(&bytes);
        }

        #[test]
        fn any_lines_below_a_good_header_are_answered(lines in "(?s).{0,300}") {
            if let Ok(read) = read_csv(format!("keyName,roleID,role name,locked out,expiryDate,secretDigest\n{lines}").as_bytes()) {
                prop_assert!(read.iter().all(|line| line.entry.is_ok() || !line.entry.as_ref().err().is_none_or(String::is_empty)));
            }
        }

        /// Whatever stands in a cell is there again, formulas' apostrophes aside.
        #[test]
        fn cells_are_read_as_they_were_written(name in "[^\\r]{1,40}", description in "[^\\r]{0,40}") {
            prop_assume!(!name.starts_with('\'') && !description.starts_with('\'') && !name.starts_with('\u{feff}'));
            let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            writer.write_record(["keyName", "description", "role"]).expect("memory");
            writer.write_record([name.as_str(), &description, "Auditor"]).expect("memory");
            let lines = read_csv(&writer.into_inner().expect("memory")).expect("a list");
            let entry = lines[0].entry.as_ref().expect("a key");
            prop_assert_eq!(&lines[0].name, &name);
            prop_assert_eq!(entry.wanted.description.clone().unwrap_or_default(), description);
        }
    }
}
