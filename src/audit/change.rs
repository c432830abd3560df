//! The one way to change something: a transaction that will not commit without its events.

use super::store::{self, Mark, NewRow};
use super::{Actor, Event, EventKind, Target};
use crate::app::App;
use crate::auth::Caller;
use crate::clock::Timestamp;
use crate::db::{Db, Shared, Touched, tell_nodes};
use crate::error::Result;
use crate::id::{ApiKeyID, TenantID};
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
        self.change_as(actor, move |db| {
            caller.must_stand(db, &mut Shared::default(), now)?;
            f(db, &caller)
        })
        .await
    }

    /// [`App::change_across`] for what adds rows and changes none that others change, such as a new key: many of them
    /// share a commit, on PostgreSQL too, what they read, and the writing of what they leave to its end: what `f` makes, its
    /// secrets and events `f` must not look for before [`Shared::write_waiting`]. Where another one fails, `f` may be undone
    /// and run again.
    pub async fn add<T, R, V, F>(&self, caller: &Caller<R, V>, mut f: F) -> Result<T>
    where
        F: FnMut(&mut Db, &mut Shared, &Caller<R, V>) -> Result<(T, Vec<Event>)> + Send + 'static,
        T: Send + 'static,
        R: 'static,
        V: 'static,
    {
        let (actor, caller, recorder) = (Actor::caller(caller), caller.clone(), Recorder::of(self));
        self.database
            .add(move |db, shared| {
                caller.must_stand(db, shared, recorder.now)?;
                let (outcome, events) = f(db, shared, &caller)?;
                Ok((outcome, recorder.record(db, shared, &actor, &events)?))
            })
            .await
    }

    /// [`App::change`] for somebody who is not a caller yet, such as one who signs in.
    pub async fn change_as<T, F>(&self, actor: Actor, f: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<(T, Vec<Event>)> + Send + 'static,
        T: Send + 'static,
    {
        let recorder = Recorder::of(self);
        self.database
            .change(move |db| {
                let (outcome, events) = f(db)?;
                Ok((outcome, recorder.record(db, &mut Shared::default(), &actor, &events)?))
            })
            .await
    }
}

/// Writes events, and tells whoever is to be told of them.
struct Recorder {
    now: Timestamp,
    with_mail: bool,
}

impl Recorder {
    fn of(app: &App) -> Self {
        Self { now: app.now(), with_mail: app.mailer.is_some() }
    }

    /// Answers with what the events say was touched, and tells the other nodes of it.
    fn record(&self, db: &mut Db, shared: &mut Shared, actor: &Actor, events: &[Event]) -> Result<Vec<Touched>> {
        let mut touched = Vec::new();
        for event in events {
            let other =
                event.tenant.filter(|tenant| *tenant != actor.tenant).map(|tenant| actor.primary_tenant(tenant));
            let actor = other.as_ref().unwrap_or(actor);
            shared.write_later(db, NewRow::of(actor, self.now, event))?;
            notices::tell(db, shared, actor, self.now, event, self.with_mail)?;
            touched.extend(touched_by(event, actor.tenant).filter(|new| !touched.contains(new)));
        }
        if touched.len() > MOST_TOUCHED {
            touched = vec![Touched::Everything];
        }
        tell_nodes(db, &touched)?;
        Ok(touched)
    }
}

/// Writes events within a transaction that is open already, and tells webhooks of them: the first start's, or a
/// command's, which write no mail.
pub fn record(db: &mut Db, actor: &Actor, now: Timestamp, events: &[Event]) -> Result<()> {
    Recorder { now, with_mail: false }.record(db, &mut Shared::default(), actor, events).map(drop)
}

/// The same numbers as long as nothing has changed in a tenant on which verification depends: its events of those kinds
/// of which something is touched. Uses of keys are no events.
pub fn mark(db: &mut Db, tenant: TenantID, now: Timestamp) -> Result<Mark> {
    let touches = |kind: &EventKind| touched_by(&Event::new(*kind, Target::default()), tenant).is_some();
    let kinds: Vec<i64> = EventKind::ALL.iter().filter(|kind| touches(kind)).map(|kind| kind.number()).collect();
    store::mark(db, tenant, &kinds, now)
}

/// So many things at once are told one by one.
const MOST_TOUCHED: usize = 64;

/// What an event of a tenant says about that on which verification depends. Every kind is looked at here, so that a new
/// one cannot be forgotten.
fn touched_by(event: &Event, tenant: TenantID) -> Option<Touched> {
    use EventKind as Kind;
    let key = || event.target.id.map_or(Touched::Everything, |id| Touched::Key(ApiKeyID::new(id)));
    Some(match event.kind {
        Kind::ApiKeyCreated => match key() {
            Touched::Key(id) => Touched::NewKey(id),
            other => other,
        },
        Kind::ApiKeyUpdated
        | Kind::ApiKeyDeleted
        | Kind::ApiKeySecretReplaced
        | Kind::ApiKeyRotationFinished
        | Kind::ApiKeyRotationUndone
        | Kind::ApiKeyRefreshed
        | Kind::AuthorizationGranted
        | Kind::AuthorizationWithdrawn => key(),
        Kind::AdministratorLocked
        | Kind::AdministratorUnlocked
        | Kind::AdministratorDeleted
        | Kind::AdministratorUpdated
        | Kind::RoleUpdated
        | Kind::RoleDeleted
        | Kind::ProfileUpdated
        | Kind::ProfileDeleted
        | Kind::ApiTypeUpdated
        | Kind::ApiTypeDeleted => Touched::Tenant(tenant),
        Kind::TenantUpdated | Kind::TenantDeleted => {
            event.target.id.map_or(Touched::Everything, |id| Touched::Tenant(TenantID::new(id)))
        }
        Kind::MasterKeyReplaced => Touched::Everything,
        Kind::SignInFailed
        | Kind::SignedIn
        | Kind::SignedOut
        | Kind::SessionTimedOut
        | Kind::RequestIDRefused
        | Kind::AdministratorCreated
        | Kind::PasswordSet
        | Kind::RoleCreated
        | Kind::SessionDisplaced
        | Kind::UnderAttack
        | Kind::ReplacedSecretPresented
        | Kind::ContactCreated
        | Kind::ContactUpdated
        | Kind::ContactDeleted
        | Kind::TenantCreated
        | Kind::SettingsUpdated
        | Kind::WebhookCreated
        | Kind::WebhookUpdated
        | Kind::WebhookDeleted
        | Kind::WebhookSecretReplaced
        | Kind::WebhookTested
        | Kind::WebhookGone
        | Kind::CalendarMade
        | Kind::CalendarRemoved
        | Kind::SignInThrottled
        | Kind::AuditEventsRemoved
        | Kind::RevokedApiKeyPresented
        | Kind::JobBegun
        | Kind::JobDone
        | Kind::JobStopped
        | Kind::ApiKeysImported
        | Kind::OneShotSpent
        | Kind::ClaimCreated
        | Kind::ClaimRedeemed
        | Kind::ClaimReused
        | Kind::ClaimDeleted
        | Kind::ProfileCreated
        | Kind::ApiTypeCreated
        | Kind::SnapshotRead
        | Kind::Initialised => return None,
    })
}
