//! The `$` words of a transcript, and the `…` of what is expected.

use std::collections::HashMap;

use serde_json::Value;

use crate::credentials;

/// Socket ids by the name their socket has in the transcript.
pub(crate) type Ids = HashMap<String, String>;

/// Puts values in place of the `$` words; a dollar sign that starts none stays.
pub(crate) fn fill(text: &str, ids: &Ids) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        rest = match word(rest, ids)? {
            Some((value, after)) => {
                filled.push_str(&value);
                after
            }
            None => {
                filled.push('$');
                rest
            }
        };
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The value of the word at the start of `text`, and what follows it.
fn word<'t>(text: &'t str, ids: &Ids) -> Result<Option<(String, &'t str)>, String> {
    let id = |name: &str| ids.get(name).cloned().ok_or(format!("${name} was not greeted yet"));
    if text.starts_with(|c: char| c.is_ascii_uppercase()) {
        let digits = text[1..].find(|c: char| !c.is_ascii_digit());
        let (name, after) = text.split_at(digits.map_or(text.len(), |end| end + 1));
        return Ok(Some((id(name)?, after)));
    }
    let Some((function, rest)) = text.split_once('(') else { return Ok(None) };
    if !["auth", "user_auth", "quoted", "repeat", "now"].contains(&function) {
        return Ok(None);
    }
    let end = closing(rest).ok_or(format!("${function}( has no end"))?;
    let (arguments, after) = (fill(&rest[..end], ids)?, &rest[end + 1..]);
    let no = || format!("${function}({arguments}) is not understood");
    let pair = || arguments.split_once(',').ok_or_else(no);
    let value = match function {
        "auth" => match arguments.splitn(3, ',').collect::<Vec<_>>().as_slice() {
            [name, channel] => credentials::channel(&id(name)?, channel, None),
            [name, channel, data] => credentials::channel(&id(name)?, channel, Some(data)),
            _ => return Err(no()),
        },
        "user_auth" => credentials::user(&id(pair()?.0)?, pair()?.1),
        "quoted" => Value::from(arguments).to_string(),
        "repeat" => {
            let (text, times) = arguments.rsplit_once(',').ok_or_else(no)?;
            text.repeat(times.parse().map_err(|_| no())?)
        }
        _ => credentials::now(arguments.parse().map_err(|_| no())?).to_string(),
    };
    Ok(Some((value, after)))
}

/// Where the parenthesis is that closes the one before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        (open == 0).then_some(at)
    })
}

/// Whether `received` is what was expected: the same text, with any run of characters for each `…`.
pub(crate) fn fits(expected: &str, received: &str) -> bool {
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = received.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn an_ellipsis_stands_for_any_text() {
    let check = |expected, received, fit| assert_eq!(fits(expected, received), fit, "{expected}");
    check("abc", "abc", true);
    check("abc", "abcd", false);
    check("a…", "abcd", true);
    check("…d", "abcd", true);
    check("a…c…d", "abcd", true);
    check("a…d…c", "abcd", false);
    check("ab…bc", "abc", false);
    check("…", "", true);
}

#[test]
fn words_may_be_nested() {
    let filled = fill(
        r#"$quoted({"user_data":$quoted({"id":"$repeat(1,3)"})}) $A7"#,
        &Ids::from([("A7".to_owned(), "1.2".to_owned())]),
    );
    assert_eq!(filled.unwrap(), r#""{\"user_data\":\"{\\\"id\\\":\\\"111\\\"}\"}" 1.2"#);
}
