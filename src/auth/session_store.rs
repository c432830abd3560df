//! actix-session's store over our own table of sessions.
//!
//! The middleware saves after the handler has returned, so it cannot take part in the handler's
//! transaction. Therefore the handlers write: sign-in inserts the row together with its event and puts
//! the session ID into the state; [`SessionStore::save`] only hands it back as the cookie's value. No
//! function here inserts, so none can revive a session that was ended while a request was in flight.
//!
//! What the middleware knows of is the state's two entries below; nothing of it is stored.

use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time::Duration;

use super::lookup;
use crate::app::App;
use crate::secret::SessionID;

/// The state's entry with what is known of a live session (`lookup::SessionFacts`, as JSON).
pub const FACTS: &str = "facts";
/// The state's entry that says that the database did not answer.
pub const OUTAGE: &str = "outage";
/// The state's entry by which sign-in hands over the new session ID.
pub const NEW_SESSION_ID: &str = "sID";

/// The store; one a worker.
#[derive(Clone)]
pub struct DieselStore(pub App);

impl SessionStore for DieselStore {
    async fn load(&self, key: &SessionKey) -> Result<Option<HashMap<String, String>>, LoadError> {
        let Some(sid) = SessionID::parse(key.as_ref()) else {
            return Ok(None);
        };
        let (digest, now, defaults) = (sid.digest(), self.0.now(), self.0.rules.clone());
        match self.0.database.look_up(move |db| lookup::session(db, digest, now, &defaults)).await {
            Ok(None) => Ok(None),
            Ok(Some(facts)) => {
                let facts = serde_json::to_string(&facts).map_err(|error| LoadError::Other(error.into()))?;
                Ok(Some(HashMap::from([(FACTS.to_owned(), facts)])))
            }
            // An `Err` would leave the middleware without a response and so without our error shape.
            Err(error) => {
                log::error!(cause = error.cause().unwrap_or_default().as_str(); "a session could not be looked up");
                Ok(Some(HashMap::from([(OUTAGE.to_owned(), "true".to_owned())])))
            }
        }
    }

    async fn save(&self, state: HashMap<String, String>, _: &Duration) -> Result<SessionKey, SaveError> {
        let unexpected = || SaveError::Other(anyhow::anyhow!("only sign-in makes sessions"));
        let sid = state.get(NEW_SESSION_ID).and_then(|json| serde_json::from_str::<String>(json).ok());
        sid.and_then(|sid| SessionKey::try_from(sid).ok()).ok_or_else(unexpected)
    }

    async fn update(
        &self,
        key: SessionKey,
        _: HashMap<String, String>,
        _: &Duration,
    ) -> Result<SessionKey, UpdateError> {
        Ok(key)
    }

    /// `identify` notes the use, once the request ID has proved right.
    async fn update_ttl(&self, _: &SessionKey, _: &Duration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    /// Sign-out and sign-in have ended the row in their own transaction; this makes sure of it.
    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        if let Some(sid) = SessionID::parse(key.as_ref()) {
            let (digest, now) = (sid.digest(), self.0.now());
            let ended = self.0.database.write(move |db| lookup::end_session(db, digest, now, "replaced")).await;
            if let Err(error) = ended {
                log::error!(cause = error.cause().unwrap_or_default().as_str(); "a session could not be ended");
            }
        }
        Ok(())
    }
}
