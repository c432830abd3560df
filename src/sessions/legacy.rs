//! `/rest/authentication`: the sign-in of Deep Security's older API, for scripts that know no other. Off unless the
//! configuration says `compat.legacy_login`.
//!
//! The answer is the bare session ID and no cookie; later calls send it as the cookie `sID`, without a request ID.
//! Nothing then keeps a web page from making calls in its reader's name, so these sessions are fenced
//! (`auth/identify.rs`): what a browser sent is refused, and ten minutes without a call end them. There is no place
//! for a code: people with MFA are refused like anybody with a wrong password.

use actix_web::HttpResponse;

use super::handlers::{Credentials, sign_in, sign_out};
use crate::app::App;
use crate::auth::{Caller, ViaSession, Visitor};
use crate::body::Body;
use crate::error::{Error, Result};
use crate::rights::OwnAccount;
use crate::tenants::PRIMARY_NAME;
use crate::wire;

/// Signs in to the tenant that the body names, or else to the primary one.
pub async fn login(visitor: Visitor, body: Body<wire::LegacySignIn>, app: App) -> Result<HttpResponse> {
    open(visitor, credentials(body)?, app).await
}

/// Signs in to the primary tenant, whatever the body says of tenants.
pub async fn login_primary(visitor: Visitor, body: Body<wire::LegacySignIn>, app: App) -> Result<HttpResponse> {
    let sent = credentials(body)?;
    open(visitor, wire::LegacyCredentials { tenant_name: Some(PRIMARY_NAME.to_owned()), ..sent }, app).await
}

/// Signs out; the session is named by `sID` in the query or by the cookie.
pub async fn logout(caller: Caller<OwnAccount, ViaSession>, app: App) -> Result<HttpResponse> {
    sign_out(&caller, &app).await?;
    Ok(HttpResponse::Ok().finish())
}

fn credentials(body: Body<wire::LegacySignIn>) -> Result<wire::LegacyCredentials> {
    body.0.ds_credentials.ok_or_else(|| Error::member("dsCredentials", "userName and password are needed"))
}

async fn open(visitor: Visitor, sent: wire::LegacyCredentials, app: App) -> Result<HttpResponse> {
    visitor.must_not_be_a_page()?;
    app.must_have_room(visitor.origin.address).await?;
    let opened = sign_in(&app, &visitor, Credentials::read_legacy(sent)?).await?;
    Ok(HttpResponse::Ok().content_type("text/plain").body(opened.sid.expose().to_string()))
}
