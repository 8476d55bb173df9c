//! A secret: what signs or logs in, is never printed, and may be shown as a fingerprint.

use std::fmt;

use hmac::{Hmac, KeyInit};
use sha2::{Digest, Sha256};

/// An app's secret: comparable by signature only, never printed.
///
/// Keeps the keyed MAC ready, so that one signature costs no key schedule (2 of 4 SHA-256 blocks).
#[derive(Clone)]
pub struct Secret {
    text: String,
    mac: Hmac<Sha256>,
}

impl Secret {
    /// Takes the secret as it stands in the configuration.
    pub fn new(text: &str) -> Self {
        let mac = Hmac::new_from_slice(text.as_bytes()).expect("HMAC takes keys of any length");
        Self { text: text.to_owned(), mac }
    }

    /// A MAC keyed with this secret, ready to be fed.
    pub fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }

    /// What may be shown of it.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.text)
    }

    /// The text itself, for the banner of the development app and for the commands that sign.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

/// A secret as it may be shown: enough to compare two of them, and nothing of the text.
pub fn fingerprint(secret: &str) -> String {
    if secret.is_empty() {
        return "empty".to_owned();
    }
    format!("sha256:{}", &hex::encode(Sha256::digest(secret))[..8])
}

/// Of two configurations; what a peer sends is compared by its signature.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
