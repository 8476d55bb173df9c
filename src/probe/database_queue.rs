//! A queue of Laravel in a table of a SQLite file: how much waits, what is at work, whether the first job stays.
//!
//! Owns the columns of that table. Nothing is taken or locked, and no job is shown.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::laravel_queue::{QueueLook, QueueState, WATCH};
use super::sqlite_file::{SqliteError, SqliteFile, SqliteValue};

/// Where the jobs of a queue are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueTable {
    /// The file.
    pub file: PathBuf,
    /// The table, usually `jobs`.
    pub table: String,
    /// The queue, which is a column: many have one table.
    pub queue: String,
    /// A worker that took a job this many seconds ago counts as dead, and another one takes it.
    pub retry_after_seconds: u64,
}

/// Looks at the queue, and again after [`WATCH`] if jobs wait. The error is a text.
pub async fn watch_table(table: QueueTable) -> Result<QueueState, String> {
    let before = look(table.clone()).await?;
    if let Some(state) = before.at_once() {
        return Ok(state);
    }
    tokio::time::sleep(WATCH).await;
    Ok(before.and_then(&look(table).await?))
}

/// Off the thread of the other probes: a file system may be slow.
async fn look(table: QueueTable) -> Result<QueueLook, String> {
    let file = table.file.display().to_string();
    let read = tokio::task::spawn_blocking(move || read(&table)).await;
    let read = read.map_err(|error| error.to_string())?;
    read.map_err(|error| format!("{file}: {error}"))
}

fn read(table: &QueueTable) -> Result<QueueLook, SqliteError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let since = now.saturating_sub(table.retry_after_seconds) as i64;
    let mut look = QueueLook::default();
    SqliteFile::open(&table.file)?.rows(&table.table, |row| {
        if !matches!(row.value("queue"), SqliteValue::Text(name) if *name == table.queue) {
            return;
        }
        match (row.value("reserved_at"), row.value("available_at")) {
            (SqliteValue::Integer(reserved), _) if *reserved > since => look.reserved += 1,
            // A job that is delayed waits for its time, not for a worker.
            (_, SqliteValue::Integer(due)) if *due > now as i64 => {}
            _ => {
                look.waiting += 1;
                look.first.get_or_insert_with(|| row.id.to_be_bytes().to_vec());
            }
        }
    })?;
    Ok(look)
}
