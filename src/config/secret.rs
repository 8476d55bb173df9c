//! Which keys hold secrets, and the files they may stand in. How a secret is shown is left to `app`.
//!
//! Owns the rule for names, so that every secret has a `_file` key and a `_FILE` variable of its own.

use std::fs;
use std::io::{self, ErrorKind, Read};

/// What the name of a key or variable ends with if its value stands in a file.
pub(super) const FILE_KEY: &str = "_file";
pub(super) const FILE_VARIABLE: &str = "_FILE";

/// The keys of URLs that may have a password in them.
const URLS: [&str; 4] = ["cluster.url", "cluster.urls", "laravel_redis.url", "beside_reverb.url"];

/// No secret is longer; a larger file is the wrong one.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Whether the value of a key, such as `cluster.password`, is a secret or may hold one.
pub(super) fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    ["secret", "password", "token", "master_key"].iter().any(|end| name.ends_with(end))
        || URLS.contains(&key)
}

/// Reads the file of a secret: one line, whose end is no part of it. The error says what is wrong with
/// the file, and not which key named it.
pub(super) fn read_file(path: &str) -> Result<String, String> {
    let open = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = open().map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("is {path:?}; there is no such file"),
        ErrorKind::PermissionDenied => {
            format!("is {path:?}; the user of this process has no permission to read it")
        }
        _ => format!("is {path:?}; it cannot be read: {error}"),
    })?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("is {path:?}; it is larger than {MAX_FILE_BYTES} bytes, so no secret"));
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| format!("is {path:?}; it must hold text in UTF-8"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(format!("is {path:?}; the file is empty"));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn secrets_are_found_by_their_names() {
        for key in
            ["apps.secret", "apps.previous_secret", "cluster.password", "cluster.url", "x.token"]
        {
            assert!(is_secret(key), "{key}");
        }
        for key in ["apps.key", "cluster.username", "cluster.ca_file", "apps.webhooks.url"] {
            assert!(!is_secret(key), "{key}");
        }
    }
}
