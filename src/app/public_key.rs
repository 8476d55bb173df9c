//! A public key in PEM form, as it verifies tokens.
//!
//! Owns which kinds of keys there are and the texts about all others. Signatures are verified by the room
//! `channel_auth`.

use rustls::pki_types::pem::{PemObject, SectionKind};

/// A key, and with it the only algorithm that it is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RS256: the DER form of PKCS#1.
    Rsa(Vec<u8>),
    /// ES256: the uncompressed point.
    P256(Vec<u8>),
    /// EdDSA: the 32 bytes of the key.
    Ed25519(Vec<u8>),
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The tags of DER that a key has.
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BIT_STRING: u8 = 0x03;

/// Any section of a PEM file.
struct Section(SectionKind, Vec<u8>);

impl PemObject for Section {
    fn from_pem(kind: SectionKind, der: Vec<u8>) -> Option<Self> {
        Some(Self(kind, der))
    }
}

impl PublicKey {
    /// Reads the first key of a PEM text. The error says what the text must be, and nothing of it.
    pub fn from_pem(text: &[u8]) -> Result<Self, &'static str> {
        let Ok(Section(kind, der)) = Section::from_pem_slice(text) else {
            let is_older = text.windows(OLDER_FORM.len()).any(|part| part == OLDER_FORM);
            return Err(if is_older { NO_OLDER_FORM } else { NO_PEM });
        };
        match kind {
            SectionKind::PublicKey => Self::from_spki(&der).ok_or(KINDS),
            SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey | SectionKind::PrivateKey => {
                Err(PRIVATE)
            }
            SectionKind::Certificate => Err(CERTIFICATE),
            _ => Err(NO_PEM),
        }
    }

    /// `SubjectPublicKeyInfo`: the kind of the key, then the key.
    fn from_spki(der: &[u8]) -> Option<Self> {
        let (info, rest) = element(SEQUENCE, der)?;
        let (algorithm, key) = element(SEQUENCE, info)?;
        let (kind, parameters) = element(OBJECT_IDENTIFIER, algorithm)?;
        let (bits, end) = element(BIT_STRING, key)?;
        // The first byte is the number of unused bits.
        let key = bits.strip_prefix(&[0])?;
        if !rest.is_empty() || !end.is_empty() {
            return None;
        }
        match kind {
            RSA => element(SEQUENCE, key).map(|_| Self::Rsa(key.to_vec())),
            EC if element(OBJECT_IDENTIFIER, parameters)?.0 == P256 && key.len() == 65 => {
                Some(Self::P256(key.to_vec()))
            }
            ED25519 if key.len() == 32 => Some(Self::Ed25519(key.to_vec())),
            _ => None,
        }
    }
}

const NO_PEM: &str = "it must hold a public key in PEM form (-----BEGIN PUBLIC KEY-----)";
const OLDER_FORM: &[u8] = b"BEGIN RSA PUBLIC KEY";
const NO_OLDER_FORM: &str = "it holds a key of the older form RSA PUBLIC KEY: convert it (openssl rsa -RSAPublicKey_in -pubout)";
const PRIVATE: &str = "it holds a private key, which only the issuer of the tokens may have: write the public one (openssl pkey -pubout)";
const CERTIFICATE: &str =
    "it holds a certificate: write its public key (openssl x509 -pubkey -noout)";
const KINDS: &str =
    "it must hold an RSA key (RS256), an EC key of P-256 (ES256) or an Ed25519 key (EdDSA)";

/// The content of an element that begins `der`, and what is behind it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        // The length in one or two bytes: no key is longer than 64 KB.
        0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
        0x82 => rest
            .split_first_chunk()
            .map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    (found == tag && length <= rest.len()).then(|| rest.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::PublicKey;

    const ED25519: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn a_key_is_read_with_its_kind() {
        let PublicKey::Ed25519(key) = PublicKey::from_pem(ED25519.as_bytes()).unwrap() else {
            panic!("an Ed25519 key");
        };
        assert_eq!(key[..3], [0x19, 0xbf, 0x44]);
    }

    #[test]
    fn other_files_are_refused_with_what_to_write() {
        let check = |text: &str, flaw: &str| {
            let found = PublicKey::from_pem(text.as_bytes()).unwrap_err();
            assert!(found.contains(flaw), "{text}: {found}");
        };
        check("", "-----BEGIN PUBLIC KEY-----");
        check("secret", "-----BEGIN PUBLIC KEY-----");
        check(&ED25519.replace("PUBLIC", "PRIVATE"), "openssl pkey -pubout");
        check(&ED25519.replace("PUBLIC KEY", "CERTIFICATE"), "openssl x509 -pubkey");
        check(&ED25519.replace("PUBLIC", "RSA PUBLIC"), "openssl rsa");
        check(&ED25519.replace("MCowBQYDK2Vw", "MCowBQYDK2Vx"), "P-256");
        check(&ED25519.replace("MCow", "MCkw"), "P-256");
    }
}
