//! What a back end signs, by an implementation of its own: nothing here calls the crate.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::transcript::Request;

const KEY: &str = "reverb-key";
const SECRET: &str = "reverb-secret";

/// `key:signature` for one socket and one channel.
pub(crate) fn channel(socket_id: &str, channel: &str, channel_data: Option<&str>) -> String {
    let data = channel_data.map(|data| format!(":{data}")).unwrap_or_default();
    format!("{KEY}:{}", sign(SECRET, &format!("{socket_id}:{channel}{data}")))
}

/// `key:signature` for one socket and the user who signs in on it.
pub(crate) fn user(socket_id: &str, user_data: &str) -> String {
    format!("{KEY}:{}", sign(SECRET, &format!("{socket_id}::user::{user_data}")))
}

/// The target a request is sent to: path and signed query, with the changes the transcript makes.
///
/// A change applies before signing, so that the signature fits what is sent; `auth_signature`
/// itself is changed last. `secret` and `path` are what is signed with and over.
pub(crate) fn request(request: &Request) -> String {
    let below_app = !request.target.contains("/apps/");
    let prefix = if below_app { "/apps/123456" } else { "" };
    let target = format!("{prefix}{}", request.target);
    let (path, requests) = target.split_once('?').unwrap_or((&target, ""));
    let second = path.contains("/654321/");
    let (key, secret) = if second { ("reverb-key-2", "reverb-secret-2") } else { (KEY, SECRET) };
    let (mut signed_path, mut secret, mut signature) = (path, secret, None);

    let mut query: Vec<(String, String)> = vec![
        ("auth_key".into(), key.into()),
        ("auth_timestamp".into(), now(0).to_string()),
        ("auth_version".into(), "1.0".into()),
    ];
    if !request.body.is_empty() {
        query.push(("body_md5".into(), hex::encode(Md5::digest(&request.body))));
    }
    let requests = requests.split('&').filter_map(|pair| pair.split_once('='));
    query.extend(requests.map(|(key, value)| (key.into(), value.into())));
    for (key, value) in &request.changes {
        match key.as_str() {
            "secret" => secret = value,
            "path" => signed_path = value,
            "auth_signature" => signature = Some(value.clone()),
            _ => {
                query.retain(|(other, _)| other != key);
                query.push((key.clone(), value.clone()));
            }
        }
    }
    query.retain(|(_, value)| !value.is_empty());
    query.sort();
    let pairs: Vec<String> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let query = pairs.join("&");
    let signature = signature
        .unwrap_or_else(|| sign(secret, &format!("{}\n{signed_path}\n{query}", request.method)));
    if signature.is_empty() {
        return format!("{path}?{query}");
    }
    format!("{path}?{query}&auth_signature={signature}")
}

/// The Unix time in so many seconds.
pub(crate) fn now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}

fn sign(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
