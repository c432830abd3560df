//! Sending what is in the outbox. Rows are taken before they are sent, so that no two nodes send one; a row whose
//! sender died is taken again later, with the same Message-ID or `webhook-id`, by which its receiver can drop it.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;

use super::queue::{CREATED, ENDING, TEST};
use super::rules::{HELD_BACK, KeyNews, Notice};
use super::store;
use super::texts::{Topic, text};
use crate::app::App;
use crate::audit::{Actor, Event, EventKind, Target};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::outgoing::{Failure, HookUrl, Letter};
use crate::webhooks::{self, Receiver};

/// Turns of one call, at most: each takes a few rows of each destination.
const TURNS: usize = 1_000;

/// Notices under way at a time.
const TOGETHER: usize = 16;

/// Sends what is due; answers how many arrived. Where nobody can be reached it is put off, and tried again for days.
pub async fn deliver(app: &App) -> Result<usize> {
    let (mut arrived, mut fault) = (0, None);
    for _ in 0..TURNS {
        if app.is_draining() || fault.is_some() {
            break;
        }
        let (now, with_mail) = (app.now(), app.mailer.is_some());
        let notices = app.database.write(move |db| store::claim(db, now, with_mail)).await?;
        if notices.is_empty() {
            break;
        }
        let sending = notices.into_iter().map(|notice| async move {
            let outcome = send(app, &notice).await;
            (notice, outcome)
        });
        let mut outcomes = stream::iter(sending).buffer_unordered(TOGETHER);
        // to the end, whatever happens: what is under way must be noted
        while let Some((notice, outcome)) = outcomes.next().await {
            let noted = match outcome {
                Ok(outcome) => note(app, notice, outcome).await,
                Err(error) => Err(error),
            };
            match noted {
                Ok(here) => arrived += usize::from(here),
                Err(error) => fault = Some(error),
            }
        }
    }
    fault.map_or(Ok(arrived), Err)
}

/// How an attempt went.
enum Outcome {
    Arrived,
    Failed(Failure),
    /// It makes no sense to try again.
    Hopeless(&'static str),
}

async fn send(app: &App, notice: &Notice) -> Result<Outcome> {
    match notice.webhook {
        None => Ok(mail(app, notice).await),
        Some(id) => match app.database.read(move |db| webhooks::receiver(db, id)).await? {
            Some(receiver) => call(app, notice, receiver).await,
            None => Ok(Outcome::Hopeless("the webhook is gone")),
        },
    }
}

/// Writes down what came of an attempt; whether it arrived. What concerns the row stands in a transaction of its own,
/// which waits for nobody: were it lost, the notice would be sent twice.
async fn note(app: &App, notice: Notice, outcome: Outcome) -> Result<bool> {
    let (now, destination, webhook) = (app.now(), notice.destination.clone(), notice.webhook);
    let failure = match &outcome {
        Outcome::Arrived => None,
        Outcome::Hopeless(why) => Some((*why).to_owned()),
        Outcome::Failed(failure) => Some(failure.why.clone()),
    };
    match outcome {
        Outcome::Arrived => {
            let had_failed = notice.attempts > 1;
            note_arrival(app, notice).await?;
            if let Some(id) = webhook {
                beside(app, move |db| webhooks::note_delivery(db, id, now)).await;
            }
            if had_failed {
                // whoever did not answer does again: what was put off until later need not wait any longer
                beside(app, move |db| store::bring_forward(db, &destination, now)).await;
            }
            return Ok(true);
        }
        Outcome::Hopeless(why) => {
            warn(&notice, why, "a notice was given up");
            app.database.write(move |db| store::failed(db, &notice, why, now)).await?;
        }
        Outcome::Failed(failure) => match notice.next_attempt(now) {
            Some(next) => {
                warn(&notice, &failure.why, "a notice could not be sent, and will be tried again");
                let why = failure.why;
                app.database.write(move |db| store::put_off(db, &notice, &why, next)).await?;
                if failure.unreachable {
                    // the others would find the same: nobody waits for each of them
                    let until = next.min(now.plus(HELD_BACK));
                    beside(app, move |db| store::hold_back(db, &destination, until)).await;
                }
            }
            None => {
                warn(&notice, &failure.why, "a notice was given up");
                app.database.write(move |db| store::failed(db, &notice, &failure.why, now)).await?;
            }
        },
    }
    if let Some((id, why)) = webhook.zip(failure) {
        beside(app, move |db| webhooks::note_failure(db, id, &why, now)).await;
    }
    Ok(false)
}

/// It is out: a database that is away for a moment is asked again, because otherwise it would go out a second time.
async fn note_arrival(app: &App, notice: Notice) -> Result<()> {
    const TRIES: usize = 20;
    for _ in 1..TRIES {
        let (notice, now) = (notice.clone(), app.now());
        if app.database.write(move |db| store::delivered(db, &notice, now)).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let now = app.now();
    app.database.write(move |db| store::delivered(db, &notice, now)).await
}

/// Moves the other rows of a destination, or notes of a webhook how it fares. Two nodes that do so at once may be in
/// each other's way: then one of them does not, and the rows are tried as they stand.
async fn beside(app: &App, change: impl FnOnce(&mut Db) -> Result<()> + Send + 'static) {
    if let Err(error) = app.database.write(change).await {
        log::warn!(cause = error.cause().unwrap_or_default().as_str(); "what lies beside a notice could not be noted");
    }
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
    let (subject, body) = text(topic, &news, app.urls.general(), app.now());
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
