//! Whole lists, never cut and never held in memory: read piece by piece behind the last ID seen, and
//! written out as they come.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_DISPOSITION, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, Responder};
use futures_util::stream;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::wire::CsvRow;

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

/// How rows are written, and what stands before, between and behind them.
struct Form<T> {
    content_type: &'static str,
    head: Vec<u8>,
    write: fn(&[T]) -> Result<Vec<u8>>,
    between: &'static [u8],
    tail: &'static [u8],
}

/// Answers `{"<member>":[…]}` with every row that `read` finds, from the smallest ID on. What fits into one
/// piece is answered with its length; longer lists are streamed, and broken off if the database fails meanwhile.
pub async fn answer<T, F, Fut>(member: &'static str, read: F) -> Result<HttpResponse>
where
    T: Serialize + 'static,
    F: Fn(i64) -> Fut + 'static,
    Fut: Future<Output = Result<Piece<T>>>,
{
    let head = format!("{{\"{member}\":[").into_bytes();
    let form = Form { content_type: "application/json", head, write: written, between: b",", tail: b"]}" };
    answer_as(form, read).await
}

/// [`answer`] as CSV (RFC 4180), to be saved under a name: a line with the columns, and one for each row.
pub async fn answer_csv<T, F, Fut>(file: &str, read: F) -> Result<HttpResponse>
where
    T: CsvRow + 'static,
    F: Fn(i64) -> Fut + 'static,
    Fut: Future<Output = Result<Piece<T>>>,
{
    let form = Form {
        content_type: "text/csv; charset=utf-8; header=present",
        head: lines([T::COLUMNS.iter().map(|column| (*column).to_owned()).collect()])?,
        write: |rows: &[T]| lines(rows.iter().map(CsvRow::cells)),
        between: b"",
        tail: b"",
    };
    let mut answer = answer_as(form, read).await?;
    let disposition = format!("attachment; filename=\"{file}\"");
    let disposition = HeaderValue::from_str(&disposition).map_err(Error::internal)?;
    answer.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    Ok(answer)
}

async fn answer_as<T, F, Fut>(form: Form<T>, read: F) -> Result<HttpResponse>
where
    T: 'static,
    F: Fn(i64) -> Fut + 'static,
    Fut: Future<Output = Result<Piece<T>>>,
{
    let first = read(i64::MIN).await?;
    let items = Items::default();
    items.add(first.items.len());
    let mut answer = HttpResponse::Ok();
    answer.content_type(form.content_type);
    answer.extensions_mut().insert(items.clone());
    let rows = (form.write)(&first.items)?;
    if !first.is_full() {
        return Ok(answer.body([&form.head, &rows, form.tail].concat()));
    }
    let start = Step::Rows { bytes: [form.head.as_slice(), &rows].concat(), next: first.last };
    let steps = stream::try_unfold((start, read, items), move |(step, read, items)| async move {
        Ok::<_, Error>(match step {
            Step::Rows { bytes, next: Some(after) } => {
                let piece = read(after).await?;
                items.add(piece.items.len());
                let mut rows = (form.write)(&piece.items)?;
                if !rows.is_empty() {
                    rows.splice(..0, form.between.iter().copied());
                }
                let next = if piece.is_full() { piece.last } else { None };
                Some((Bytes::from(bytes), (Step::Rows { bytes: rows, next }, read, items)))
            }
            Step::Rows { mut bytes, next: None } => {
                bytes.extend_from_slice(form.tail);
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

/// Rows of cells as lines. Texts are quoted, the first column's name too: a file that begins with a bare `ID` is
/// taken for another format by Excel.
fn lines(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .quote_style(csv::QuoteStyle::NonNumeric)
        .from_writer(Vec::new());
    for cells in rows {
        writer.write_record(cells.into_iter().map(harmless)).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(|error| Error::internal(error.to_string()))
}

/// A spreadsheet takes what begins like this for a formula, and would run what somebody typed as a name. An
/// apostrophe in front makes it text again.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formula_is_among_them() {
        let row = ["7", "plain", "a,\"b\"\nc", "", "=1+1", "+1", "-1", "@x", "\tx", "\rx", "1=1", "'=x"];
        let written = lines([row.map(String::from).to_vec()]).expect("it is written");
        let expected = "7,\"plain\",\"a,\"\"b\"\"\nc\",\"\",\"'=1+1\",\"'+1\",\"'-1\",\"'@x\",\"'\tx\",\"'\rx\",\"1=1\",\"'=x\"\r\n";
        assert_eq!(String::from_utf8_lossy(&written), expected);
    }
}
