//! `GET /api/snapshot`.

use std::time::Duration;

use actix_web::http::header::{ETAG, EntityTag, Header as _, IfNoneMatch};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::seal::SigningKey;
use super::state::{Frame, Plan};
use super::write::write;
use crate::app::App;
use crate::audit::{Event, EventKind, Target};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::rights::{ViewApiKeys, ViewSystemInformation};

/// Pieces that may wait for the reader.
const WAITING: usize = 2;
/// How long the reader may take for one; no longer than a transaction may do nothing.
const READER: Duration = Duration::from_secs(10);

/// What is on its way to the reader: first what the keys are in, then bytes.
enum Piece {
    State(String),
    Bytes(Vec<u8>),
}

/// Everything that verification needs of the caller's tenant, signed; nothing where the caller has it already.
pub async fn read(caller: Caller<ViewApiKeys>, app: App, request: HttpRequest) -> Result<HttpResponse> {
    caller.must::<ViewSystemInformation>()?;
    let key = SigningKey::from_seed(&app.keyring.snapshot_seed(caller.tenant().guid))?;
    let valid_for = app.rules.snapshot_valid_for;
    let plan = Plan { caller: caller.clone(), public: key.public(), made: app.now(), valid_for };
    if let Ok(known) = IfNoneMatch::parse(&request) {
        let plan = plan.clone();
        let state = app.database.read_at_once(move |db| Ok(Frame::look_up(db, &plan)?.state)).await?;
        if is_among(&known, &state) {
            return Ok(HttpResponse::NotModified().insert_header((ETAG, tag(&state).to_string())).finish());
        }
    }
    let turn = super::Turns::take(&app.snapshots).await?;
    app.change(&caller, move |_, caller| {
        let tenant = caller.tenant();
        let target = Target::new("tenant", tenant.id.get(), tenant.guid.hyphenated().to_string());
        Ok(((), Event::new(EventKind::SnapshotRead, target)))
    })
    .await?;
    // as it is now: whoever it waited for may have changed something
    let plan = Plan { made: app.now(), ..plan };
    let (send, mut pieces) = mpsc::channel::<Result<Piece>>(WAITING);
    let work = {
        let (send, app, usage) = (send.clone(), app.clone(), app.key_usage.clone());
        async move {
            let turn = turn;
            app.database
                .read_at_once(move |db| {
                    let _until_written = turn;
                    let frame = Frame::look_up(db, &plan)?;
                    hand_over(&send, Piece::State(frame.state.clone()))?;
                    write(db, &plan, &frame, &key, &usage, &mut |bytes| hand_over(&send, Piece::Bytes(bytes)))
                })
                .await
        }
    };
    actix_web::rt::spawn(async move {
        if let Err(error) = work.await {
            // the reader finds the text cut short, or is told if nothing was sent yet
            log::warn!(cause = error.cause().unwrap_or_default().as_str(); "a snapshot broke off");
            let _ = send.send(Err(error)).await;
        }
    });
    let state = match pieces.recv().await {
        Some(Ok(Piece::State(state))) => state,
        Some(Err(error)) => return Err(error),
        Some(Ok(Piece::Bytes(_))) | None => return Err(Error::internal("a snapshot without a beginning")),
    };
    let bytes = stream::unfold(pieces, |mut pieces| async move {
        let piece = match pieces.recv().await? {
            Ok(Piece::Bytes(bytes)) => Ok(Bytes::from(bytes)),
            Ok(Piece::State(_)) => Ok(Bytes::new()),
            Err(error) => Err(error),
        };
        Some((piece, pieces))
    });
    let mut answer = HttpResponse::Ok();
    answer.content_type("application/x-ndjson").insert_header((ETAG, tag(&state).to_string()));
    Ok(answer.streaming(bytes))
}

/// On the thread that reads the database: waits until the reader has taken enough of what came before.
fn hand_over(send: &mpsc::Sender<Result<Piece>>, piece: Piece) -> Result<()> {
    let sent = Handle::current().block_on(tokio::time::timeout(READER, send.send(Ok(piece))));
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Error::unavailable(1, "the reader of a snapshot has gone")),
        Err(_) => Err(Error::unavailable(1, "the reader of a snapshot is too slow")),
    }
}

/// A weak one: the same state is written anew with another moment in it.
fn tag(state: &str) -> EntityTag {
    EntityTag::new_weak(state.to_owned())
}

fn is_among(known: &IfNoneMatch, state: &str) -> bool {
    match known {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|known| known.weak_eq(&tag(state))),
    }
}
