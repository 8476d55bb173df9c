//! The `.env` of a Laravel application in the working folder, which is not read as configuration.
//!
//! Owns whether it has an app that its author may expect to be served. Never keeps a value.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::environment::{CREDENTIALS, Environment, is_set};
use super::error::enumeration;

const NAME: &str = ".env";

/// Far beyond any real one.
const LARGEST_BYTES: u64 = 1 << 20;

/// Either means that the file has an app; the first is named if both are set.
const IDS: [&str; 2] = ["REVERB_APP_ID", "PUSHER_APP_ID"];

/// One sentence, if the file is there and sets an app.
pub(super) fn note() -> Option<String> {
    let text = read(Path::new(NAME))?;
    let id = app_id(&text)?;
    let names = enumeration(&CREDENTIALS.map(|(name, _)| name));
    Some(format!(
        "the file {NAME} of this folder sets {id}, but it is not read; pass the app in the \
         environment variables {names}, or in a file with --config"
    ))
}

/// Only a regular file: tools that keep secrets put a pipe there, which opens when they answer.
fn read(path: &Path) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LARGEST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The name of the id that is set to something.
fn app_id(text: &str) -> Option<&'static str> {
    IDS.into_iter().find(|id| {
        let values = text.lines().filter_map(|line| {
            let line = line.trim();
            let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
            (name.trim() == *id).then(|| value.split('#').next().unwrap_or_default().to_owned())
        });
        let variable = values.map(|value| ((*id).to_owned(), value));
        is_set(&Environment::from(variable.collect::<BTreeMap<_, _>>()), id)
    })
}

#[cfg(test)]
mod tests {
    use super::app_id;

    #[test]
    fn an_app_is_found_by_an_id_that_is_not_empty() {
        for (text, id) in [
            ("APP_NAME=Laravel\r\nREVERB_APP_ID=1\r\n", Some("REVERB_APP_ID")),
            ("export REVERB_APP_ID=\"1\" # ours", Some("REVERB_APP_ID")),
            ("PUSHER_APP_ID = 1\n", Some("PUSHER_APP_ID")),
            ("PUSHER_APP_ID=1\nREVERB_APP_ID=2\n", Some("REVERB_APP_ID")),
            ("PUSHER_APP_ID=1\nREVERB_APP_ID=\n", Some("PUSHER_APP_ID")),
            ("REVERB_APP_ID=\"\"\nPUSHER_APP_ID=null\n", None),
            ("REVERB_APP_ID= # later\n", None),
            ("# REVERB_APP_ID=1\nVITE_REVERB_APP_ID=1\nREVERB_APP_KEY=k\n", None),
            ("", None),
        ] {
            assert_eq!(app_id(text), id, "{text:?}");
        }
    }
}
