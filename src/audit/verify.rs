//! Walking the whole chain, piece by piece, while the server may go on.

use super::chain::{Cut, Fault, MOST, Seal, Walk, Wrong};
use super::store;
use crate::db::Database;
use crate::error::Result;
use crate::keyring::AuditKey;

/// Seals read at once.
const SEALS: i64 = 500;
/// Events whose places are looked for at once.
const EVENTS: i64 = 10_000;

/// A head that somebody noted earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedHead {
    /// Its place, where that was noted too.
    pub position: Option<i64>,
    /// Its MAC.
    pub mac: Vec<u8>,
}

impl NotedHead {
    /// Reads `<position>:<MAC in hex>`, or the MAC alone.
    pub fn parse(text: &str) -> Option<Self> {
        let (position, hex) = match text.split_once(':') {
            Some((position, hex)) => (Some(position.parse().ok()?), hex),
            None => (None, text),
        };
        let mac = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok().filter(|mac| mac.len() == 32)?;
        Some(Self { position, mac })
    }

    fn is_at(&self, position: i64, mac: &[u8]) -> bool {
        self.mac == mac && self.position.is_none_or(|noted| noted == position)
    }
}

/// What a walk has found where nothing is wrong.
#[derive(Debug)]
pub struct Report {
    /// Events that are as they were sealed.
    pub checked: i64,
    /// What cannot be checked, because it is said to be sealed with a master key that is not at hand.
    pub unchecked: Option<Unchecked>,
    /// Events that are not sealed yet.
    pub unsealed: i64,
    /// Where the chain ends.
    pub head: Option<Seal>,
    /// Where it begins, if retention has removed what was before.
    pub cut: Option<Cut>,
    /// Whether the record of that is said to be of a master key that is not at hand.
    pub cut_is_unchecked: bool,
    /// Whether the noted head lies in what retention has removed, and so cannot be looked for.
    pub noted_head_is_gone: bool,
}

/// The beginning of a chain, where it cannot be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// The first segment.
    pub first_segment: i64,
    /// The last segment.
    pub last_segment: i64,
    /// The first place in them.
    pub first: i64,
    /// How many events.
    pub events: i64,
}

/// Walks over everything. `keys` are the one in use, then older ones.
pub fn verify(
    database: &Database,
    keys: &[AuditKey],
    noted: Option<&NotedHead>,
) -> Result<std::result::Result<Report, Fault>> {
    loop {
        let cut = database.read_here(store::latest_cut)?;
        let outcome = from(database, keys, noted, cut.clone())?;
        // what was removed by retention meanwhile is not missing
        if outcome.is_ok() || database.read_here(store::latest_cut)? == cut {
            return Ok(outcome);
        }
    }
}

fn from(
    database: &Database,
    keys: &[AuditKey],
    noted: Option<&NotedHead>,
    cut: Option<Cut>,
) -> Result<std::result::Result<Report, Fault>> {
    // in this order: what comes meanwhile is behind all of it
    let end = database.read_here(store::last_position)?;
    let settled = database.read_here(store::settled)?;
    let head = database.read_here(store::latest_seal)?;
    let ends = ends_of_epochs(database, keys, head.clone())?;
    let mut walk = match Walk::begin(keys.to_vec(), cut.as_ref(), &ends) {
        Ok(walk) => walk,
        Err(fault) => return Ok(Err(fault)),
    };
    if let Some((table, row)) = database.read_here(store::mistyped)? {
        let event = (table == "audit_events").then_some(row);
        let position = (table != "audit_events").then_some(row);
        return Ok(Err(Fault { event, position, wrong: Wrong::Mistyped }));
    }
    let (below, segment) = cut.as_ref().map_or((0, 0), |cut| (cut.position, cut.seal));
    if let Some((position, event)) = database.read_here(move |db| store::first_below(db, below, segment))? {
        return Ok(Err(Fault { event, position: Some(position), wrong: Wrong::BelowCut }));
    }
    let mut noted_is_found =
        cut.as_ref().is_some_and(|cut| noted.is_some_and(|noted| noted.is_at(cut.position, &cut.head)));
    let mut seal = cut.as_ref().map_or(0, |cut| cut.seal);
    let mut last_unchecked = 0;
    let up_to = head.as_ref().map_or(0, |head| head.id);
    loop {
        let seals = database.read_here(move |db| store::seals_behind(db, seal, SEALS))?;
        let seals: Vec<Seal> = seals.into_iter().filter(|seal| seal.id <= up_to).collect();
        let Some(last) = seals.last() else { break };
        seal = last.id;
        for piece in pieces(&seals) {
            let (Some(first), Some(last)) = (piece.first().map(|seal| seal.first), piece.last().map(|seal| seal.last))
            else {
                continue;
            };
            // no segment is longer: one that says so is not read to its end
            let links = database.read_here(move |db| store::links(db, first, last, 2 * MOST))?;
            if let Some(noted) = noted {
                noted_is_found |= links.iter().any(|link| noted.is_at(link.position, &link.mac));
            }
            for seal in piece {
                let from = links.partition_point(|link| link.position < seal.first);
                let to = links.partition_point(|link| link.position <= seal.last);
                let unchecked = walk.unchecked;
                if let Err(fault) = walk.segment(seal, links.get(from..to).unwrap_or_default()) {
                    return Ok(Err(fault));
                }
                if walk.unchecked > unchecked {
                    last_unchecked = seal.id;
                }
            }
        }
    }
    if walk.position < end && head.as_ref().is_none_or(|head| head.last < end) {
        let behind = database.read_here(store::latest_seal)?;
        if behind.is_none_or(|seal| seal.last < end) {
            return Ok(Err(Fault { event: None, position: Some(walk.position + 1), wrong: Wrong::SealRemoved }));
        }
    }
    if let Some(event) = first_slipped_in(database, settled)? {
        return Ok(Err(Fault { event: Some(event), position: None, wrong: Wrong::SlippedIn }));
    }
    let noted_head_is_gone = !noted_is_found
        && noted.and_then(|noted| noted.position).zip(cut.as_ref()).is_some_and(|(noted, cut)| noted < cut.position);
    if noted.is_some() && !noted_is_found && !noted_head_is_gone {
        return Ok(Err(Fault {
            event: None,
            position: noted.and_then(|noted| noted.position),
            wrong: Wrong::HeadNotFound,
        }));
    }
    let unsealed = database.read_here(move |db| store::count_unsealed(db, settled))?;
    let unchecked = (walk.unchecked > 0).then_some(Unchecked {
        first_segment: segment + 1,
        last_segment: last_unchecked,
        first: below + 1,
        events: walk.unchecked,
    });
    let (checked, cut_is_unchecked) = (walk.checked, walk.cut_is_unchecked);
    Ok(Ok(Report { checked, unchecked, unsealed, head, cut, cut_is_unchecked, noted_head_is_gone }))
}

/// The last seal of each epoch, from the latest back, as far as there can be keys for them and one more.
fn ends_of_epochs(database: &Database, keys: &[AuditKey], latest: Option<Seal>) -> Result<Vec<Seal>> {
    let mut ends = Vec::from_iter(latest);
    while let Some(begins) = ends.last().map(|seal| seal.epoch_first)
        && ends.len() <= keys.len()
    {
        match database.read_here(move |db| store::last_seal_before(db, begins))? {
            Some(seal) => ends.push(seal),
            None => break,
        }
    }
    Ok(ends)
}

/// The first event that is in no segment though all around it are; piece by piece, because no statement may take long.
fn first_slipped_in(database: &Database, settled: i64) -> Result<Option<i64>> {
    if let Some(event) = database.read_here(store::below_one)? {
        return Ok(Some(event));
    }
    let mut behind = 0;
    while let Some(last) = database.read_here(|db| store::last_of_next(db, behind, EVENTS))? {
        let up_to = last.min(settled);
        if let Some(event) = database.read_here(|db| store::first_slipped_in(db, behind, up_to))? {
            return Ok(Some(event));
        }
        if last >= settled {
            break;
        }
        behind = last;
    }
    Ok(None)
}

/// Runs of seals with about as many events as one segment may have.
fn pieces(seals: &[Seal]) -> Vec<&[Seal]> {
    let (mut pieces, mut begin, mut events) = (Vec::new(), 0, 0_i64);
    for (at, seal) in seals.iter().enumerate() {
        let more = seal.last.saturating_sub(seal.first).saturating_add(1).max(1);
        if at > begin && events.saturating_add(more) > MOST {
            pieces.push(&seals[begin..at]);
            (begin, events) = (at, 0);
        }
        events = events.saturating_add(more);
    }
    pieces.push(&seals[begin..]);
    pieces
}
