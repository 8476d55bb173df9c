//! The query of a signed request, parsed once: the signature check and the call use the same values.

use percent_encoding::percent_decode_str;

/// The parameters of a query, sorted by key. Keys are in lower case and unique, values are decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignedQuery {
    parameters: Vec<(String, String)>,
}

/// Why a query is ambiguous or unreadable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The signed value may differ from the used one.
    #[error("the query parameter {0:?} is given twice")]
    Duplicate(String),
    /// The decoded bytes are not UTF-8.
    #[error("the query is not valid UTF-8 after percent-decoding")]
    NotText,
    /// A newline in a value could imitate the signed text of another request.
    #[error("the query parameter {0:?} holds a control character")]
    Control(String),
}

impl SignedQuery {
    /// Parses the part of a URL after `?`.
    pub fn parse(raw: &str) -> Result<Self, QueryError> {
        let mut parameters = Vec::with_capacity(8);
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (mut key, value) = (decode(key)?, decode(value)?);
            key.make_ascii_lowercase();
            parameters.push((key, value));
        }
        parameters.sort_unstable();
        if let Some(pair) = parameters.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(QueryError::Duplicate(pair[0].0.clone()));
        }
        let has_control = |text: &str| text.chars().any(char::is_control);
        if let Some((key, _)) =
            parameters.iter().find(|(key, value)| has_control(key) || has_control(value))
        {
            return Err(QueryError::Control(key.clone()));
        }
        Ok(Self { parameters })
    }

    /// The value of a parameter.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.parameters.binary_search_by(|(name, _)| name.as_str().cmp(key));
        found.ok().map(|index| self.parameters[index].1.as_str())
    }

    /// The signed form: `key=value&key=value`, sorted, values not encoded, without `auth_signature`.
    pub fn canonical(&self) -> String {
        let mut text = String::with_capacity(160);
        for (key, value) in self.parameters.iter().filter(|(key, _)| key != "auth_signature") {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(key);
            text.push('=');
            text.push_str(value);
        }
        text
    }
}

fn decode(text: &str) -> Result<String, QueryError> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Ok(text.to_owned());
    }
    // PHP's http_build_query writes a space as a plus sign.
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().map_err(|_| QueryError::NotText)?;
    Ok(decoded.into_owned())
}
