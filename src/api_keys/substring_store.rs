//! The index of what stands in the middle of keys' texts: SQLite's own table, and PostgreSQL's extension.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use crate::db::Db;
use crate::db::schema::api_keys;
use crate::error::Result;
use crate::id::{ApiKeyID, TenantID};
use crate::search::{Condition, Inside};

/// The fields that are indexed, as they are named in searches, and their columns.
const INDEXED: [(&str, &str); 2] = [("keyName", "name_fold"), ("description", "description_fold")];
/// Their names alone.
pub const FIELDS: [&str; 2] = [INDEXED[0].0, INDEXED[1].0];

fn column_of(field: &str) -> &'static str {
    let known = INDEXED.iter().find(|(name, _)| *name == field);
    known.map_or(INDEXED[0].1, |(_, column)| column)
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

// ---- PostgreSQL: pg_trgm ----

/// Whether PostgreSQL's indices are there and whole.
pub fn has_indices(db: &mut Db) -> Result<bool> {
    let Db::Postgres(inner) = db else { return Ok(false) };
    let query = "SELECT count(*) AS id FROM pg_index WHERE indisvalid AND indexrelid IN \
                 (to_regclass('api_keys_name_substrings'), to_regclass('api_keys_description_substrings'))";
    Ok(diesel::sql_query(query).get_result::<Found>(inner)?.id == INDEXED.len() as i64)
}

/// What is asked of the expression that is indexed; the pattern itself is still to be asked of what is found.
pub fn indexed_pattern(inside: &Inside) -> Condition<api_keys::table> {
    let head = format!("(api_keys.{} || '') LIKE ", column_of(&inside.field));
    Box::new(diesel::dsl::sql::<Bool>(&head).bind::<Text, _>(inside.for_index()))
}

// ---- SQLite: a table of trigrams, written to a moment after the keys ----

/// Keys of a tenant behind `after` that may hold some trigrams, by ID: those that the index names, and those that it
/// does not know yet as they are now. Answers them, and up to which ID there are no others; none when there are no more.
pub fn candidates(
    db: &mut Db,
    tenant: TenantID,
    inside: &Inside,
    after: ApiKeyID,
    most: i64,
) -> Result<(Vec<ApiKeyID>, Option<ApiKeyID>)> {
    let Db::Sqlite(inner) = db else { return Ok((Vec::new(), None)) };
    let indexed: Vec<Found> = diesel::sql_query(
        "SELECT rowid AS id FROM api_keys_substrings WHERE api_keys_substrings MATCH ? AND rowid > ? ORDER BY rowid LIMIT ?",
    )
    .bind::<Text, _>(question(tenant, inside))
    .bind::<BigInt, _>(after.get())
    .bind::<BigInt, _>(most)
    .load(inner)?;
    let pending: Vec<Found> =
        diesel::sql_query("SELECT id FROM api_keys_substrings_pending WHERE id > ? ORDER BY id LIMIT ?")
            .bind::<BigInt, _>(after.get())
            .bind::<BigInt, _>(most)
            .load(inner)?;
    // of two lists of which each may go on, nothing is known behind the end of the shorter
    let end_of = |list: &[Found]| list.last().filter(|_| list.len() as i64 >= most).map(|last| last.id);
    let end = [end_of(&indexed), end_of(&pending)].into_iter().flatten().min();
    let mut ids: Vec<i64> =
        indexed.iter().chain(&pending).map(|found| found.id).filter(|id| end.is_none_or(|end| *id <= end)).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok((ids.into_iter().map(ApiKeyID::new).collect(), end.map(ApiKeyID::new)))
}

/// What FTS5 is asked: keys of the tenant that hold all of some trigrams in a column.
fn question(tenant: TenantID, inside: &Inside) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let trigrams: Vec<String> = inside.trigrams.iter().map(|trigram| quoted(trigram)).collect();
    format!(
        "tenant : {} AND {} : ({})",
        quoted(&tenant_as_text(tenant)),
        column_of(&inside.field),
        trigrams.join(" AND ")
    )
}

/// A tenant as three characters of a private area, as the view `api_keys_texts` has it.
fn tenant_as_text(tenant: TenantID) -> String {
    let digit = |shift: u32| u32::try_from((tenant.get() >> shift) & 2_047).ok();
    [22, 11, 0].into_iter().filter_map(|shift| char::from_u32(0xF_0000 + digit(shift)?)).collect()
}

/// Whether there is something to index.
pub fn is_behind(db: &mut Db) -> Result<bool> {
    let Db::Sqlite(inner) = db else { return Ok(false) };
    let query = diesel::sql_query("SELECT id FROM api_keys_substrings_pending LIMIT 1");
    Ok(query.get_result::<Found>(inner).optional()?.is_some())
}

/// Indexes at most `most` keys; answers how many.
pub fn catch_up(db: &mut Db, most: i64) -> Result<usize> {
    let Db::Sqlite(inner) = db else { return Ok(0) };
    let query = diesel::sql_query("SELECT id FROM api_keys_substrings_pending ORDER BY id LIMIT ?");
    let pending: Vec<Found> = query.bind::<BigInt, _>(most).load(inner)?;
    let Some(last) = pending.last() else { return Ok(0) };
    for sql in [
        "DELETE FROM api_keys_substrings WHERE rowid IN (SELECT id FROM api_keys_substrings_pending WHERE id <= ?)",
        "INSERT INTO api_keys_substrings (rowid, tenant, name_fold, description_fold) \
         SELECT id, tenant, name_fold, description_fold FROM api_keys_texts \
         WHERE id IN (SELECT id FROM api_keys_substrings_pending WHERE id <= ?) ORDER BY id",
        "DELETE FROM api_keys_substrings_pending WHERE id <= ?",
    ] {
        diesel::sql_query(sql).bind::<BigInt, _>(last.id).execute(inner)?;
    }
    Ok(pending.len())
}

/// Merges some of the index's pieces, so that there are never many: at most so many pages of it.
pub fn merge(db: &mut Db, pages: i64) -> Result<()> {
    let Db::Sqlite(inner) = db else { return Ok(()) };
    diesel::sql_query("INSERT INTO api_keys_substrings (api_keys_substrings, rank) VALUES ('merge', ?)")
        .bind::<BigInt, _>(pages)
        .execute(inner)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use proptest::prelude::*;

    use super::*;
    use crate::search::Filter;

    /// The index as the migration makes it.
    fn index() -> Db {
        let up = include_str!("../../migrations/sqlite/2026-11-22-000001_substring_search/up.sql");
        let (table, _) = up.split_once("CREATE VIEW").expect("the table comes first");
        let mut db = SqliteConnection::establish(":memory:").expect("memory");
        db.batch_execute(table).expect("FTS5 is there");
        db.batch_execute("CREATE TABLE api_keys_substrings_pending (id INTEGER PRIMARY KEY NOT NULL)")
            .expect("a table");
        Db::Sqlite(db)
    }

    fn put(db: &mut Db, id: i64, tenant: TenantID, name: &str) {
        let Db::Sqlite(inner) = db else { return };
        diesel::sql_query(
            "INSERT INTO api_keys_substrings (rowid, tenant, name_fold, description_fold) VALUES (?, ?, ?, '')",
        )
        .bind::<BigInt, _>(id)
        .bind::<Text, _>(tenant_as_text(tenant))
        .bind::<Text, _>(name)
        .execute(inner)
        .expect("it is indexed");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever is looked for, FTS5 understands the question, and finds the text that holds it, of its tenant only.
        #[test]
        fn every_question_is_understood(before in "[^\\x00%_]{0,4}", held in "[^\\x00%_\\\\\\u{FF3C}\\u{FE68}]{3,20}", after in "\\PC{0,4}") {
            let value = json_escaped(&format!("%{held}%"));
            let body = format!(r#"{{"searchCriteria":{{"fieldName":"keyName","stringValue":"{value}"}}}}"#);
            let filter = Filter::read(crate::body::parse(body.as_bytes()).expect("a body")).expect("a search");
            let Some(inside) = filter.inside(&FIELDS) else { return Ok(()) };
            let mut db = index();
            let folded = crate::name::fold(&held);
            let text = format!("{before}{folded}{after}");
            put(&mut db, 7, TenantID::new(3), &text);
            put(&mut db, 8, TenantID::new(4), &text);
            let (ids, end) = candidates(&mut db, TenantID::new(3), &inside, ApiKeyID::new(0), 64).expect("it is understood");
            prop_assert_eq!((ids, end), (vec![ApiKeyID::new(7)], None), "{:?}", inside);
        }
    }

    fn json_escaped(text: &str) -> String {
        let quoted = serde_json::to_string(text).expect("a text");
        quoted[1..quoted.len() - 1].to_owned()
    }

    #[test]
    fn tenants_are_three_characters_each_and_no_two_the_same() {
        let mut seen = std::collections::BTreeSet::new();
        for id in [0, 1, 2_047, 2_048, 4_194_303, 4_194_304, 2_147_483_647] {
            let text = tenant_as_text(TenantID::new(id));
            assert_eq!(text.chars().count(), 3, "{id}");
            assert!(seen.insert(text), "{id}");
        }
    }
}
