//! `[app.auth]`: who may subscribe and sign in, where this server decides it, with its rules.
//!
//! Owns which keys belong together in each mode, and the check of the keys that verify tokens. The decisions are
//! made by the room `channel_auth`.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;

use super::error::ConfigError;
use super::listen::ListenConfig;
use super::secret::read_file;
use super::values::{Setting, ValueTable, Values};
use super::webhooks::{has_user_info, is_address};
use crate::app::{
    AskRules, AuthMode, AuthSettings, KeySetLocation, MasterKey, PublicKey, Secret, TokenKeys,
    TokenRules,
};

/// An hour: what an app has answered may have changed since.
const LONGEST_MEMORY_SECONDS: u64 = 3600;
/// A longer wait is longer than browsers wait.
const LONGEST_QUESTION_SECONDS: u64 = 60;
const LONGEST_LEEWAY_SECONDS: u64 = 600;
const LONGEST_KEY_AGE_SECONDS: u64 = 86_400;
const MOST_QUESTIONS: u64 = 10_000;

/// Paths of this server itself.
const OWN_PATHS: [&str; 5] = ["/", "/live", "/up", "/ready", "/metrics"];

/// Fields that follow from the question, or that name the client.
const FIELDS_OF_THE_QUESTION: [&str; 8] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
];

#[derive(Debug, Clone, Copy)]
enum Mode {
    Off,
    Jwt,
    Ask,
    SignEverything,
}

const MODES: [(&str, Mode); 4] = [
    ("off", Mode::Off),
    ("jwt", Mode::Jwt),
    ("ask", Mode::Ask),
    ("sign-everything", Mode::SignEverything),
];

/// `None` while it is off.
pub(super) fn auth(values: Values<'_>) -> Result<Option<AuthSettings>, ConfigError> {
    let mode = match values.at("auth.mode").choice(&MODES)? {
        Mode::Off => return Ok(None),
        Mode::Jwt => AuthMode::Jwt(Box::new(token_rules(values)?)),
        Mode::Ask => AuthMode::Ask(Box::new(ask_rules(values)?)),
        Mode::SignEverything => AuthMode::SignEverything,
    };
    let path = path(&values.at("auth.path"))?;
    let user = values.at("auth.user_path");
    let user_path = self::path(&user)?;
    if path == user_path {
        return Err(user.refuse(format_args!("{user_path:?}"), "auth.path has that path already"));
    }
    let master_key = values.at("auth.encryption_master_key");
    Ok(Some(AuthSettings { path, user_path, mode, master_key: self::master_key(&master_key)? }))
}

/// Refuses the mode that signs everything where other machines reach this server.
pub(super) fn ensure_local(
    tables: &[ValueTable],
    listen: &ListenConfig,
) -> Result<(), ConfigError> {
    for table in tables {
        let mode = Values::of(table).at("auth.mode");
        let public = listen.server.iter().chain(&listen.api).find(|address| !address.is_local());
        if mode.text() == "sign-everything"
            && let Some(address) = public
        {
            let allowed = format!(
                "it permits everything to every client, so server.listen and http.listen must be \
                 loopback addresses or unix sockets, and {address} is not: set server.host = \
                 \"127.0.0.1\" (RESOUND_SERVER_HOST), or auth.mode to jwt or ask"
            );
            return Err(mode.refuse("\"sign-everything\"", allowed));
        }
    }
    Ok(())
}

fn path(setting: &Setting<'_>) -> Result<String, ConfigError> {
    let allowed = "it must be a path such as /broadcasting/auth, without a slash at its end, and none \
                   of this server's own (/app/, /apps/, /live, /up, /ready, /metrics)";
    let fits = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    let is_own = |path: &str| {
        OWN_PATHS.contains(&path) || path.starts_with("/app/") || path.starts_with("/apps/")
    };
    let is_path = |path: &str| {
        path.starts_with('/')
            && !path.ends_with('/')
            && !path.contains("//")
            && path.chars().all(fits)
            && !is_own(path)
    };
    setting.parsed(|text| is_path(text).then(|| text.to_owned()), allowed)
}

/// The value is not shown.
fn master_key(setting: &Setting<'_>) -> Result<Option<MasterKey>, ConfigError> {
    let Some(text) = setting.text_if_any() else { return Ok(None) };
    let flaw = "must be the base64 of 32 bytes (openssl rand -base64 32), as \
                encryption_master_key_base64 of the back end";
    MasterKey::parse(&text).map(Some).ok_or_else(|| setting.flaw(flaw))
}

fn token_rules(values: Values<'_>) -> Result<TokenRules, ConfigError> {
    let at = |key: &str| values.at(&format!("auth.jwt.{key}"));
    let channels = at("channels");
    let channels_claim = at("channels_claim").text();
    if channels.texts().is_empty() && channels_claim.is_empty() {
        let allowed = "it must have at least one pattern, such as \"private-user.{sub}\", or \
                       channels_claim must name a claim: else no token permits anything";
        return Err(channels.refuse("empty", allowed));
    }
    if let Some(pattern) = channels.texts().iter().find(|pattern| !is_pattern(pattern)) {
        let flaw = format!(
            "has {pattern:?}; a pattern is the name of a channel with claims in braces, which it does \
             not begin with, and * for any characters"
        );
        return Err(channels.flaw(flaw));
    }
    let user_id = at("user_id");
    let leeway: u64 = at("leeway_seconds").number(0..=LONGEST_LEEWAY_SECONDS)?;
    Ok(TokenRules {
        keys: token_keys(values)?,
        issuers: at("issuers").texts(),
        audiences: at("audiences").texts(),
        leeway: Duration::from_secs(leeway),
        parameter: at("token_parameter").text(),
        channels: channels.texts(),
        channels_claim,
        user_id: user_id
            .parsed(|text| (!text.is_empty()).then(|| text.to_owned()), "it must name a claim")?,
        user_info: at("user_info").text(),
        user_info_fields: at("user_info_fields").texts(),
        watchlist: at("watchlist").text(),
    })
}

/// The beginning must be fixed, so that no claim decides about the kind of a channel.
fn is_pattern(text: &str) -> bool {
    let mut is_inside = false;
    let are_pairs = text.chars().filter(|c| "{}".contains(*c)).all(|brace| {
        let fits = is_inside == (brace == '}');
        is_inside = brace == '{';
        fits
    });
    are_pairs && !is_inside && !text.contains("{}") && !text.is_empty() && !text.starts_with('{')
}

/// Exactly one of the three.
fn token_keys(values: Values<'_>) -> Result<TokenKeys, ConfigError> {
    let [secret, public, set] =
        ["secret", "public_key", "jwks"].map(|key| values.at(&format!("auth.jwt.{key}")));
    let max_age = values.at("auth.jwt.jwks_max_age_seconds");
    let max_age: u64 = max_age.number(1..=LONGEST_KEY_AGE_SECONDS)?;
    match (secret.text_if_any(), public.text_if_any(), set.text_if_any()) {
        (Some(text), None, None) => Ok(TokenKeys::Secret(Secret::new(&text))),
        (None, Some(path), None) => {
            let pem = read_file(&path).map_err(|flaw| public.flaw(flaw))?;
            let key = PublicKey::from_pem(pem.as_bytes());
            key.map(TokenKeys::Public)
                .map_err(|allowed| public.refuse(format_args!("{path:?}"), allowed))
        }
        (None, None, Some(text)) => {
            let location = key_set_location(&set, &text)?;
            Ok(TokenKeys::Set { location, max_age: Duration::from_secs(max_age) })
        }
        (None, None, None) => {
            let allowed = "mode jwt needs a key: auth.jwt.secret (HS256), auth.jwt.public_key (the \
                           file of a key) or auth.jwt.jwks (a set of keys)";
            Err(values.at("auth.mode").refuse("\"jwt\"", allowed))
        }
        _ => {
            let allowed = "only one of auth.jwt.secret, auth.jwt.public_key and auth.jwt.jwks can \
                           be set, since the key decides the algorithm";
            Err(values.at("auth.mode").refuse("\"jwt\"", allowed))
        }
    }
}

fn key_set_location(setting: &Setting<'_>, text: &str) -> Result<KeySetLocation, ConfigError> {
    if !text.contains("://") {
        return Ok(KeySetLocation::File(PathBuf::from(text)));
    }
    if has_user_info(text) || !is_address(text) {
        let flaw =
            "must be the path of a file, or an https:// or http:// address without a user name";
        return Err(setting.flaw(flaw));
    }
    Ok(KeySetLocation::Url(text.to_owned()))
}

fn ask_rules(values: Values<'_>) -> Result<AskRules, ConfigError> {
    let at = |key: &str| values.at(&format!("auth.ask.{key}"));
    let memory = |setting: Setting<'_>| -> Result<Duration, ConfigError> {
        setting.number(0..=LONGEST_MEMORY_SECONDS).map(Duration::from_secs)
    };
    let (url, user_url) = (at("url"), at("user_url"));
    if url.text().is_empty() {
        return Err(url.refuse("empty", URL));
    }
    let timeout: u64 = at("timeout_seconds").number(1..=LONGEST_QUESTION_SECONDS)?;
    Ok(AskRules {
        url: self::url(&url)?,
        user_url: user_url.text_if_any().map(|_| self::url(&user_url)).transpose()?,
        headers: headers(&at("headers"))?,
        remember: memory(at("remember_seconds"))?,
        remember_refusals: memory(at("remember_refusals_seconds"))?,
        remembered_bytes: at("max_remembered_bytes").bytes()?,
        concurrent: at("max_concurrent").number(1..=MOST_QUESTIONS)?,
        timeout: Duration::from_secs(timeout),
    })
}

const URL: &str = "it must be the app's own endpoint, an http:// or https:// address such as \
                   https://app.example.com/broadcasting/auth, without a user name";

fn url(setting: &Setting<'_>) -> Result<String, ConfigError> {
    let text = setting.text();
    if has_user_info(&text) || !is_address(&text) {
        // It may hold a password.
        return Err(setting.flaw(format_args!("is no address; {URL}")));
    }
    Ok(text)
}

fn headers(setting: &Setting<'_>) -> Result<Vec<String>, ConfigError> {
    let name = |text: &String| {
        match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) if !FIELDS_OF_THE_QUESTION.contains(&name.as_str()) => Ok(name.to_string()),
        _ => Err(setting.flaw(format_args!(
            "has {text:?}; it must be the name of a header field that the page sends, and none that \
             the server sets itself"
        ))),
    }
    };
    setting.texts().iter().map(name).collect()
}
