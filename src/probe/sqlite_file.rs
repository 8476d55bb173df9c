//! Reads the rows of a table in a SQLite file, as <https://www.sqlite.org/fileformat.html> has it.
//!
//! Owns pages, their write-ahead log, the tree of a table and the values of a row; writes nothing and takes no lock. What a
//! row means is left to the caller, and what a program writes meanwhile is seen by a second look.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// More rows than that are not read: with jobs of some KB it takes about a second.
const ROWS_MAX: usize = 20_000;
/// Levels of a tree; SQLite itself stops at 20.
const DEPTH_MAX: usize = 20;
/// The most of one row.
const ROW_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most of a log; SQLite moves its pages into the file long before.
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why a table is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SqliteError {
    /// The file, with the words of the system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another format, or bytes that are torn.
    #[error("it is no SQLite file, or it is written at this moment")]
    Malformed,
    /// The schema lacks the table.
    #[error("it has no table {0}")]
    NoTable(String),
    /// A bound of this reader.
    #[error("it has more rows than are looked at ({ROWS_MAX})")]
    TooLarge,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SqliteValue {
    Null,
    Integer(i64),
    Text(String),
    /// A number with a fraction, or bytes.
    Other,
}

/// One row, its values by the names of the columns.
#[derive(Debug)]
pub(super) struct SqliteRow<'a> {
    /// Its number, by which rows are in order.
    pub(super) id: i64,
    columns: &'a [String],
    values: Vec<SqliteValue>,
}

/// An open file.
#[derive(Debug)]
pub(super) struct SqliteFile {
    file: File,
    page_bytes: usize,
    /// Of each page the part that is not reserved for extensions.
    usable_bytes: usize,
    /// The pages of the write-ahead log that are newer than those of the file.
    newer: HashMap<u32, Vec<u8>>,
}

impl SqliteRow<'_> {
    pub(super) fn value(&self, column: &str) -> &SqliteValue {
        let at = self.columns.iter().position(|name| name.eq_ignore_ascii_case(column));
        at.and_then(|at| self.values.get(at)).unwrap_or(&SqliteValue::Null)
    }
}

impl SqliteFile {
    pub(super) fn open(path: &Path) -> Result<Self, SqliteError> {
        let file = File::open(path)?;
        let mut header = [0; 100];
        file.read_exact_at(&mut header, 0).map_err(short)?;
        if !header.starts_with(b"SQLite format 3\0") {
            return Err(SqliteError::Malformed);
        }
        let page_bytes = match number(&header, 16, 2)? {
            1 => 65_536,
            bytes => bytes,
        };
        let usable_bytes = page_bytes.saturating_sub(usize::from(header[20]));
        if !page_bytes.is_power_of_two() || usable_bytes < 480 {
            return Err(SqliteError::Malformed);
        }
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let newer = committed_pages(Path::new(&log), page_bytes)?;
        Ok(Self { file, page_bytes, usable_bytes, newer })
    }

    /// Shows each row of a table.
    pub(super) fn rows(
        &self,
        table: &str,
        mut visit: impl FnMut(&SqliteRow<'_>),
    ) -> Result<(), SqliteError> {
        let schema = ["type", "name", "tbl_name", "rootpage", "sql"].map(str::to_owned);
        let mut found = None;
        self.walk(1, &schema, &mut |row| {
            if let (SqliteValue::Text(name), SqliteValue::Integer(root), SqliteValue::Text(sql)) =
                (row.value("name"), row.value("rootpage"), row.value("sql"))
                && name.eq_ignore_ascii_case(table)
                && *row.value("type") == SqliteValue::Text("table".to_owned())
            {
                found = Some((*root, columns(sql)));
            }
        })?;
        let (root, columns) = found.ok_or_else(|| SqliteError::NoTable(table.to_owned()))?;
        let root = u32::try_from(root).map_err(|_| SqliteError::Malformed)?;
        self.walk(root, &columns, &mut visit)
    }

    fn walk(
        &self,
        root: u32,
        columns: &[String],
        visit: &mut dyn FnMut(&SqliteRow<'_>),
    ) -> Result<(), SqliteError> {
        let mut looked_at = 0;
        let mut waiting = vec![(root, 0)];
        while let Some((number_of_page, depth)) = waiting.pop() {
            let page = self.page(number_of_page)?;
            let start = if number_of_page == 1 { 100 } else { 0 };
            let cells = number(&page, start + 3, 2)?;
            looked_at += 1 + cells;
            if looked_at > ROWS_MAX {
                return Err(SqliteError::TooLarge);
            }
            match (number(&page, start, 1)?, depth < DEPTH_MAX) {
                (LEAF, _) => {
                    for cell in 0..cells {
                        let at = number(&page, start + 8 + 2 * cell, 2)?;
                        visit(&self.row(&page, at, columns)?);
                    }
                }
                (INTERIOR, true) => {
                    // The last one first: the next page is taken from the end.
                    let last = number(&page, start + 8, 4)?;
                    waiting.push((last as u32, depth + 1));
                    for cell in (0..cells).rev() {
                        let at = number(&page, start + 12 + 2 * cell, 2)?;
                        waiting.push((number(&page, at, 4)? as u32, depth + 1));
                    }
                }
                _ => return Err(SqliteError::Malformed),
            }
        }
        Ok(())
    }

    fn row<'a>(
        &self,
        page: &[u8],
        mut at: usize,
        columns: &'a [String],
    ) -> Result<SqliteRow<'a>, SqliteError> {
        let length = usize::try_from(varint(page, &mut at)?).map_err(|_| SqliteError::Malformed)?;
        let id = varint(page, &mut at)?;
        if length > ROW_BYTES_MAX {
            return Err(SqliteError::TooLarge);
        }
        let here = local_bytes(length, self.usable_bytes);
        let mut record = part(page, at, here)?.to_vec();
        let mut next = if here < length { number(page, at + here, 4)? as u32 } else { 0 };
        while record.len() < length {
            let overflow = self.page(next)?;
            next = number(&overflow, 0, 4)? as u32;
            let more = (length - record.len()).min(self.usable_bytes - 4);
            record.extend_from_slice(part(&overflow, 4, more)?);
        }
        Ok(SqliteRow { id, columns, values: values(&record)? })
    }

    fn page(&self, number: u32) -> Result<Vec<u8>, SqliteError> {
        if let Some(page) = self.newer.get(&number) {
            return Ok(page.clone());
        }
        let before = u64::from(number.checked_sub(1).ok_or(SqliteError::Malformed)?);
        let mut page = vec![0; self.page_bytes];
        self.file.read_exact_at(&mut page, before * self.page_bytes as u64).map_err(short)?;
        Ok(page)
    }
}

/// Kinds of pages of a table.
const LEAF: usize = 0x0d;
const INTERIOR: usize = 0x05;

/// How much of a row of this length stands in its own page.
fn local_bytes(length: usize, usable: usize) -> usize {
    let most = usable - 35;
    if length <= most {
        return length;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let fitting = least + (length - least) % (usable - 4);
    if fitting <= most { fitting } else { least }
}

/// The pages of complete transactions in a write-ahead log; none where there is no log.
fn committed_pages(log: &Path, page_bytes: usize) -> Result<HashMap<u32, Vec<u8>>, SqliteError> {
    let bytes = match fs::metadata(log) {
        Ok(found) if found.len() > LOG_BYTES_MAX => return Err(SqliteError::TooLarge),
        Ok(_) => fs::read(log)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(error.into()),
    };
    let (mut pages, mut transaction) = (HashMap::new(), Vec::new());
    let Some(salts) = bytes.get(16..24) else { return Ok(pages) };
    for frame in bytes[32.min(bytes.len())..].chunks_exact(24 + page_bytes) {
        // What an earlier use of the log left has other salts.
        if &frame[8..16] != salts {
            break;
        }
        transaction.push((number(frame, 0, 4)? as u32, frame[24..].to_vec()));
        if number(frame, 4, 4)? > 0 {
            pages.extend(transaction.drain(..));
        }
    }
    Ok(pages)
}

/// The names of the columns in `CREATE TABLE`.
fn columns(sql: &str) -> Vec<String> {
    let (Some(begin), Some(end)) = (sql.find('('), sql.rfind(')')) else { return Vec::new() };
    let (mut depth, mut starts) = (0_usize, vec![begin + 1]);
    for (at, sign) in sql[begin + 1..end.max(begin + 1)].char_indices() {
        match sign {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => starts.push(begin + 1 + at + 1),
            _ => {}
        }
    }
    let name = |start: &usize| {
        let definition = sql[*start..].trim_start();
        let quoted = definition.strip_prefix(['"', '`', '[', '\'']);
        let end = |text: &str| text.find(['"', '`', ']', '\'']).unwrap_or(text.len());
        match quoted {
            Some(text) => text[..end(text)].to_owned(),
            None => definition.split_whitespace().next().unwrap_or_default().to_owned(),
        }
    };
    starts.iter().map(name).collect()
}

/// The values of a record: their types stand before them.
fn values(record: &[u8]) -> Result<Vec<SqliteValue>, SqliteError> {
    let mut at = 0;
    let body = usize::try_from(varint(record, &mut at)?).map_err(|_| SqliteError::Malformed)?;
    let (mut values, mut value_at) = (Vec::new(), body);
    while at < body {
        let kind = varint(record, &mut at)?;
        let (bytes, value) = match kind {
            0 => (0, SqliteValue::Null),
            1..=6 => {
                let bytes = [1, 2, 3, 4, 6, 8][kind as usize - 1];
                (bytes, SqliteValue::Integer(integer(part(record, value_at, bytes)?)))
            }
            8 | 9 => (0, SqliteValue::Integer(kind - 8)),
            7 => (8, SqliteValue::Other),
            13.. => {
                let bytes = usize::try_from((kind - 12) / 2).map_err(|_| SqliteError::Malformed)?;
                let value = part(record, value_at, bytes)?;
                let text = String::from_utf8_lossy(value).into_owned();
                (bytes, if kind % 2 == 1 { SqliteValue::Text(text) } else { SqliteValue::Other })
            }
            12 => (0, SqliteValue::Other),
            _ => return Err(SqliteError::Malformed),
        };
        values.push(value);
        value_at += bytes;
    }
    Ok(values)
}

fn integer(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { -1 } else { 0 };
    bytes.iter().fold(sign, |number, byte| (number << 8) | i64::from(*byte))
}

/// A number of up to nine bytes, of which the first bit says whether another one follows.
fn varint(bytes: &[u8], at: &mut usize) -> Result<i64, SqliteError> {
    let mut number = 0_i64;
    for nth in 0..9 {
        let byte = *bytes.get(*at).ok_or(SqliteError::Malformed)?;
        *at += 1;
        if nth == 8 {
            return Ok((number << 8) | i64::from(byte));
        }
        number = (number << 7) | i64::from(byte & 0x7f);
        if byte < 0x80 {
            break;
        }
    }
    Ok(number)
}

/// A number of `length` bytes, at most four, the highest first.
fn number(bytes: &[u8], at: usize, length: usize) -> Result<usize, SqliteError> {
    let bytes = part(bytes, at, length)?;
    Ok(bytes.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
}

fn part(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], SqliteError> {
    let end = at.checked_add(length).ok_or(SqliteError::Malformed)?;
    bytes.get(at..end).ok_or(SqliteError::Malformed)
}

/// A page beyond the end of the file.
fn short(error: io::Error) -> SqliteError {
    match error.kind() {
        ErrorKind::UnexpectedEof => SqliteError::Malformed,
        _ => error.into(),
    }
}
