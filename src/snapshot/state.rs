//! Whether anything has changed: one text that is the same as long as a snapshot would be. It is made of what the events
//! tell, because every change writes one in its own transaction, and costs a few short statements.

use sha2::{Digest as _, Sha256};

use super::lines::{CarriedTenant, VERSION};
use super::seal::PublicKey;
use crate::audit;
use crate::auth::{self, Caller};
use crate::clock::Timestamp;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::rights::ViewApiKeys;
use crate::secret::random_bytes;

/// Whose snapshot it is to be, and for how long.
#[derive(Clone)]
pub struct Plan {
    /// Who reads it.
    pub caller: Caller<ViewApiKeys>,
    /// What it is signed with.
    pub public: PublicKey,
    /// When it is made.
    pub made: Timestamp,
    /// For how long it may be used, in milliseconds.
    pub valid_for: i64,
}

/// What stands in front of the keys.
pub struct Frame {
    /// Whose they are.
    pub tenant: CarriedTenant,
    /// The same as long as nothing has changed.
    pub state: String,
}

impl Frame {
    /// Looks it up, within a transaction in which the keys are read too.
    pub fn look_up(db: &mut Db, plan: &Plan) -> Result<Self> {
        let id = plan.caller.tenant().id;
        let facts = auth::tenant_facts(db, id)?.ok_or_else(|| Error::internal("a caller without a tenant"))?;
        let tenant = CarriedTenant::of(facts);
        let mark = audit::mark(db, id, plan.made)?;
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(&VERSION.to_le_bytes());
        add(env!("CARGO_PKG_VERSION").as_bytes());
        add(plan.public.to_string().as_bytes());
        add(&serde_json::to_vec(&tenant).map_err(Error::internal)?);
        // anew when half of its time is over, so that whoever asks in time always has one that may be used
        add(&plan.made.millis().div_euclid((plan.valid_for / 2).max(1)).to_le_bytes());
        mark.numbers.iter().for_each(|number| add(&number.to_le_bytes()));
        if !mark.is_settled {
            // so much is going on that what came last cannot be told from what came late: never the same twice
            add(random_bytes::<16>()?.as_ref());
        }
        let state = data_encoding::HEXLOWER.encode(&hash.finalize()[..16]);
        Ok(Self { tenant, state })
    }
}
