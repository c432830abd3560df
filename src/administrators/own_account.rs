//! What a person does about their own password and second factor. Each asks for the password again.

use actix_web::HttpResponse;
use actix_web::web::Json;
use serde_json::json;

use super::rules::{Account, PasswordRules};
use super::{second_factor, store};
use crate::api_keys;
use crate::app::{self, App};
use crate::audit::{Event, EventKind, Target};
use crate::auth::{Caller, ViaSession, throttle};
use crate::body::{Body, InPath};
use crate::error::{Error, Reason, Result};
use crate::id::{AdministratorID, TenantID};
use crate::name::fold;
use crate::rights::OwnAccount;
use crate::secret::{MfaCode, Password, TotpSeed, password_member};
use crate::sessions::end_others;
use crate::sessions::handlers::mfa_code;
use crate::wire;

type Me = Caller<OwnAccount, ViaSession>;

/// A new seed, which waits for its first code.
pub async fn enrol_totp(
    me: Me,
    id: InPath<AdministratorID>,
    body: Body<wire::PasswordAgain>,
    app: App,
) -> Result<Json<wire::MfaEnrolment>> {
    let account = own_account(&me, id.0, &app).await?;
    if account.totp_seed.is_some() {
        return Err(Error::new(
            Reason::Conflict,
            "MFA is on already. Turn it off first, with the password and a code.",
        ));
    }
    ask_again(&me, &app, &account, password_member("password", body.0.password)?).await?;
    let seed = TotpSeed::generate()?;
    let sealed = app.keyring.seal(account.tenant, account.id, &seed)?;
    let enrolment = second_factor::enrolment(&seed, &account.username)?;
    app.change(&me, move |db, _| {
        store::set_pending_totp(db, &account, sealed)?;
        Ok(((), updated(&account, "MFA enrolment begun")))
    })
    .await?;
    Ok(Json(wire::MfaEnrolment {
        otpauth_url: wire::SecretOnce::new(&enrolment.url),
        seed: wire::SecretOnce::new(&seed.expose_base32()),
        qr_code: wire::SecretOnce::new(&enrolment.qr_code),
    }))
}

/// The first code turns the second factor on, and ends the other sessions.
pub async fn confirm_totp(
    me: Me,
    id: InPath<AdministratorID>,
    body: Body<wire::MfaConfirmation>,
    app: App,
) -> Result<HttpResponse> {
    let account = own_account(&me, id.0, &app).await?;
    let code = body.0.mfa_code.ok_or_else(|| Error::member("mfaCode", "six digits are needed"))?;
    let Some(pending) = account.totp_seed_pending.clone() else {
        return Err(Error::new(Reason::Conflict, "There is no enrolment to confirm. Begin one with POST …/totp."));
    };
    guess(&app, &account).await?;
    let seed = app.keyring.open(account.tenant, account.id, &pending)?;
    let step = step_of_code(&app, &seed, mfa_code(code).as_ref())?;
    app.change(&me, move |db, me| {
        store::confirm_totp(db, &account, pending, step)?;
        end_others(db, me, account.credential_version + 1)?;
        Ok(((), updated(&account, "mfaType: none → local-totp")))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Password and code turn it off again.
pub async fn remove_totp(
    me: Me,
    id: InPath<AdministratorID>,
    body: Body<wire::MfaRemoval>,
    app: App,
) -> Result<HttpResponse> {
    let account = own_account(&me, id.0, &app).await?;
    let Some(sealed) = account.totp_seed.clone() else {
        return Err(Error::new(Reason::Conflict, "MFA is off already."));
    };
    let code = body.0.mfa_code.ok_or_else(|| Error::member("mfaCode", "six digits are needed"))?;
    ask_again(&me, &app, &account, password_member("password", body.0.password)?).await?;
    guess(&app, &account).await?;
    let seed = app.keyring.open(account.tenant, account.id, &sealed)?;
    let step = step_of_code(&app, &seed, mfa_code(code).as_ref())?;
    app.change(&me, move |db, me| {
        // a code is used once, whatever for
        if !store::use_step(db, &account, step)? {
            return Err(wrong_code());
        }
        store::remove_totp(db, &account)?;
        end_others(db, me, account.credential_version + 1)?;
        Ok(((), updated(&account, "mfaType: local-totp → none")))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A new password, against the old one; the other sessions end.
pub async fn change_password(
    me: Me,
    id: InPath<AdministratorID>,
    body: Body<wire::NewPassword>,
    app: App,
) -> Result<HttpResponse> {
    let current = password_member("currentPassword", body.0.current_password)?;
    let new = password_member("newPassword", body.0.new_password)?;
    let account = own_account(&me, id.0, &app).await?;
    ask_again(&me, &app, &account, current.clone()).await?;
    password_rules(&app, account.tenant).await?.check(&account.username, &new)?;
    if new.expose() == current.expose() {
        return Err(Error::new(Reason::WeakPassword, "The new password must differ from the old one."));
    }
    let hash = app.lane.hash(app.keyring.peppered(&new)).await?;
    let (now, was_initial) = (app.now(), account.initial_password_until.is_some());
    app.change(&me, move |db, me| {
        store::set_password(db, &account, &hash, now)?;
        api_keys::initial_password_changed(db, account.id)?;
        end_others(db, me, account.credential_version + 1)?;
        Ok(((), Event::new(EventKind::PasswordSet, target(&account))))
    })
    .await?;
    if was_initial {
        app::remove_initial_password(&app.initial_password_file);
    }
    Ok(HttpResponse::NoContent().finish())
}

/// What new passwords of a tenant must be: the one place where the rules are put together.
pub async fn password_rules(app: &App, tenant: TenantID) -> Result<PasswordRules> {
    Ok(PasswordRules::of(&app.rules_of(tenant).await?))
}

async fn own_account(me: &Me, id: AdministratorID, app: &App) -> Result<Account> {
    if id != me.session().administrator {
        let message = "This call is for one's own account only.";
        return Err(Error::new(Reason::NotAuthorized, message));
    }
    let me = me.clone();
    app.database.read(move |db| store::find_self(db, &me)).await
}

/// Asks for the caller's password again, for a call that needs more than a session.
pub async fn prove_again<R: 'static>(caller: &Caller<R, ViaSession>, app: &App, password: Password) -> Result<()> {
    let me = caller.clone();
    let account = app.database.read(move |db| store::find_self(db, &me)).await?;
    ask_again(caller, app, &account, password).await
}

/// The password once more, under the same throttle as signing in: a stolen session is no place to guess.
async fn ask_again<R>(me: &Caller<R, ViaSession>, app: &App, account: &Account, password: Password) -> Result<()> {
    // the primary tenant's bucket is the one that its sign-ins use
    let tenant = me.tenant().key_prefix().map(|guid| guid.to_string()).unwrap_or_default();
    let bucket = app.reserve_attempt(&tenant, &fold(&account.username), me.origin().address).await?;
    let right = app.try_password(bucket, &password, Some(&account.password_hash)).await?;
    if !right {
        return Err(Error::new(Reason::SignInFailed, "The password is wrong."));
    }
    app.database.write(move |db| throttle::give_back(db, bucket)).await
}

async fn guess(app: &App, account: &Account) -> Result<()> {
    let (id, most, now) = (account.id, app.rules.mfa_guesses, app.now());
    match app.database.write(move |db| store::reserve_guess(db, id, most, now)).await? {
        true => Ok(()),
        false => Err(too_many_guesses()),
    }
}

/// The answer to the eleventh guess within a quarter of an hour.
pub fn too_many_guesses() -> Error {
    Error::new(Reason::SignInThrottled, "Too many MFA codes were tried. Try again in 15 minutes.").retry_after(900)
}

fn step_of_code(app: &App, seed: &TotpSeed, code: Option<&MfaCode>) -> Result<i64> {
    let code = code.ok_or_else(wrong_code)?;
    second_factor::matching_step(seed, code, app.now())?.ok_or_else(wrong_code)
}

fn wrong_code() -> Error {
    Error::new(Reason::SignInFailed, "The MFA code is wrong, or was used before.")
}

fn target(account: &Account) -> Target {
    Target::new("administrator", account.id.get(), account.username.clone())
}

fn updated(account: &Account, what: &str) -> Event {
    Event::new(EventKind::AdministratorUpdated, target(account)).with(json!({ "changed": what }))
}
