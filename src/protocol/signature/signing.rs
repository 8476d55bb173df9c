//! The signatures that a back end makes: of subscriptions, of sign-ins and of requests.
//!
//! What is signed is written here once for every part of the program that signs; what arrives is checked by
//! the functions of [`signature`](super).

use hmac::Mac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{body_md5, request_mac};
use crate::app::Secret;

/// Characters a key has encoded in a query: all but those RFC 3986 never gives a meaning.
const IN_QUERY: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The key of an app and the secret that signs for it.
#[derive(Debug, Clone, Copy)]
pub struct SigningKey<'a> {
    /// `REVERB_APP_KEY`.
    pub key: &'a str,
    /// `REVERB_APP_SECRET`.
    pub secret: &'a Secret,
}

impl SigningKey<'_> {
    /// The `auth` of a subscription: `key:signature`.
    pub fn channel_auth(self, socket_id: &str, channel: &str, data: Option<&str>) -> String {
        match data {
            None => self.auth(&[socket_id, ":", channel]),
            Some(data) => self.auth(&[socket_id, ":", channel, ":", data]),
        }
    }

    /// The `auth` of a sign-in: `key:signature`.
    pub fn user_auth(self, socket_id: &str, user_data: &str) -> String {
        self.auth(&[socket_id, "::user::", user_data])
    }

    /// The query of a signed request to `path`, ready for a URL. A request without a body is signed
    /// without `body_md5`.
    pub fn request_query(
        self,
        method: &str,
        path: &str,
        body: &[u8],
        now_unix_seconds: u64,
    ) -> String {
        let mut rest = format!("auth_timestamp={now_unix_seconds}&auth_version=1.0");
        if !body.is_empty() {
            let md5 = body_md5(body);
            rest.push_str("&body_md5=");
            rest.push_str(std::str::from_utf8(&md5).expect("hexadecimal digits are ASCII"));
        }
        let signed = format!("auth_key={}&{rest}", self.key);
        let mac = request_mac(self.secret, method, path, &signed);
        let signature = hex::encode(mac.finalize().into_bytes());
        let key = utf8_percent_encode(self.key, &IN_QUERY);
        format!("auth_key={key}&{rest}&auth_signature={signature}")
    }

    fn auth(self, signed: &[&str]) -> String {
        let mut mac = self.secret.mac();
        signed.iter().for_each(|part| mac.update(part.as_bytes()));
        format!("{}:{}", self.key, hex::encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, SigningKey};

    fn check(signed: impl Fn(SigningKey<'_>) -> String, expected: &str) {
        let secret = Secret::new("7ad3773142a6692b25b8");
        assert_eq!(signed(SigningKey { key: "278d425bdf160c739803", secret: &secret }), expected);
    }

    #[test]
    fn signatures_are_those_that_pusher_documents() {
        check(
            |key| key.channel_auth("1234.1234", "private-foobar", None),
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
        );
        let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
        check(
            |key| key.channel_auth("1234.1234", "presence-foobar", Some(data)),
            "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80",
        );
        check(
            |key| key.user_auth("1234.1234", r#"{"id":"12345"}"#),
            "278d425bdf160c739803:4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba",
        );
        let body = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
        check(
            |key| key.request_query("POST", "/apps/3/events", body, 1_353_088_179),
            "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c",
        );
    }
}
