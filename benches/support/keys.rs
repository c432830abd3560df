//! Keys without number whose secrets are known here, and what asks for them.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use diesel::SqliteConnection;
use diesel::prelude::*;
use sha2::{Digest as _, Sha256};

/// What a gateway asks: one right.
pub const QUERY: &str = "/auth/verify?right=platformRights.computerRights.canViewOtherComputers";

/// Presents every key once, so that it is remembered if there is room.
pub fn warm(address: SocketAddr, keys: i64) {
    std::thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || {
                let stream = TcpStream::connect(address).expect("it is there");
                warm_over(stream, (part..keys).step_by(4));
            });
        }
    });
}

/// Presents keys one after the other, a hundred at a time on the wire.
fn warm_over(stream: TcpStream, numbers: impl Iterator<Item = i64>) {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let (mut writer, numbers) = (stream, numbers.collect::<Vec<_>>());
    for chunk in numbers.chunks(100) {
        let mut text = String::new();
        for number in chunk {
            let _ = write!(text, "GET {QUERY} HTTP/1.1\r\nHost: x\r\napi-secret-key: {}\r\n\r\n", key(number + 1));
        }
        writer.write_all(text.as_bytes()).expect("it is taken");
        let mut ends = 0;
        let mut line = String::new();
        while ends < chunk.len() {
            line.clear();
            assert!(reader.read_line(&mut line).expect("an answer") > 0, "the server hung up");
            assert!(!line.starts_with("HTTP/1.1 4"), "{line}");
            ends += usize::from(line == "\r\n");
        }
    }
}

/// The n-th of the made-up keys: its ID is one more, behind the first key.
pub fn key(number: i64) -> String {
    format!("{}:{}", number + 1, STANDARD.encode(bytes(number)))
}

/// The secret of the n-th of the made-up keys.
pub fn bytes(number: i64) -> [u8; 32] {
    Sha256::digest(number.to_be_bytes()).into()
}

/// Makes keys of the role Auditor whose secrets are known here; the n-th has the ID behind n, and so has its secret.
pub fn fill(db: &mut SqliteConnection, keys: i64) {
    let keys = keys + 1;
    db.transaction(|db| {
        diesel::sql_query(format!(
            "insert into api_keys (id, tenant_id, profile_id, kind, key_name, name_fold, description, description_fold, \
             locale, role_id, time_zone, active, created, unsuccessful_sign_in_attempts, service_account, \
             made_with_initial_password) with recursive numbers (n) as (select 1 union all select n + 1 from numbers \
             where n < {keys}) select n + 1, 0, 1, 'standard', printf('key %07d', n), printf('key %07d', n), '', '', 'en-US', 2, \
             'UTC', true, n, 0, false, false from numbers"
        ))
        .execute(db)?;
        let numbers: Vec<i64> = (1..=keys).collect();
        for chunk in numbers.chunks(500) {
            let mut sql = "insert into api_key_secrets (tenant_id, api_key_id, digest, digest_version, created) values".to_owned();
            for (place, number) in chunk.iter().enumerate() {
                let digest = Sha256::new().chain_update("firstkey/apikey/v1").chain_update([0]).chain_update(bytes(*number)).finalize();
                let _ = write!(sql, "{} (0, {}, x'", if place == 0 { "" } else { "," }, number + 1);
                for byte in digest {
                    let _ = write!(sql, "{byte:02x}");
                }
                sql.push_str("', 1, 1)");
            }
            diesel::sql_query(sql).execute(db)?;
        }
        diesel::sql_query("analyze").execute(db)
    })
    .expect("the statements are right");
}
