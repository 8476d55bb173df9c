//! The apps that variables describe: Reverb's, and those of an application that was made for Pusher.
//!
//! Owns the names and which of them count beside others. How an app is checked is left to `apps`.

use super::environment::{CREDENTIALS, Environment, PREVIOUS_SECRET, is_set};
use super::error::{ConfigError, enumeration};
use super::values::ValueTable;

/// Laravel's names for hosted Pusher and for servers that speak its protocol.
const PUSHER: [(&str, &str); 3] =
    [("PUSHER_APP_ID", "id"), ("PUSHER_APP_KEY", "key"), ("PUSHER_APP_SECRET", "secret")];

/// soketi's names; it takes credentials that are public where one is not set.
const SOKETI: [(&str, &str); 3] = [
    ("SOKETI_DEFAULT_APP_ID", "id"),
    ("SOKETI_DEFAULT_APP_KEY", "key"),
    ("SOKETI_DEFAULT_APP_SECRET", "secret"),
];

/// Laravel's names for the connection that events go to; the second is that of Laravel 10 and before.
const CONNECTION: [&str; 2] = ["BROADCAST_CONNECTION", "BROADCAST_DRIVER"];

/// One app, and the variables it comes from.
pub(super) struct AppOfVariables {
    pub(super) origin: &'static str,
    pub(super) table: ValueTable,
}

/// The apps that variables describe, in an order in which a later one wins over the same app before it;
/// `has_others` is whether a file has apps.
pub(super) fn apps(
    variables: &Environment,
    has_others: bool,
) -> Result<Vec<AppOfVariables>, ConfigError> {
    let (reverb, soketi) = (reverb(variables)?, soketi(variables)?);
    let pusher = pusher(variables, has_others || reverb.is_some() || soketi.is_some());
    Ok([pusher, soketi, reverb].into_iter().flatten().collect())
}

/// The app that Laravel's `.env` describes: all of id, key and secret, or none of them.
fn reverb(variables: &Environment) -> Result<Option<AppOfVariables>, ConfigError> {
    let previous = variables.value(PREVIOUS_SECRET.0);
    match table(&CREDENTIALS, variables) {
        Table::Nothing => match previous {
            None => Ok(None),
            Some((_, origin)) => Err(origin.flaw(format_args!(
                "is set without an app; {} are needed beside it",
                enumeration(&CREDENTIALS.map(|(name, _)| name))
            ))),
        },
        Table::Missing { set, missing } => Err(incomplete(&set, &missing, variables)),
        Table::Whole(mut table) => {
            if let Some((text, origin)) = previous {
                let value = config::Value::new(Some(&origin.to_string()), text);
                table.insert(PREVIOUS_SECRET.1.to_owned(), value);
            }
            Ok(Some(AppOfVariables { origin: "the REVERB_APP_* variables", table }))
        }
    }
}

/// The app of soketi, whole or not at all as well: what soketi takes for a missing one is public.
fn soketi(variables: &Environment) -> Result<Option<AppOfVariables>, ConfigError> {
    match table(&SOKETI, variables) {
        Table::Nothing => Ok(None),
        Table::Missing { set, missing } => Err(incomplete(&set, &missing, variables)),
        Table::Whole(table) => {
            Ok(Some(AppOfVariables { origin: "the SOKETI_DEFAULT_APP_* variables", table }))
        }
    }
}

fn incomplete(set: &[&str], missing: &[&str], variables: &Environment) -> ConfigError {
    let set: Vec<String> = set.iter().map(|name| variables.shown(name)).collect();
    let set = enumeration(&set.iter().map(String::as_str).collect::<Vec<_>>());
    ConfigError::new(match missing {
        [only] => format!("environment variable {only} is missing; it is needed beside {set}"),
        names => format!(
            "environment variables {} are missing; they are needed beside {set}",
            enumeration(names)
        ),
    })
}

/// The app of an application that uses Laravel's `pusher` connection: where there is no other app, or where the
/// variables say that events go to that connection.
fn pusher(variables: &Environment, has_others: bool) -> Option<AppOfVariables> {
    let connection = CONNECTION.iter().find_map(|name| variables.value(name));
    let is_used = connection.is_some_and(|(name, _)| name == "pusher");
    match table(&PUSHER, variables) {
        Table::Whole(table) if is_used || !has_others => {
            Some(AppOfVariables { origin: "the PUSHER_APP_* variables", table })
        }
        _ => None,
    }
}

/// The note on a part of Pusher's credentials, where no app is configured.
pub(super) fn incomplete_pusher(variables: &Environment) -> Option<String> {
    let Table::Missing { set, missing } = table(&PUSHER, variables) else { return None };
    let set: Vec<String> = set.iter().map(|name| variables.origin(name).to_string()).collect();
    let subject = enumeration(&set.iter().map(String::as_str).collect::<Vec<_>>());
    let verb = if set.len() == 1 { "has" } else { "have" };
    Some(format!("{subject} {verb} no effect without {}", enumeration(&missing)))
}

enum Table {
    Nothing,
    Missing { set: Vec<&'static str>, missing: Vec<&'static str> },
    Whole(ValueTable),
}

fn table(names: &[(&'static str, &'static str)], variables: &Environment) -> Table {
    let (set, missing): (Vec<_>, Vec<_>) =
        names.iter().copied().partition(|(name, _)| is_set(variables, name));
    let names = |list: &[(&'static str, &str)]| list.iter().map(|(name, _)| *name).collect();
    if set.is_empty() {
        return Table::Nothing;
    }
    if !missing.is_empty() {
        return Table::Missing { set: names(&set), missing: names(&missing) };
    }
    let entry = set.into_iter().filter_map(|(name, key)| {
        let (text, origin) = variables.value(name)?;
        Some((key.to_owned(), config::Value::new(Some(&origin.to_string()), text)))
    });
    Table::Whole(entry.collect())
}
