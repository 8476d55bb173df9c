//! `${VAR}` and `${VAR:-default}` in the texts of a file.
//!
//! Owns the form. Pure: the variables are an argument, and the caller names file and line. A `$` that no
//! brace follows is an ordinary character; `$${` stands for `${`.

/// The text with its variables replaced; an error says what is wrong, without the text, which may be a
/// secret.
pub(super) fn substitute<'v>(
    text: &str,
    variable: impl Fn(&str) -> Option<&'v str>,
) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            result.push_str(before);
            result.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        result.push_str(&rest[..at]);
        let (name, after) = rest[at + 2..].split_once('}').ok_or(
            "has ${ without a closing }; write ${NAME}, or $${ for the two characters themselves",
        )?;
        let (name, default) = name.split_once(":-").map_or((name, None), |(n, d)| (n, Some(d)));
        if !is_name(name) {
            return Err("has ${…} around what is no name of a variable; write ${NAME} or \
                        ${NAME:-default}, or $${ for the two characters themselves"
                .to_owned());
        }
        let value = match (variable(name), default) {
            (None | Some(""), Some(default)) => default,
            (Some(value), _) => value,
            (None, None) => {
                return Err(format!(
                    "has ${{{name}}}, and the environment variable {name} is not set; set it, or \
                     write ${{{name}:-default}}"
                ));
            }
        };
        result.push_str(value);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::substitute;

    fn read(text: &str) -> Result<String, String> {
        let variable = |name: &str| match name {
            "NAME" => Some("value"),
            "EMPTY" => Some(""),
            "NESTED" => Some("${NAME}"),
            _ => None,
        };
        substitute(text, variable)
    }

    #[test]
    fn variables_are_replaced_once() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("${NAME}", "value"),
            ("a${NAME}b${NAME}", "avaluebvalue"),
            ("${NONE:-default}", "default"),
            ("${NONE:-}", ""),
            ("${EMPTY:-default}", "default"),
            ("${NAME:-default}", "value"),
            ("a${EMPTY}b", "ab"),
            ("${NESTED}", "${NAME}"),
            ("$${NAME}", "${NAME}"),
            ("a$${b", "a${b"),
            ("$$${NAME}", "$${NAME}"),
            ("$NAME $5 a$", "$NAME $5 a$"),
            ("${NONE:-a:-b}", "a:-b"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_refused() {
        for (text, error) in [
            (
                "${NONE}",
                "has ${NONE}, and the environment variable NONE is not set; set it, or write ${NONE:-default}",
            ),
            ("${NAME", "has ${ without a closing }"),
            ("${}", "has ${…} around what is no name"),
            ("${1A}", "has ${…} around what is no name"),
            ("${NA ME}", "has ${…} around what is no name"),
            ("${NAME:+x}", "has ${…} around what is no name"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.starts_with(error), "{text}: {refused}");
        }
    }
}
