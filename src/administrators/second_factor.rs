//! Time-based codes (RFC 6238: SHA-1, 30 s, six digits, as every authenticator app knows them).

use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::secret::{MfaCode, TotpSeed};

/// Steps back that a code is still taken: one, for the time it takes to type it.
const SKEW: u64 = 1;
/// Seconds a code lasts.
const STEP: u64 = 30;

/// The step that `now` lies in.
pub fn step_of(now: Timestamp) -> i64 {
    i64::try_from(now.unix_seconds() / STEP).unwrap_or(i64::MAX)
}

fn totp(seed: &TotpSeed, username: &str) -> Result<Totp> {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_step_duration(STEP)
        .with_skew(0)
        .with_secret(seed.expose().to_vec())
        // the link's label is divided by colons
        .with_account_name(username.replace(':', "."))
        .with_issuer(Some("Firstkey"))
        .build()
        .map_err(|error| Error::internal(error.to_string()))
}

/// The step that the code belongs to: this one or the one before. A caller must use each step once.
pub fn matching_step(seed: &TotpSeed, code: &MfaCode, now: Timestamp) -> Result<Option<i64>> {
    let totp = totp(seed, "-")?;
    let seconds = now.unix_seconds();
    let step = (0..=SKEW)
        .filter_map(|back| seconds.checked_sub(back * STEP))
        .find_map(|seconds| totp.check(code.expose(), seconds));
    Ok(step.map(|step| i64::try_from(step).unwrap_or(i64::MAX)))
}

/// What an authenticator app is set up with, beside the seed itself; each holds the seed, too.
pub struct Enrolment {
    /// For apps that take a link.
    pub url: Zeroizing<String>,
    /// The link as a picture.
    pub qr_code: Zeroizing<String>,
}

/// What an authenticator app needs to be set up.
pub fn enrolment(seed: &TotpSeed, username: &str) -> Result<Enrolment> {
    let url = totp(seed, username)?.to_url().map_err(|error| Error::internal(error.to_string()))?;
    Ok(Enrolment { qr_code: Zeroizing::new(svg(&url)?), url: Zeroizing::new(url) })
}

/// The QR code as an SVG of one path, with the quiet border that scanners want.
fn svg(text: &str) -> Result<String> {
    const BORDER: i32 = 4;
    let code = qrcodegen::QrCode::encode_text(text, qrcodegen::QrCodeEcc::Medium)
        .map_err(|_| Error::internal("the link is too long for a QR code"))?;
    let size = code.size() + 2 * BORDER;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in 0..code.size() {
            if code.get_module(x, y) {
                path.push_str(&format!("M{},{}h1v1h-1z", x + BORDER, y + BORDER));
            }
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" stroke=\"none\">\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the seed "12345678901234567890", the last six of the eight digits.
    #[test]
    fn codes_are_those_of_the_rfc_and_one_step_back_is_taken() {
        let seed = TotpSeed::from_bytes(b"12345678901234567890".to_vec());
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let matches = |code: &str, seconds| {
            matching_step(&seed, &MfaCode::parse(code).expect("a code"), at(seconds)).expect("a step")
        };
        assert_eq!(matches("287082", 59), Some(1));
        assert_eq!(matches("081804", 1_111_111_109), Some(37_037_036));
        assert_eq!(matches("287082", 89), Some(1), "one step later");
        assert_eq!(matches("287082", 90), None, "two steps later");
        assert_eq!(matches("287082", 29), None, "before its time");
        assert_eq!(matches("287082", -5), None, "before 1970");
        assert_eq!(step_of(at(59)), 1);
    }
}
