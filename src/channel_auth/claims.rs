//! What the claims of a verified token permit: which channels, and as which user.
//!
//! Pure. Whether the token is valid is decided before, by `token`.

use serde_json::{Map, Value};

use crate::app::{TokenRules, fits_pattern};

/// Channel names that the patterns of one token may become: lists in two claims multiply.
const NAMES_MAX: usize = 4096;

/// A user, as a token describes one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TokenUser {
    pub(super) id: String,
    pub(super) info: Option<Value>,
    pub(super) watchlist: Option<Value>,
}

/// Whether a pattern of the app or of the token fits the channel.
pub(super) fn permits(rules: &TokenRules, claims: &Value, channel: &str) -> bool {
    let mut names_left = NAMES_MAX;
    let by_app =
        rules.channels.iter().any(|pattern| fits(pattern, claims, channel, &mut names_left));
    let by_token = || {
        let own = claim(claims, &rules.channels_claim).into_iter().flat_map(texts);
        own.take(NAMES_MAX).any(|pattern| fits_pattern(&pattern, channel))
    };
    by_app || by_token()
}

/// The user; `None` without an id.
pub(super) fn user(rules: &TokenRules, claims: &Value) -> Option<TokenUser> {
    let id = claim(claims, &rules.user_id).and_then(text)?;
    let source = match rules.user_info.as_str() {
        "" => Some(claims).filter(|_| !rules.user_info_fields.is_empty()),
        path => claim(claims, path),
    };
    let info = source.map(|source| match rules.user_info_fields.as_slice() {
        [] => source.clone(),
        fields => chosen(source, fields),
    });
    Some(TokenUser { id, info, watchlist: claim(claims, &rules.watchlist).cloned() })
}

/// The fields that are there, each under the last part of its path.
fn chosen(source: &Value, fields: &[String]) -> Value {
    let mut object = Map::new();
    for path in fields {
        if let Some(value) = claim(source, path) {
            let name = path.rsplit('.').next().unwrap_or(path);
            object.insert(name.to_owned(), value.clone());
        }
    }
    object.into()
}

/// The value at a path with dots between its parts. A name that has dots itself, such as a URL, counts as one
/// part where an object has it.
fn claim<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    object.get(path).or_else(|| {
        let mut dots = path.rmatch_indices('.');
        dots.find_map(|(dot, _)| claim(object.get(&path[..dot])?, &path[dot + 1..]))
    })
}

/// Whether the channel fits the pattern with some value for each claim in braces.
fn fits(pattern: &str, claims: &Value, channel: &str, names_left: &mut usize) -> bool {
    let placeholder = pattern.split_once('{').and_then(|(before, rest)| {
        let (path, after) = rest.split_once('}')?;
        Some((before, path, after))
    });
    let Some((before, path, after)) = placeholder else {
        let is_left = *names_left > 0;
        *names_left = names_left.saturating_sub(1);
        return is_left && fits_pattern(pattern, channel);
    };
    let values = claim(claims, path).into_iter().flat_map(texts);
    // A value stands for itself: its characters are no part of the pattern.
    let mut literal = values.filter(|value| !value.contains(['*', '{', '}']));
    literal.any(|value| fits(&format!("{before}{value}{after}"), claims, channel, names_left))
}

/// The texts of a claim: of one value, or of a list.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}

/// A text that is not empty, or the digits of a whole number.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{TokenUser, permits, user};
    use crate::app::TokenRules;
    use crate::channel_auth::tests::token_rules as rules;

    fn check(pattern: &str, claims: &Value, channel: &str, expected: bool) {
        let only = TokenRules { channels: vec![pattern.to_owned()], ..rules() };
        assert_eq!(permits(&only, claims, channel), expected, "{pattern} {claims} {channel}");
    }

    #[test]
    fn claims_in_braces_are_replaced_by_their_values() {
        let claims = json!({
            "org_id": 7, "teams": ["red", "blue"], "a": { "b": "c" }, "https://x.example/org": "9",
            "star": "*", "empty": "", "half": 1.5, "braces": "{org_id}"
        });
        for (pattern, channel, expected) in [
            ("private-org.{org_id}.*", "private-org.7.capacity", true),
            ("private-org.{org_id}.*", "private-org.8.capacity", false),
            ("private-org.{org_id}.*", "private-org.71.capacity", false),
            ("private-org.{org_id}.*", "presence-org.7.capacity", false),
            ("private-org.{org_id}", "private-org.7", true),
            ("private-org.{org_id}", "private-org.7.x", false),
            ("presence-{teams}-{org_id}", "presence-blue-7", true),
            ("presence-{teams}-{org_id}", "presence-green-7", false),
            ("private-{a.b}", "private-c", true),
            ("private-{https://x.example/org}", "private-9", true),
            // A claim that is missing, or no text, permits nothing.
            ("private-{none}*", "private-", false),
            ("private-{empty}*", "private-a", false),
            ("private-{half}", "private-1.5", false),
            // What a claim has for a character stands for itself.
            ("private-{star}", "private-a", false),
            ("private-{braces}", "private-7", false),
            ("private-*", "private-anything", true),
            ("private-{org_id", "private-7", false),
        ] {
            check(pattern, &claims, channel, expected);
        }
    }

    #[test]
    fn a_token_may_bring_patterns_of_its_own() {
        let own = TokenRules { channels_claim: "rt.channels".to_owned(), ..rules() };
        let claims = json!({ "rt": { "channels": ["private-a.*", "presence-b"] } });
        assert!(permits(&own, &claims, "private-a.1"));
        assert!(permits(&own, &claims, "presence-b"));
        assert!(!permits(&own, &claims, "presence-b.1"));
        assert!(permits(&own, &json!({ "rt": { "channels": "private-*" } }), "private-x"));
        assert!(!permits(&own, &json!({ "channels": ["private-*"] }), "private-x"));
        assert!(!permits(&rules(), &claims, "private-a.1"), "nothing is configured");
    }

    #[test]
    fn lists_that_multiply_have_a_bound() {
        let many: Vec<u32> = (0..3000).collect();
        let claims = json!({ "a": many, "b": many });
        check("private-{a}-{b}", &claims, "private-0-1", true);
        check("private-{a}-{b}", &claims, "private-2999-2999", false);
    }

    #[test]
    fn a_user_has_an_id_and_the_chosen_fields() {
        let claims = json!({
            "sub": "u7", "name": "Ann", "profile": { "city": "Bonn", "age": 7 },
            "watch": ["8"], "id": 7
        });
        let of = |rules: &TokenRules| user(rules, &claims).unwrap();
        let plain = TokenUser { id: "u7".to_owned(), info: None, watchlist: None };
        assert_eq!(of(&rules()), plain);
        let fields = vec!["name".to_owned(), "profile.city".to_owned(), "none".to_owned()];
        let chosen = TokenRules { user_info_fields: fields, user_id: "id".to_owned(), ..rules() };
        assert_eq!(of(&chosen).id, "7");
        assert_eq!(of(&chosen).info, Some(json!({ "name": "Ann", "city": "Bonn" })));
        let whole = TokenRules {
            user_info: "profile".to_owned(),
            watchlist: "watch".to_owned(),
            ..rules()
        };
        assert_eq!(of(&whole).info, Some(json!({ "city": "Bonn", "age": 7 })));
        assert_eq!(of(&whole).watchlist, Some(json!(["8"])));
        let part = TokenRules { user_info_fields: vec!["age".to_owned()], ..whole };
        assert_eq!(of(&part).info, Some(json!({ "age": 7 })));
        assert_eq!(user(&TokenRules { user_id: "none".to_owned(), ..rules() }, &claims), None);
    }
}
