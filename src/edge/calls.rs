//! What programs ask an edge: the server's calls in JSON and by introspection. Whoever asks shows a key that the snapshot
//! knows, with the right that the server demands; there are no sessions here.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::Json;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse};

use super::Edge;
use crate::audit::Origin;
use crate::auth::presented::only_key;
use crate::auth::{Pending, check_api_version, invalid_key, must_have_right, web_service_not_allowed};
use crate::body::{Body, Form};
use crate::error::{Error, Reason, Result};
use crate::id::TenantID;
use crate::reach::TenantLabel;
use crate::rights::ViewApiKeys;
use crate::verify::rules::{Demands, Failure};
use crate::verify::{Asked, By, Keys as _, Verdict, Whose, calls, introspection, verify};
use crate::wire;

/// The holder of a key that the edge knows, who may see keys.
pub struct EdgeCaller {
    tenant: TenantID,
    origin: Origin,
}

impl EdgeCaller {
    fn by(&self) -> By<'_> {
        By { tenant: self.tenant, origin: &self.origin }
    }
}

impl FromRequest for EdgeCaller {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { caller_of(&request).await })
    }
}

/// In the server's order of refusals.
async fn caller_of(request: &HttpRequest) -> Result<EdgeCaller> {
    let edge = request.app_data::<Edge>().ok_or_else(|| Error::internal("a route stands outside the edge"))?;
    let (origin, label) = {
        let extensions = request.extensions();
        (extensions.get::<Origin>().cloned(), extensions.get::<TenantLabel>().cloned())
    };
    let origin = origin.ok_or_else(|| Error::internal("a route stands outside the observing middleware"))?;
    if let Some(label) = label {
        edge.tenant_of(&label).await?.ok_or_else(Error::no_such_route)?;
    }
    check_api_version(request.headers())?;
    let presented = only_key(request.headers())?;
    let (demands, client) = (Demands::default(), Some(origin.address));
    let asked = Asked { demands: &demands, client, within: None, origin: &origin, at: edge.now() };
    match verify(edge, presented, &asked).await? {
        Verdict::Refused(failure, whose) => Err(refusal(&failure, whose)),
        Verdict::Valid(proven) => {
            let (none, tenant) = (Pending::default(), proven.key.standing.tenant.id);
            let pending = proven.key.special().map_or(&none, |special| &special.facts.pending);
            must_have_right::<ViewApiKeys>(tenant, proven.key.rights(), pending)?;
            Ok(EdgeCaller { tenant, origin })
        }
    }
}

/// What a verification comes to for a call that is made with the key.
fn refusal(failure: &Failure, whose: Option<Whose>) -> Error {
    match (failure, whose) {
        (Failure::Rule(rule), _) => rule.into_error(),
        (Failure::CountedElsewhere, _) => Error::new(Reason::UsageExceeded, failure.message()),
        (Failure::InsufficientRights, Some(Whose::Key(key))) => web_service_not_allowed(&key.standing.role_name),
        _ => invalid_key(),
    }
}

/// One key.
pub async fn one(
    caller: EdgeCaller,
    body: Body<wire::VerificationWish>,
    edge: Edge,
) -> Result<Json<wire::Verification>> {
    Ok(Json(calls::answer(&edge, caller.by(), body.0).await?))
}

/// Many keys.
pub async fn many(
    caller: EdgeCaller,
    body: Body<wire::VerificationWishes>,
    edge: Edge,
) -> Result<Json<wire::Verifications>> {
    Ok(Json(calls::answers(&edge, caller.by(), body.0).await?))
}

/// RFC 7662.
pub async fn introspect(caller: EdgeCaller, form: Form, edge: Edge) -> Result<HttpResponse> {
    introspection::answer(&edge, caller.by(), &form).await
}
