//! `/api/sessions`.
//!
//! A sign-in goes like this:
//! 1. the body is read, the names are folded; nothing is looked up yet;
//! 2. the account is looked up, an attempt is reserved in its bucket (`auth/throttle.rs`);
//! 3. the password is compared on its own lane, with a dummy where there is no account;
//! 4. with MFA on, a guess is reserved and the code's step computed;
//! 5. in one transaction: the account is still as it was judged and the step was never used, the bucket
//!    is emptied, the oldest session makes room, the session and its event are written;
//! 6. actix-session is told the session ID, and sends the cookie.
//!
//! Every refusal before that is the same answer at the same cost. The one exception: right password, MFA
//! on, no code sent.

use actix_session::Session;
use actix_web::HttpResponse;
use actix_web::web::Json;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::store;
use crate::administrators::{self, Account, Verdict};
use crate::app::{App, Rules};
use crate::audit::{Actor, Event, EventKind, Target};
use crate::auth::session_store::NEW_SESSION_ID;
use crate::auth::{Caller, Door, SessionCaller, ViaSession, Visitor, throttle};
use crate::body::Body;
use crate::clock::{DAY, Timestamp};
use crate::error::{Error, Reason, Result};
use crate::id::{AdministratorID, TenantID};
use crate::name::{TenantName, Username, fold};
use crate::rights::{OwnAccount, SignOut};
use crate::secret::{MfaCode, Password, RequestID, SessionID, password_member, random_bytes};
use crate::settings;
use crate::tenants::{self, PRIMARY_NAME};
use crate::wire::{self, AccessType, Flag, MfaCodeInput};

/// The form in which the state is kept, should it ever change.
const STATE_VERSION: i64 = 1;
/// So many wrong passwords without a good one in between raise an alarm; they never lock anybody out.
const ALARM_AT: i64 = 100;
/// When a session is said to expire that has no longest life, in milliseconds.
const CENTURY: i64 = 36_525 * DAY;

/// Which of the sign-ins a session comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Standard,
    /// That of the older API: no place for a code, no request ID.
    Legacy,
    /// For making one key, and nothing else.
    OneShot,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Legacy => "legacy",
            Self::OneShot => store::ONE_SHOT,
        }
    }
}

/// What somebody signs in with, understood.
pub(super) struct Credentials {
    kind: Kind,
    username: Username,
    /// Folded; none for the primary tenant, however it was named.
    tenant: Option<String>,
    /// Whether a tenant was named at all.
    names_tenant: bool,
    /// Whether the tenant that was named is not the one whose URL was used: then it leads to nobody.
    elsewhere: bool,
    password: Password,
    /// Absent, or there; what is there may still be no code at all.
    code: Option<Option<MfaCode>>,
    terms_accepted: bool,
    access: AccessType,
}

impl Credentials {
    fn read(body: wire::SignIn) -> Result<Self> {
        let username = body.user_name.ok_or_else(|| Error::member("userName", "a string is needed"))?;
        let tenant = body.tenant_name.filter(|name| !name.is_empty());
        let tenant = tenant.map(|name| TenantName::parse("tenantName", &name)).transpose()?;
        let is_one_shot = body.one_shot.is_some_and(|Flag(is)| is);
        Ok(Self {
            kind: if is_one_shot { Kind::OneShot } else { Kind::Standard },
            username: Username::parse("userName", &username)?,
            names_tenant: tenant.is_some(),
            elsewhere: false,
            tenant: tenant.map(|name| name.folded()).filter(|name| *name != fold(PRIMARY_NAME)),
            password: password_member("password", body.password)?,
            code: body.mfa_code.map(mfa_code),
            terms_accepted: body.terms_accepted.is_some_and(|Flag(accepted)| accepted),
            access: body.access_type.unwrap_or(AccessType::WebService),
        })
    }

    /// On a tenant's own URL that tenant need not be named; another one is not to be had there.
    fn at(mut self, door: &Door) -> Self {
        if let Door::Of { folded_name, .. } = door {
            let here = Some(folded_name.clone()).filter(|name| *name != fold(PRIMARY_NAME));
            self.elsewhere = self.names_tenant && self.tenant != here;
            self.tenant = self.tenant.or(here);
        }
        self
    }

    pub(super) fn read_legacy(sent: wire::LegacyCredentials) -> Result<Self> {
        let (user_name, password, tenant_name) = (sent.user_name, sent.password, sent.tenant_name);
        let body = wire::SignIn {
            user_name,
            password,
            tenant_name,
            mfa_code: None,
            access_type: None,
            terms_accepted: None,
            one_shot: None,
        };
        Ok(Self { kind: Kind::Legacy, ..Self::read(body)? })
    }
}

/// A code as it came: nothing but six digits is one, and what is none is simply wrong.
pub fn mfa_code(input: MfaCodeInput) -> Option<MfaCode> {
    match input {
        MfaCodeInput::Text(text) => MfaCode::parse(&text),
        MfaCodeInput::Number(number) => MfaCode::from_number(number),
    }
}

/// Signs in.
pub async fn create(visitor: Visitor, cookie: Session, body: Body<wire::SignIn>, app: App) -> Result<HttpResponse> {
    app.must_have_room(visitor.origin.address).await?;
    let credentials = Credentials::read(body.0)?;
    let access_type = credentials.access;
    let opened = sign_in(&app, &visitor, credentials).await?;
    hand_over(&cookie, &opened.sid)?;
    Ok(HttpResponse::Ok()
        .insert_header(("x-frame-options", "SAMEORIGIN"))
        .insert_header(("x-xss-protection", "1;mode=block"))
        .json(wire::SessionOpened {
            administrator_id: opened.administrator,
            created: opened.at,
            last_activity: opened.at,
            access_type,
            rid: wire::SecretOnce::new(&opened.rid.expose()),
        }))
}

/// A session that was just opened.
pub(super) struct Opened {
    pub(super) sid: SessionID,
    rid: RequestID,
    administrator: AdministratorID,
    at: Timestamp,
}

/// Steps 2 to 5, for both ways to sign in.
pub(super) async fn sign_in(app: &App, visitor: &Visitor, credentials: Credentials) -> Result<Opened> {
    let credentials = credentials.at(&visitor.door);
    let (tenant, elsewhere) = (credentials.tenant.clone(), credentials.elsewhere);
    let name = credentials.username.folded();
    let bucket = app.reserve_attempt(tenant.as_deref().unwrap_or_default(), &name, visitor.origin.address).await?;
    let account =
        app.database.look_up(move |db| administrators::find_for_sign_in(db, tenant.as_deref(), &name)).await?;
    // looked up all the same: who is elsewhere costs what nobody costs
    let account = account.filter(|_| !elsewhere);

    let hash = account.as_ref().map(|account| account.password_hash.as_str()).filter(|hash| !hash.is_empty());
    let right = app.try_password(bucket, &credentials.password, hash).await?;
    // of the primary tenant where there is no account: then as much is read
    let rules = app.rules_of(account.as_ref().map_or(TenantID::PRIMARY, |account| account.tenant)).await?;
    let (account, step) = match (administrators::judge(account.as_ref(), right, app.now()), account) {
        (Verdict::Passed, Some(account)) => (account, None),
        (Verdict::NeedsCode(seed), Some(account)) => match &credentials.code {
            None if credentials.kind != Kind::Legacy => return Err(mfa_code_needed()),
            None => return Err(refuse(app, visitor, &rules, bucket, Some(&account)).await?),
            Some(code) => match code_step(app, &account, &seed, code.as_ref()).await? {
                Some(step) => (account, Some(step)),
                None => return Err(refuse(app, visitor, &rules, bucket, Some(&account)).await?),
            },
        },
        (_, account) => return Err(refuse(app, visitor, &rules, bucket, account.as_ref()).await?),
    };
    if rules.terms_enforced && !credentials.terms_accepted {
        record_refusal(app, visitor, &account, Reason::TermsNotAccepted).await?;
        return Err(terms_not_accepted(app, account.tenant).await?);
    }

    rehash_if_outdated(app, &account, &credentials.password).await;
    let (sid, rid) = (SessionID::generate()?, RequestID::generate()?);
    let now = app.now();
    let opening =
        Opening { account: account.clone(), step, bucket, kind: credentials.kind, access: credentials.access, now };
    match open(app, visitor, &rules, &sid, &rid, opening).await {
        // somebody else was faster with the same code, or changed the account meanwhile
        Err(error) if error.reason() == Reason::SignInFailed => {
            return Err(refuse(app, visitor, &rules, bucket, Some(&account)).await?);
        }
        // what the transaction of the opening would have written went with it
        Err(error) if error.reason() == Reason::TooManySessions => {
            record_refusal(app, visitor, &account, Reason::TooManySessions).await?;
            return Err(error);
        }
        opened => opened?,
    }
    Ok(Opened { sid, rid, administrator: account.id, at: now })
}

/// Clearing and renewing make a new cookie whatever came with the request (T-14). Nobody else may renew:
/// a request in flight would revive a session that was signed out.
#[allow(clippy::disallowed_methods, reason = "the one place where a session may begin")]
fn hand_over(cookie: &Session, sid: &SessionID) -> Result<()> {
    cookie.clear();
    cookie.renew();
    cookie.insert(NEW_SESSION_ID, sid.expose().as_str()).map_err(Error::internal)
}

fn sign_in_failed() -> Error {
    Error::new(Reason::SignInFailed, "The user name, the password, the tenant or the MFA code is wrong.")
}

fn mfa_code_needed() -> Error {
    Error::new(Reason::MfaCodeNeeded, "MFA is on for this user: send the six digits of the app as mfaCode too.")
}

/// Password and code are right: only now is anything said of the tenant.
async fn terms_not_accepted(app: &App, tenant: TenantID) -> Result<Error> {
    let notices = app.database.look_up(move |db| settings::notices_in(db, tenant)).await?;
    let asked = "Accept the terms and conditions: sign in with termsAccepted true.";
    let texts = [asked, &notices.terms_title, &notices.terms];
    let message: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    Ok(Error::new(Reason::TermsNotAccepted, message.join("\n\n")))
}

/// Records that somebody proved who they are and was not let in all the same; that is no failure to be counted.
async fn record_refusal(app: &App, visitor: &Visitor, account: &Account, why: Reason) -> Result<()> {
    let (id, name) = (account.id.get(), account.username.as_str());
    let actor = Actor::signing_in(account.tenant, Some((id, name)), &visitor.origin);
    let event = Event::new(EventKind::SignInFailed, Target::new("administrator", id, name));
    let event = event.with(json!({ "reason": why.code() }));
    app.change_as(actor, move |_| Ok(((), vec![event]))).await
}

/// Counts and records a refused attempt, locks the account where a setting says so, and answers the refusal.
async fn refuse(
    app: &App,
    visitor: &Visitor,
    rules: &Rules,
    bucket: throttle::Bucket,
    account: Option<&Account>,
) -> Result<Error> {
    let lock_at = rules.lock_accounts.then_some(rules.attempts);
    let known = account.map(|account| (account.id, account.username.clone()));
    let tenant = account.map_or(TenantID::PRIMARY, |account| account.tenant);
    let named = known.as_ref().map(|(id, name)| (id.get(), name.as_str()));
    let actor = Actor::signing_in(tenant, named, &visitor.origin);
    app.change_as(actor, move |db| {
        let attempts = administrators::sign_in_failed(db, known.as_ref().map(|(id, _)| *id))?;
        let target = || {
            known.as_ref().map(|(id, name)| Target::new("administrator", id.get(), name.clone())).unwrap_or_default()
        };
        let mut events = vec![Event::new(EventKind::SignInFailed, target())];
        // for made-up names too: else the work would tell which exist
        if bucket.is_last_free {
            events.push(Event::new(EventKind::SignInThrottled, target()).with(json!({ "attempts": attempts })));
        }
        if attempts == ALARM_AT {
            events.push(Event::new(EventKind::UnderAttack, target()).with(json!({ "attempts": attempts })));
        }
        if let (Some(most), Some((id, _))) = (lock_at, &known)
            && attempts >= most
            && administrators::lock(db, *id)?
        {
            events.push(Event::new(EventKind::AdministratorLocked, target()).with(json!({ "attempts": attempts })));
        }
        Ok(((), events))
    })
    .await?;
    Ok(sign_in_failed())
}

/// The step of a right code; none for a wrong one, or for what is no code.
async fn code_step(app: &App, account: &Account, sealed: &[u8], code: Option<&MfaCode>) -> Result<Option<i64>> {
    let (id, most, now) = (account.id, app.rules.mfa_guesses, app.now());
    if !app.database.write(move |db| administrators::reserve_guess(db, id, most, now)).await? {
        return Err(administrators::handlers::too_many_guesses());
    }
    let seed = app.keyring.open(account.tenant, account.id, sealed)?;
    match code {
        Some(code) => administrators::matching_step(&seed, code, now),
        None => Ok(None),
    }
}

/// A hash of another cost is replaced while the password is at hand. When that fails, the sign-in goes on.
async fn rehash_if_outdated(app: &App, account: &Account, password: &Password) {
    if !app.lane.is_outdated(&account.password_hash) {
        return;
    }
    if let Ok(hash) = app.lane.hash(app.keyring.peppered(password)).await {
        let account = account.clone();
        let stored = app.database.write(move |db| administrators::rehash(db, &account, &hash)).await;
        if let Err(error) = stored {
            log::warn!(cause = error.cause().unwrap_or_default().as_str(); "a password could not be hashed anew");
        }
    }
}

/// What the transaction of a sign-in needs.
struct Opening {
    account: Account,
    step: Option<i64>,
    bucket: throttle::Bucket,
    kind: Kind,
    access: AccessType,
    now: Timestamp,
}

async fn open(
    app: &App,
    visitor: &Visitor,
    rules: &Rules,
    sid: &SessionID,
    rid: &RequestID,
    opening: Opening,
) -> Result<()> {
    let Opening { account, step, bucket, kind, access, now } = opening;
    let (life, most, block) = (life_by(rules), rules.sessions, rules.block_sessions);
    let session = store::NewSession {
        tenant_id: account.tenant,
        administrator_id: account.id,
        sid_digest: sid.digest(),
        rid_digest: rid.digest(),
        session_ref: data_encoding::HEXLOWER.encode(random_bytes::<8>()?.as_ref()),
        kind: kind.name(),
        access_type: name_of(access),
        credential_version: account.credential_version,
        initial_password: account.initial_password_until.is_some(),
        created: now,
        last_activity: now,
        absolute_end: now.plus(rules.longest.min(CENTURY)),
        address: visitor.origin.address.to_string(),
        user_agent_digest: Sha256::digest(&visitor.user_agent).to_vec(),
        state_version: STATE_VERSION,
    };
    let actor = Actor::signing_in(account.tenant, Some((account.id.get(), &account.username)), &visitor.origin);
    app.change_as(actor, move |db| {
        // the tenant's row before the account's, as whoever removes a tenant takes them
        if !tenants::signed_in(db, account.tenant, now)? || !administrators::complete_sign_in(db, &account, step, now)?
        {
            return Err(sign_in_failed());
        }
        throttle::give_back(db, bucket)?;
        // the row of the account is locked by now, so that two at once cannot both count
        if block && store::count_live(db, kind.name(), account.id, now, life)? >= most {
            return Err(too_many_sessions(most));
        }
        let displaced = store::make_room(db, kind.name(), account.id, most, now, life)?;
        store::insert(db, &session)?;
        let target = || Target::new("administrator", account.id.get(), account.username.clone());
        let mut events: Vec<Event> = displaced
            .into_iter()
            .map(|reference| Event::new(EventKind::SessionDisplaced, target()).with(json!({ "session": reference })))
            .collect();
        let mut details =
            json!({ "session": session.session_ref, "accessType": session.access_type, "mfa": step.is_some() });
        if kind != Kind::Standard {
            details["kind"] = json!(kind.name());
        }
        events.push(Event::new(EventKind::SignedIn, target()).with(details));
        Ok(((), events))
    })
    .await
}

fn life_by(rules: &Rules) -> store::Life {
    store::Life { idle: rules.idle, longest: rules.longest }
}

/// 409, not 403: it is no matter of rights, and passes when a session ends; not 401 or 429, at which clients try again.
fn too_many_sessions(most: i64) -> Error {
    let message = format!("You have {most} sessions already, as many as are allowed. Sign out of one first.");
    Error::new(Reason::TooManySessions, message)
}

fn name_of(access: AccessType) -> &'static str {
    match access {
        AccessType::WebService => "webService",
        AccessType::UserInterface => "userInterface",
    }
}

/// The session that the call was made with.
pub async fn describe_current(caller: Caller<OwnAccount, ViaSession>) -> Result<Json<wire::CurrentSession>> {
    Ok(Json(shown(caller.session())))
}

/// Signs out.
#[allow(clippy::disallowed_methods, reason = "the one place where a person ends a session")]
pub async fn delete_current(caller: Caller<SignOut, ViaSession>, cookie: Session, app: App) -> Result<HttpResponse> {
    sign_out(&caller, &app).await?;
    cookie.purge();
    Ok(HttpResponse::NoContent().finish())
}

/// Ends the session that the call was made with.
pub(super) async fn sign_out<R: 'static>(caller: &Caller<R, ViaSession>, app: &App) -> Result<()> {
    let now = app.now();
    app.change(caller, move |db, caller| {
        let session = caller.session();
        store::end(db, session.session, now, "signed out")?;
        let target = Target::new("administrator", session.administrator.get(), session.username.clone());
        Ok(((), Event::new(EventKind::SignedOut, target).with(json!({ "session": session.reference }))))
    })
    .await
}

/// The caller's own sessions.
pub async fn list(caller: Caller<OwnAccount, ViaSession>, app: App) -> Result<Json<wire::Sessions>> {
    let rules = app.rules_of(caller.tenant().id).await?;
    let (now, life, current) = (app.now(), life_by(&rules), caller.session().session);
    let entries = app.database.read(move |db| store::list_own(db, &caller, now, life)).await?;
    Ok(Json(wire::Sessions { sessions: entries.into_iter().map(|entry| listed(entry, life, current)).collect() }))
}

fn shown(session: &SessionCaller) -> wire::CurrentSession {
    wire::CurrentSession {
        administrator_id: session.administrator,
        created: session.created,
        last_activity: session.last_activity,
        access_type: if session.user_interface { AccessType::UserInterface } else { AccessType::WebService },
        expires: session.absolute_end,
        reference: session.reference.clone(),
    }
}

fn listed(entry: store::Entry, life: store::Life, current: i64) -> wire::SessionEntry {
    wire::SessionEntry {
        address: entry.address,
        current: entry.id == current,
        session: wire::CurrentSession {
            administrator_id: entry.administrator_id,
            created: entry.created,
            last_activity: entry.last_activity,
            access_type: match entry.access_type.as_str() {
                "userInterface" => AccessType::UserInterface,
                _ => AccessType::WebService,
            },
            expires: entry.absolute_end.min(entry.created.plus(life.longest)),
            reference: entry.session_ref,
        },
    }
}
