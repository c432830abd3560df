//! The proof, in a handler's signature, that somebody may do what the handler does.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, ORIGIN, REFERER};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};

use super::identify::{invalid_key, session_ended};
use super::identity::{
    Absent, Door, Identified, Identity, KeyBounds, KeyCaller, Limited, Pending, SessionCaller, Tenant, Who,
};
use super::lookup::{self, Standing};
use crate::app::App;
use crate::audit::Origin;
use crate::clock::Timestamp;
use crate::constraints::Limit;
use crate::db::{Db, Shared};
use crate::error::{Error, Reason, Result};
use crate::id::{RoleID, TenantID};
use crate::rights::{Demand, Grant, Reach, Right, Rights};

/// Which kind of credential a handler takes.
pub trait CredentialKind: 'static {
    /// Refuses the other kind.
    fn admit(who: &Who) -> Result<()>;
}

/// A session or a key.
#[derive(Debug)]
pub struct AnyCredential;
/// A session only: what a key may never do.
#[derive(Debug)]
pub struct ViaSession;
/// A key only.
#[derive(Debug)]
pub struct ViaKey;

impl CredentialKind for AnyCredential {
    fn admit(_: &Who) -> Result<()> {
        Ok(())
    }
}

impl CredentialKind for ViaSession {
    fn admit(who: &Who) -> Result<()> {
        match who {
            Who::Administrator(_) => Ok(()),
            Who::ApiKey(_) => Err(Error::new(
                Reason::WrongCredentialKind,
                "This call is for a signed-in person: use a session (cookie sID and header rID), not an API key.",
            )),
        }
    }
}

impl CredentialKind for ViaKey {
    fn admit(who: &Who) -> Result<()> {
        match who {
            Who::ApiKey(_) => Ok(()),
            Who::Administrator(_) => Err(Error::new(
                Reason::WrongCredentialKind,
                "This call is about the API key it is made with: send the header api-secret-key, not a session.",
            )),
        }
    }
}

/// Somebody who may do what `R` demands, with a credential of kind `V`. Built here and nowhere else;
/// cheap to clone into a transaction's closure.
pub struct Caller<R, V = AnyCredential> {
    identity: Arc<Identity>,
    proof: PhantomData<fn() -> (R, V)>,
}

impl<R, V> Clone for Caller<R, V> {
    fn clone(&self) -> Self {
        Self { identity: self.identity.clone(), proof: PhantomData }
    }
}

impl<R, V> Caller<R, V> {
    /// Insists, in the transaction of a change, that the caller still is who they were when the call began.
    pub fn must_stand(&self, db: &mut Db, shared: &mut Shared, now: Timestamp) -> Result<()> {
        match (lookup::standing(db, shared, &self.identity, now)?, self.who()) {
            (Standing::AsBefore, _) => Ok(()),
            (Standing::Changed, _) => Err(Error::new(
                Reason::NotAuthorized,
                "What the caller may do was changed while this call was under way. Send it again.",
            )),
            (Standing::Gone, Who::ApiKey(_)) => Err(invalid_key()),
            (Standing::Gone, Who::Administrator(_)) => Err(session_ended()),
        }
    }

    /// Where the caller belongs: what every query is filtered by.
    pub fn tenant(&self) -> Tenant {
        self.identity.tenant
    }

    /// The person or the key.
    pub fn who(&self) -> &Who {
        &self.identity.who
    }

    /// The role, as it is now.
    pub fn role(&self) -> RoleID {
        self.identity.role
    }

    /// The role's name.
    pub fn role_name(&self) -> &str {
        &self.identity.role_name
    }

    /// What the caller may hand out at most.
    pub fn grant(&self) -> &Grant {
        &self.identity.grant
    }

    /// Where the request came from.
    pub fn origin(&self) -> &Origin {
        &self.identity.origin
    }

    /// When the caller itself ends, if it does: nothing it makes may last longer.
    pub fn expires(&self) -> Option<Timestamp> {
        match self.who() {
            Who::ApiKey(key) => key.expires,
            Who::Administrator(_) => None,
        }
    }

    /// What else bounds the caller, if it is a key.
    pub fn bounds(&self) -> Option<&KeyBounds> {
        match self.who() {
            Who::ApiKey(key) => Some(&key.bounds),
            Who::Administrator(_) => None,
        }
    }

    /// Whether nothing of the tenant is kept from the caller, by whichever way they came in: the role Full Access, or
    /// one that is as strong.
    pub fn has_full_access(&self) -> bool {
        let Grant { rights, reach, .. } = self.grant();
        *rights == Rights::all() && Reach::everything().is_within(reach)
    }

    /// Insists on a further demand, where what a call needs turns out only on the way.
    pub fn must<D: Demand>(&self) -> Result<()> {
        if let Who::Administrator(session) = self.who() {
            admit_session::<D>(session)?;
        }
        self.identity.must_have_right::<D>()
    }

    /// What keeps the caller from bringing about what lasts: the one answer to that question, whatever is to be
    /// brought about. A key that is bounded is no better than one that ends, and people are neither.
    pub fn limit(&self) -> Option<Limit> {
        let bounded = self.bounds().filter(|bounds| !bounds.is_open()).map(|_| Limit::Bounded);
        bounded.or_else(|| self.expires().map(Limit::Ends))
    }

    /// A key that ends gives nobody access that stays: people do not end, nor does a tenant that is let in again. One
    /// that is bounded otherwise gives nobody access that is not.
    pub fn must_last(&self) -> Result<()> {
        self.limit().map_or(Ok(()), |limit| Err(limit.refusal("give anybody access")))
    }

    /// The session, where it is there for making one key and no more.
    pub fn one_shot(&self) -> Option<&SessionCaller> {
        match self.who() {
            Who::Administrator(session) if session.one_shot => Some(session),
            _ => None,
        }
    }

    /// Whether the caller signed in with the password that the first start made.
    pub fn has_initial_password(&self) -> bool {
        matches!(self.who(), Who::Administrator(session) if session.initial_password)
    }
}

impl<R: Demand> Caller<R> {
    /// Somebody who left word for a call to be made later, as they are now; none where they could not make it
    /// themselves any more. What they are asked to prove again is who they are, and nothing of it is presented: so this
    /// is no caller to whom an answer may be given, only one in whose name something is made, or is looked up for
    /// whoever they gave a secret URL to.
    pub fn of_absent(db: &mut Db, who: Absent, origin: &Origin, now: Timestamp) -> Result<Option<Self>> {
        Self::absent(db, who, false, origin, now)
    }

    /// The same where whoever has their secret URL makes the call in their place: what bounds a key holds for it.
    pub fn by_secret_url(db: &mut Db, who: Absent, origin: &Origin, now: Timestamp) -> Result<Option<Self>> {
        Self::absent(db, who, true, origin, now)
    }

    fn absent(db: &mut Db, who: Absent, calls: bool, origin: &Origin, now: Timestamp) -> Result<Option<Self>> {
        let known = lookup::absent(db, who, calls, origin.clone(), now)?;
        let able = known.filter(|identity| identity.must_have_right::<R>().is_ok());
        Ok(able.map(|identity| Self { identity: Arc::new(identity), proof: PhantomData }))
    }
}

impl<R> Caller<R, ViaSession> {
    /// The session the call was made with.
    pub fn session(&self) -> &SessionCaller {
        match self.who() {
            Who::Administrator(session) => session,
            Who::ApiKey(_) => unreachable!("ViaSession admits sessions only"),
        }
    }
}

impl<R> Caller<R, ViaKey> {
    /// The key the call was made with.
    pub fn key(&self) -> &KeyCaller {
        match self.who() {
            Who::ApiKey(key) => key,
            Who::Administrator(_) => unreachable!("ViaKey admits keys only"),
        }
    }
}

/// Synchronous on purpose, and the first argument of its handler: extractors run together, and a body
/// that is read alongside would let a malformed body win over the refusal.
impl<R: Demand, V: CredentialKind> FromRequest for Caller<R, V> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(demand::<R, V>(request))
    }
}

/// In the documented order of refusals.
fn demand<R: Demand, V: CredentialKind>(request: &HttpRequest) -> Result<Caller<R, V>> {
    check_api_version(request.headers())?;
    let identified = request.extensions_mut().remove::<Identified>();
    let identity = identified.ok_or_else(|| Error::internal("a route stands outside the identifying middleware"))?.0?;
    let app = request.app_data::<App>().ok_or_else(|| Error::internal("a route stands outside the app"))?;
    app.rate_limits.take(&identity, app.now())?;
    V::admit(&identity.who)?;
    if let Who::Administrator(session) = &identity.who {
        admit_session::<R>(session)?;
    }
    identity.must_have_right::<R>()?;
    Ok(Caller { identity, proof: PhantomData })
}

impl Identity {
    fn must_have_right<R: Demand>(&self) -> Result<()> {
        must_have_right::<R>(self.tenant.id, &self.grant.rights, &self.pending)
    }
}

/// Insists on one of the rights that a call needs.
pub fn must_have_right<R: Demand>(tenant: TenantID, rights: &Rights, pending: &Pending) -> Result<()> {
    let has = |right: &Right| rights.contains(*right);
    let has_one = R::RIGHT.is_none_or(|right| has(&right)) || R::OR.iter().any(has);
    // every tenant has Full Access, and with it the rights over tenants
    let is_elsewhere = R::PRIMARY_ONLY && tenant != TenantID::PRIMARY;
    if has_one && !is_elsewhere {
        return Ok(());
    }
    let waiting = pending.with(R::RIGHT.iter().chain(R::OR).copied());
    if waiting.is_empty() || is_elsewhere {
        return Err(Error::not_authorized(R::DOING));
    }
    let message = format!(
        "Not authorized to {} yet: the API key waits for the authorization of {}.",
        R::DOING,
        waiting.join(", ")
    );
    Err(Error::new(Reason::AuthorizationPending, message))
}

/// What a session may not do until its owner has seen to the password or the second factor.
fn admit_session<R: Demand>(session: &SessionCaller) -> Result<()> {
    let is_own_account = R::RIGHT.is_none() && R::WITH_INITIAL_PASSWORD;
    match session.limited {
        _ if session.one_shot && !R::WITH_ONE_SHOT => Err(Error::new(
            Reason::OneShotSession,
            "This session makes one API key and ends with it: it may look for roles besides, and no more. Sign in \
             without oneShot for anything else.",
        )),
        _ if session.initial_password && !R::WITH_INITIAL_PASSWORD => {
            Err(Error::new(Reason::InitialPassword, "Change the initial password first."))
        }
        Some(Limited::PasswordExpired) if !is_own_account => Err(Error::new(
            Reason::PasswordExpired,
            "The password has expired. Change it first, with POST /api/administrators/{ID}/password.",
        )),
        Some(Limited::MfaRequired) if !is_own_account => Err(Error::new(
            Reason::MfaRequired,
            "MFA is required here. Turn it on first, with POST /api/administrators/{ID}/totp.",
        )),
        _ => Ok(()),
    }
}

/// Missing is taken as `v1`; published clients exist that leave it out.
pub fn check_api_version(headers: &HeaderMap) -> Result<()> {
    let unknown = headers.get_all("api-version").any(|version| version.as_bytes() != b"v1");
    if unknown {
        return Err(Error::new(Reason::UnknownApiVersion, "api-version: only v1 is known."));
    }
    Ok(())
}

/// Somebody who brings no credential yet: one who signs in.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Where the request came from.
    pub origin: Origin,
    /// Whether a browser sent it: only browsers send `Sec-Fetch-Site`.
    pub is_browser: bool,
    /// The `User-Agent`, whatever it says.
    pub user_agent: Vec<u8>,
    /// Whose URL they come by.
    pub door: Door,
    /// Whether a web page may be behind it.
    from_a_page: bool,
}

impl Visitor {
    /// Refuses what a web page may have sent.
    pub fn must_not_be_a_page(&self) -> Result<()> {
        if self.from_a_page { Err(page_refused()) } else { Ok(()) }
    }
}

/// Whether a web page may be behind a request: only browsers send these headers, and some of them always.
pub fn is_from_a_page(headers: &HeaderMap) -> bool {
    let fetch = |name: &HeaderName| name.as_str().starts_with("sec-fetch-");
    headers.contains_key(ORIGIN) || headers.contains_key(REFERER) || headers.keys().any(fetch)
}

/// The refusal of a session without a request ID where a web page may be behind it.
pub fn page_refused() -> Error {
    Error::new(
        Reason::BrowserRefused,
        "The older sign-in is for programs: requests with Origin, Referer or Sec-Fetch headers are refused.",
    )
}

impl FromRequest for Visitor {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let headers = request.headers();
        ready(check_api_version(headers).and_then(|()| {
            let origin = request.extensions().get::<Origin>().cloned();
            Ok(Self {
                origin: origin.ok_or_else(|| Error::internal("a route stands outside the observing middleware"))?,
                is_browser: headers.contains_key("sec-fetch-site"),
                door: request.extensions().get::<Door>().cloned().unwrap_or_default(),
                from_a_page: is_from_a_page(headers),
                user_agent: headers.get("user-agent").map(|value| value.as_bytes().to_vec()).unwrap_or_default(),
            })
        }))
    }
}
