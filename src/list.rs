//! Whole lists, never cut and never held in memory: read piece by piece behind the last ID seen, and
//! written out as they come.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, Responder};
use futures_util::stream;
use serde::Serialize;

use crate::error::{Error, Result};

/// Rows read at once.
pub const PIECE: i64 = 500;

/// Some rows of a list.
pub struct Piece<T> {
    /// The rows, as they will be written.
    pub items: Vec<T>,
    /// The ID of the last one; none when there were no rows.
    pub last: Option<i64>,
}

impl<T> Piece<T> {
    /// Whether there may be more: a short piece is the last.
    fn is_full(&self) -> bool {
        self.items.len() as i64 >= PIECE
    }
}

/// Left in an answer with a list: how many objects have been written, which goes on growing while it is streamed.
#[derive(Clone, Debug, Default)]
pub struct Items(Rc<Cell<i64>>);

impl Items {
    /// How many, so far.
    pub fn count(&self) -> i64 {
        self.0.get()
    }

    fn add(&self, more: usize) {
        self.0.set(self.0.get().saturating_add(i64::try_from(more).unwrap_or(i64::MAX)));
    }
}

/// What a search has found: how many objects, and the answer with them in it.
pub struct Found<T>(pub usize, pub T);

impl<T: Serialize> Responder for Found<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut answer = HttpResponse::Ok().json(&self.1);
        let items = Items::default();
        items.add(self.0);
        answer.extensions_mut().insert(items);
        answer
    }
}

/// Answers `{"<member>":[…]}` with every row that `read` finds, from the smallest ID on. What fits into one
/// piece is answered with its length; longer lists are streamed, and broken off if the database fails meanwhile.
pub async fn answer<T, F, Fut>(member: &'static str, read: F) -> Result<HttpResponse>
where
    T: Serialize + 'static,
    F: Fn(i64) -> Fut + 'static,
    Fut: Future<Output = Result<Piece<T>>>,
{
    let first = read(i64::MIN).await?;
    let items = Items::default();
    items.add(first.items.len());
    let mut answer = HttpResponse::Ok();
    answer.content_type("application/json");
    answer.extensions_mut().insert(items.clone());
    let head = format!("{{\"{member}\":[");
    if !first.is_full() {
        return Ok(answer.body([head.as_bytes(), &written(&first.items)?, b"]}"].concat()));
    }
    let start = Step::Rows { bytes: [head.as_bytes(), &written(&first.items)?].concat(), next: first.last };
    let steps = stream::try_unfold((start, read, items), |(step, read, items)| async move {
        Ok::<_, Error>(match step {
            Step::Rows { bytes, next: Some(after) } => {
                let piece = read(after).await?;
                items.add(piece.items.len());
                let mut rows = written(&piece.items)?;
                if !rows.is_empty() {
                    rows.insert(0, b',');
                }
                let next = if piece.is_full() { piece.last } else { None };
                Some((Bytes::from(bytes), (Step::Rows { bytes: rows, next }, read, items)))
            }
            Step::Rows { mut bytes, next: None } => {
                bytes.extend_from_slice(b"]}");
                Some((Bytes::from(bytes), (Step::End, read, items)))
            }
            Step::End => None,
        })
    });
    Ok(answer.streaming(steps))
}

/// Where a streamed list stands: bytes to write, and the ID behind which to read on.
enum Step {
    Rows { bytes: Vec<u8>, next: Option<i64> },
    End,
}

fn written<T: Serialize>(items: &[T]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for item in items {
        if !bytes.is_empty() {
            bytes.push(b',');
        }
        serde_json::to_writer(&mut bytes, item).map_err(Error::internal)?;
    }
    Ok(bytes)
}
