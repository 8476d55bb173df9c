//! Whether the data of an event have the form in which clients decrypt them.

/// Whether data have the form that clients can decrypt.
pub fn is_encrypted(data: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Encrypted {
        nonce: Option<String>,
        ciphertext: Option<String>,
    }
    serde_json::from_str::<Encrypted>(data)
        .is_ok_and(|data| data.nonce.is_some() && data.ciphertext.is_some())
}
