//! A snapshot, written as its keys are read: what is held of it at a time is a piece.

use std::collections::HashMap;

use super::lines::{CarriedKey, CarriedRevoked, CarriedStanding, Count, Head, Line, VERSION};
use super::seal::{Seal, SigningKey};
use super::state::{Frame, Plan};
use crate::auth::key_usage::KeyUsage;
use crate::auth::{keys_of, revoked_keys_of};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::id::ApiKeyID;

/// Keys that are read at once.
const PIECE: i64 = 500;
/// Bytes that are handed on at once, about.
const CHUNK: usize = 64 * 1024;

/// Somewhere to put the bytes; an error ends the writing.
pub type Sink<'a> = dyn FnMut(Vec<u8>) -> Result<()> + 'a;

/// Writes a snapshot, within a transaction that sees one state of the database. The last bytes are handed on only when
/// all went well, and without them it is none.
pub fn write(
    db: &mut Db,
    plan: &Plan,
    frame: &Frame,
    key: &SigningKey,
    usage: &KeyUsage,
    sink: &mut Sink<'_>,
) -> Result<Count> {
    let mut out = Out { seal: Seal::default(), bytes: Vec::with_capacity(CHUNK * 2), sink };
    let mut count = Count::default();
    out.line(&Line::Snapshot(Head {
        version: VERSION,
        made: plan.made,
        not_after: plan.made.plus(plan.valid_for),
        state: frame.state.clone(),
        tenant: frame.tenant.clone(),
        public_key: key.public().to_string(),
    }))?;
    let tenant = plan.caller.tenant().id;
    let mut standings: HashMap<CarriedStanding, u32> = HashMap::new();
    let mut after = ApiKeyID::new(0);
    while let Some(read) = keys_of(db, tenant, after, PIECE)? {
        for (id, mut facts) in read.keys {
            usage.lay_over(&mut facts);
            let standing = CarriedStanding::of(&facts);
            let next = u32::try_from(standings.len()).map_err(Error::internal)?;
            let number = standings.get(&standing).copied();
            let Some(carried) = CarriedKey::of(id, &facts, number.unwrap_or(next), plan.made) else { continue };
            if number.is_none() {
                out.line(&Line::Standing(standing.clone().numbered(next)))?;
                standings.insert(standing, next);
                count.standings += 1;
            }
            out.line(&Line::Key(carried))?;
            count.keys += 1;
        }
        after = read.last;
    }
    let mut after = ApiKeyID::new(0);
    loop {
        let revoked = revoked_keys_of(db, tenant, after, PIECE)?;
        let Some((last, _)) = revoked.last() else { break };
        after = *last;
        for (id, digests) in revoked.iter().filter(|(_, digests)| !digests.is_empty()) {
            out.line(&Line::Revoked(CarriedRevoked::of(*id, digests)))?;
            count.revoked += 1;
        }
    }
    out.line(&Line::End(count))?;
    out.close(key)?;
    Ok(count)
}

struct Out<'a, 'b> {
    seal: Seal,
    bytes: Vec<u8>,
    sink: &'a mut Sink<'b>,
}

impl Out<'_, '_> {
    fn line(&mut self, line: &Line) -> Result<()> {
        serde_json::to_writer(&mut self.bytes, line).map_err(Error::internal)?;
        self.bytes.push(b'\n');
        if self.bytes.len() >= CHUNK { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> Result<()> {
        self.seal.pass(&self.bytes);
        (self.sink)(std::mem::replace(&mut self.bytes, Vec::with_capacity(CHUNK * 2)))
    }

    fn close(mut self, key: &SigningKey) -> Result<()> {
        self.hand_on()?;
        (self.sink)(self.seal.last_line(key).into_bytes())
    }
}
