//! Sending what is in the outbox. Rows are taken before they are sent, so that no two nodes send one; a row whose
//! sender died is taken again later, with the same Message-ID or `webhook-id`, by which its receiver can drop it.

use futures_util::future::join_all;
use serde_json::json;

use super::queue::{CREATED, ENDING, TEST};
use super::rules::{KeyNews, Notice};
use super::store;
use super::texts::{Topic, text};
use crate::app::App;
use crate::audit::{Actor, Event, EventKind, Target};
use crate::error::{Error, Result};
use crate::outgoing::{Failure, HookUrl, Letter};
use crate::webhooks::{self, Receiver};

/// Turns of one call, at most: each takes a few rows of each destination.
const TURNS: usize = 1_000;

/// Sends what is due; answers how many arrived. Where nobody can be reached it is put off, and tried again for days.
pub async fn deliver(app: &App) -> Result<usize> {
    let mut arrived = 0;
    for _ in 0..TURNS {
        if app.is_draining() {
            break;
        }
        let (now, with_mail) = (app.now(), app.mailer.is_some());
        let notices = app.database.write(move |db| store::claim(db, now, with_mail)).await?;
        if notices.is_empty() {
            break;
        }
        let outcomes = join_all(notices.into_iter().map(|notice| send(app, notice))).await;
        for outcome in outcomes {
            arrived += usize::from(outcome?);
        }
    }
    Ok(arrived)
}

/// How an attempt went.
enum Outcome {
    Arrived,
    Failed(Failure),
    /// It makes no sense to try again.
    Hopeless(&'static str),
}

/// Whether it arrived; what came of it is written down.
async fn send(app: &App, notice: Notice) -> Result<bool> {
    let outcome = match notice.webhook {
        None => mail(app, &notice).await,
        Some(id) => match app.database.read(move |db| webhooks::receiver(db, id)).await? {
            Some(receiver) => call(app, &notice, receiver).await?,
            None => Outcome::Hopeless("the webhook is gone"),
        },
    };
    let now = app.now();
    match outcome {
        Outcome::Arrived => {
            app.database.write(move |db| store::delivered(db, &notice, now)).await?;
            return Ok(true);
        }
        Outcome::Hopeless(why) => {
            warn(&notice, why, "a notice was given up");
            app.database.write(move |db| store::failed(db, &notice, why, now)).await?;
        }
        Outcome::Failed(failure) => match notice.next_attempt(now) {
            Some(next) => {
                warn(&notice, &failure.why, "a notice could not be sent, and will be tried again");
                app.database
                    .write(move |db| {
                        store::put_off(db, &notice, &failure.why, next)?;
                        // the others would find the same: nobody waits for each of them
                        if failure.unreachable { store::hold_back(db, &notice.destination, next) } else { Ok(()) }
                    })
                    .await?;
            }
            None => {
                warn(&notice, &failure.why, "a notice was given up");
                app.database.write(move |db| store::failed(db, &notice, &failure.why, now)).await?;
            }
        },
    }
    Ok(false)
}

fn warn(notice: &Notice, why: &str, what: &str) {
    let (id, attempts) = (notice.id, notice.attempts);
    log::warn!("notice.id" = id, kind = notice.kind.as_str(), destination = notice.destination.as_str(), attempts, why; "{what}");
}

async fn mail(app: &App, notice: &Notice) -> Outcome {
    let topic = match notice.kind.as_str() {
        CREATED => Topic::Created,
        ENDING => Topic::Ending,
        _ => return Outcome::Hopeless("this program knows no such mail"),
    };
    let Ok(news) = serde_json::from_str::<KeyNews>(&notice.payload) else {
        return Outcome::Hopeless("this program cannot read what it is about");
    };
    let Some(mailer) = &app.mailer else { return Outcome::Hopeless("no mail server is configured") };
    let (subject, body) = text(topic, &news, app.public_url.as_deref(), app.now());
    let letter =
        Letter { to: notice.recipient.clone(), subject, body, reference: notice.reference(), date: notice.created };
    match mailer.send(&letter).await {
        Ok(()) => Outcome::Arrived,
        Err(failure) => Outcome::Failed(failure),
    }
}

async fn call(app: &App, notice: &Notice, receiver: Receiver) -> Result<Outcome> {
    if !receiver.active && notice.kind != TEST {
        return Ok(Outcome::Hopeless("the webhook is switched off"));
    }
    let Ok(url) = HookUrl::parse(&receiver.url) else { return Ok(Outcome::Hopeless("the URL cannot be called")) };
    // sealed under a master key that was lost: a new secret mends it, and then it is sent
    let Some(secret) = app.keyring.open_webhook(receiver.tenant, receiver.id, &receiver.secret) else {
        let why = "what it is signed with cannot be opened: give the webhook a new secret".to_owned();
        return Ok(Outcome::Failed(Failure { why, unreachable: true, gone: false }));
    };
    let (id, seconds) = (format!("msg_{}", notice.reference()), app.now().unix_seconds());
    let headers = [
        ("webhook-signature", secret.signature(&id, seconds, &notice.payload)),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-id", id),
    ];
    let (client, body) = (app.webhooks.clone(), notice.payload.clone());
    let called = tokio::task::spawn_blocking(move || client.post(&url, &headers, body.as_bytes())).await;
    match called.map_err(Error::internal)? {
        Ok(()) => Ok(Outcome::Arrived),
        Err(failure) if failure.gone => {
            switch_off(app, receiver).await?;
            Ok(Outcome::Hopeless("the receiver answered 410: gone"))
        }
        Err(failure) => Ok(Outcome::Failed(failure)),
    }
}

/// A receiver that is gone is not called again until somebody switches the webhook on.
async fn switch_off(app: &App, receiver: Receiver) -> Result<()> {
    let (actor, now) = (Actor::system_in(receiver.tenant, "webhooks"), app.now());
    app.change_as(actor, move |db| {
        if !webhooks::switch_off(db, &receiver)? {
            return Ok(((), Vec::new()));
        }
        store::fail_all(db, &format!("webhook/{}", receiver.id), "the receiver answered 410: gone", now)?;
        let target = Target::new("webhook", receiver.id.get(), receiver.name);
        let event = Event::new(EventKind::WebhookGone, target).with(json!({ "status": 410 }));
        Ok(((), vec![event]))
    })
    .await
}
