//! The configuration as a whole: layers in, values or one exact message out.
//!
//! Owns the way sources are put together; the tables are in the files below.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test, the functions around it too")]

use std::collections::BTreeMap;

use resound::app::App;
use resound::config::{Config, ConfigError, ConfigFile, Flag, Sources};

mod apps;
mod auth;
mod calls;
mod cluster;
mod defaults;
mod env_file;
mod laravel;
mod laravel_queue;
mod inputs;
mod pacing;
mod precedence;
mod ranges;
mod redis;
mod refusals;
mod soketi;
mod telemetry;
mod texts;
mod tls;
mod unused;
mod urls;
mod webhooks;

/// The name every test file has.
const NAME: &str = "config/reverb.toml";

/// One app, so that the rules of the development app do not get in the way.
const APP: &str = "[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"s\"\n";

/// A file with the certificate of a root CA.
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/configuration/authority.pem");

/// Sources in the short form of the tables; an empty file is none.
fn sources(file: &str, variables: &[(&str, &str)], flags: &[Flag]) -> Sources {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    Sources {
        file: (!file.is_empty())
            .then(|| ConfigFile { name: NAME.to_owned(), text: file.to_owned() }),
        env_file: None,
        environment: variables.iter().map(owned).collect::<BTreeMap<_, _>>(),
        flags: flags.to_vec(),
    }
}

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::new(&sources(file, variables, &[]))
}

/// A configuration that is refused, with this message.
fn check_refused(file: &str, variables: &[(&str, &str)], message: &str) {
    let problem = load(file, variables).map(|config| config.apps).unwrap_err();
    assert_eq!(problem.to_string(), message, "{file:?} {variables:?}");
}

/// The only app of a configuration that must load.
fn only_app(file: &str, variables: &[(&str, &str)]) -> App {
    let config = load(file, variables).unwrap();
    let mut apps = config.apps.iter();
    let app = apps.next().unwrap();
    assert!(apps.next().is_none(), "more than one app");
    App::clone(app)
}

fn flag(name: &'static str, key: &'static str, text: &str) -> Flag {
    Flag { name, key, text: text.to_owned() }
}
