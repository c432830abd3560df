//! The one way to change something: a transaction that will not commit without its events.

use super::{Actor, Event, store};
use crate::app::App;
use crate::auth::Caller;
use crate::clock::Timestamp;
use crate::db::Db;
use crate::error::Result;
use crate::notices;

impl App {
    /// Runs `f` in a transaction for `caller`, who must still be who they were when the call began, and records the
    /// event it answers with; or nothing happened.
    /// The caller is lent back, because the closure outlives this call's borrow.
    pub async fn change<T, R, V, F>(&self, caller: &Caller<R, V>, f: F) -> Result<T>
    where
        F: FnOnce(&mut Db, &Caller<R, V>) -> Result<(T, Event)> + Send + 'static,
        T: Send + 'static,
        R: 'static,
        V: 'static,
    {
        self.change_across(caller, move |db, caller| f(db, caller).map(|(outcome, event)| (outcome, vec![event]))).await
    }

    /// [`App::change`] for what is several events, of one tenant or of several.
    pub async fn change_across<T, R, V, F>(&self, caller: &Caller<R, V>, f: F) -> Result<T>
    where
        F: FnOnce(&mut Db, &Caller<R, V>) -> Result<(T, Vec<Event>)> + Send + 'static,
        T: Send + 'static,
        R: 'static,
        V: 'static,
    {
        let (actor, caller, now) = (Actor::caller(caller), caller.clone(), self.now());
        let change = move |db: &mut Db| {
            caller.must_stand(db, now)?;
            f(db, &caller)
        };
        self.change_as(actor, change).await
    }

    /// [`App::change`] for somebody who is not a caller yet, such as one who signs in.
    pub async fn change_as<T, F>(&self, actor: Actor, f: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<(T, Vec<Event>)> + Send + 'static,
        T: Send + 'static,
    {
        let (now, with_mail) = (self.now(), self.mailer.is_some());
        self.database
            .write(move |db| {
                let (outcome, events) = f(db)?;
                record_and_tell(db, &actor, now, &events, with_mail)?;
                Ok(outcome)
            })
            .await
    }
}

/// Writes events within a transaction that is open already, and tells webhooks of them: the first start's, or a
/// command's, which write no mail.
pub fn record(db: &mut Db, actor: &Actor, now: Timestamp, events: &[Event]) -> Result<()> {
    record_and_tell(db, actor, now, events, false)
}

fn record_and_tell(db: &mut Db, actor: &Actor, now: Timestamp, events: &[Event], with_mail: bool) -> Result<()> {
    events.iter().try_for_each(|event| {
        let other = event.tenant.filter(|tenant| *tenant != actor.tenant).map(|tenant| actor.primary_tenant(tenant));
        let actor = other.as_ref().unwrap_or(actor);
        store::insert(db, actor, now, event)?;
        notices::tell(db, actor, now, event, with_mail)
    })
}
