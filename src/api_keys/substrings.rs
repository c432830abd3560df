//! Keeping the index of what stands in the middle of keys' texts up with the keys.

use super::substring_store as store;
use crate::app::App;
use crate::error::Result;

/// Keys that are indexed with one change, and pages of the index that are merged with one: a few milliseconds each,
/// for which other changes wait.
const KEYS: i64 = 500;
const PAGES: i64 = 150;

/// Indexes the keys that were made, changed or removed since; answers how many. PostgreSQL does it by itself.
pub async fn index(app: &App) -> Result<usize> {
    let mut indexed = 0;
    while app.database.read(store::is_behind).await? {
        indexed += app.database.write(|db| store::catch_up(db, KEYS)).await?;
        for _ in 0..2 {
            app.database.write(|db| store::merge(db, PAGES)).await?;
        }
    }
    Ok(indexed)
}
