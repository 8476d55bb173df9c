//! The credentials of an app and the signatures a back end makes with them.
//!
//! Owns signing only. The server under load checks the signatures with code of its own, so a rule that
//! is wrong on one side fails on the other.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

/// Characters a key has encoded in a query: all but those RFC 3986 never gives a meaning.
const IN_QUERY: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Identifies an app to the server and signs for it. The secret is never printed.
#[derive(Clone)]
pub struct Credentials {
    /// Names the app in the HTTP API.
    pub app_id: String,
    /// Names the app on the WebSocket side.
    pub key: String,
    /// Keyed once: a signature then costs two SHA-256 blocks instead of four.
    mac: Hmac<Sha256>,
}

impl Credentials {
    /// Takes the values of the back end's `.env`.
    pub fn new(app_id: impl Into<String>, key: impl Into<String>, secret: &str) -> Self {
        let mac = Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        Self { app_id: app_id.into(), key: key.into(), mac }
    }

    /// Signs a subscription as an auth endpoint does: `key:signature`.
    pub fn channel_auth(
        &self,
        socket_id: &str,
        channel: &str,
        channel_data: Option<&str>,
    ) -> String {
        let mut signed = format!("{socket_id}:{channel}");
        if let Some(data) = channel_data {
            signed.push(':');
            signed.push_str(data);
        }
        format!("{}:{}", self.key, self.sign(&signed))
    }

    /// Signs a POST to `path` as the official SDKs do: the whole query string, ready for a URL.
    pub fn signed_query(&self, path: &str, body: &[u8], now_unix_seconds: u64) -> String {
        let md5 = hex::encode(Md5::digest(body));
        let rest = format!("auth_timestamp={now_unix_seconds}&auth_version=1.0&body_md5={md5}");
        let signature = self.sign(&format!("POST\n{path}\nauth_key={}&{rest}", self.key));
        let key = utf8_percent_encode(&self.key, &IN_QUERY);
        format!("auth_key={key}&{rest}&auth_signature={signature}")
    }

    fn sign(&self, text: &str) -> String {
        let mut mac = self.mac.clone();
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("app_id", &self.app_id)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Credentials;

    fn documented() -> Credentials {
        Credentials::new("3", "278d425bdf160c739803", "7ad3773142a6692b25b8")
    }

    #[test]
    fn subscriptions_are_signed_as_pusher_documents_it() {
        let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
        for (channel, data, signature) in [
            (
                "private-foobar",
                None,
                "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
            ),
            (
                "presence-foobar",
                Some(data),
                "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80",
            ),
        ] {
            let auth = documented().channel_auth("1234.1234", channel, data);
            assert_eq!(auth, format!("278d425bdf160c739803:{signature}"));
        }
    }

    #[test]
    fn requests_are_signed_as_pusher_documents_it() {
        let body = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
        assert_eq!(
            documented().signed_query("/apps/3/events", body, 1_353_088_179),
            "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
        );
    }

    #[test]
    fn the_secret_is_not_printed() {
        let printed = format!("{:?}", documented());
        assert!(!printed.contains("7ad3"), "{printed}");
    }
}
