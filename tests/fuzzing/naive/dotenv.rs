//! `.env` files as phpdotenv and Laravel's `env()` read them, step by step as in their source: lines, entries, tokens,
//! states, references. What a POSIX shell makes of simple values is beside it.

/// More text than this from references is not judged: the server has a bound of its own there.
const REPLACED_CHARS_MAX: usize = 1 << 16;

/// What a file consists of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) entries: Vec<Entry>,
    /// The first line and the last of those that disappear.
    pub(crate) lost: Vec<(usize, usize)>,
}

/// One assignment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) line: usize,
    pub(crate) name: String,
    /// `None` without an equals sign.
    value: Option<Value>,
    /// As it stands in the file.
    raw: String,
}

/// The signs of a value, and whether each is a dollar sign that may begin a reference.
type Value = Vec<(char, bool)>;

/// The line at which phpdotenv refuses a file, and its words for it.
pub(crate) type Refused = (usize, &'static str);

/// The bytes of a file as text: without the mark of its byte order, and a question mark for what is no UTF-8.
pub(crate) fn decode(bytes: &[u8]) -> String {
    let mut rest = if bytes.starts_with(&[0xef, 0xbb, 0xbf]) { &bytes[3..] } else { bytes };
    let mut text = String::new();
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => return text + valid,
            Err(error) => {
                let (valid, wrong) = rest.split_at(error.valid_up_to());
                text += std::str::from_utf8(valid).unwrap();
                text.push('?');
                rest = &wrong[error.error_len().unwrap_or(wrong.len())..];
            }
        }
    }
}

/// What phpdotenv finds in a file; `None` if a name has letters that are not ASCII, whose classes are those of Unicode.
pub(crate) fn read(text: &str) -> Option<Result<File, Refused>> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut file = File::default();
    let (mut open, mut first) = (Vec::new(), 0);
    let mut joined = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        let starts = open.is_empty() && line.contains("=\"") && !stops(line, true);
        if open.is_empty() {
            first = number;
        }
        if !starts && open.is_empty() {
            joined.push((number, line.to_owned()));
            continue;
        }
        open.push(line);
        if !starts && stops(line, false) {
            if is_comment(open[0]) {
                file.lost.push((first, number));
            }
            joined.push((first, open.join("\n")));
            open.clear();
        }
    }
    if !open.is_empty() {
        file.lost.push((first, text.split('\n').count()));
    }
    for (line, raw) in joined {
        if is_comment(&raw) || trimmed(&raw).is_empty() {
            continue;
        }
        match entry(line, raw)? {
            Ok((entry, is_cut)) => {
                if is_cut {
                    file.lost.push((line, line + entry.raw.matches('\n').count()));
                }
                file.entries.push(entry);
            }
            Err(cause) => return Some(Err((line, cause))),
        }
    }
    Some(Ok(file))
}

/// `looksLikeMultilineStop`.
fn stops(line: &str, has_started: bool) -> bool {
    let signs: Vec<char> = line.replace("\\\\", "").chars().collect();
    let ends = (1..signs.len()).filter(|at| signs[*at] == '"' && signs[at - 1] != '\\').count();
    line == "\"" || ends > usize::from(has_started)
}

fn is_comment(line: &str) -> bool {
    trimmed(line).starts_with('#')
}

/// `trim` of PHP.
fn trimmed(text: &str) -> &str {
    let is_blank = |sign| [' ', '\n', '\r', '\t', '\u{b}', '\0'].contains(&sign);
    text.trim_start_matches(is_blank).trim_end_matches(is_blank)
}

/// `ctype_space` of PHP.
fn is_space(sign: char) -> bool {
    matches!(u32::from(sign), 9..=13 | 32)
}

/// An entry, and whether a comment took lines from it.
fn entry(line: usize, raw: String) -> Option<Result<(Entry, bool), &'static str>> {
    let (name, value) = match raw.find('=') {
        Some(at) => (trimmed(&raw[..at]), Some(trimmed(&raw[at + 1..]))),
        None => (raw.as_str(), None),
    };
    if name.is_empty() {
        return Some(Err("an unexpected equals"));
    }
    let mut signs: Vec<char> = name.chars().collect();
    if signs.len() > 8 && signs.starts_with(&['e', 'x', 'p', 'o', 'r', 't']) && is_space(signs[6]) {
        signs.drain(..6);
        while signs.first().is_some_and(|sign| is_space(*sign)) {
            signs.remove(0);
        }
    }
    if signs.len() >= 3 && ['"', '\''].contains(&signs[0]) && signs.last() == Some(&signs[0]) {
        signs.pop();
        signs.remove(0);
    }
    if signs.iter().any(|sign| !sign.is_ascii()) {
        return None;
    }
    let is_part = |sign: &char| sign.is_ascii_alphanumeric() || ['_', '.'].contains(sign);
    if signs.is_empty() || !signs.iter().all(is_part) {
        return Some(Err("an invalid name"));
    }
    let name = signs.into_iter().collect();
    let Some(value) = value else {
        return Some(Ok((Entry { line, name, value: None, raw }, false)));
    };
    let read = states(&tokens(value));
    Some(read.map(|(value, is_cut)| (Entry { line, name, value: Some(value), raw }, is_cut)))
}

/// The lexer: ends of lines, blanks, signs that count, and other text, each of 1000 bytes at most.
fn tokens(value: &str) -> Vec<String> {
    let class = |sign: char| match sign {
        '\r' | '\n' => 1,
        sign if is_space(sign) => 2,
        '\\' | '\'' | '"' | '#' | '$' => 3,
        _ => 4,
    };
    let mut tokens: Vec<String> = Vec::new();
    for sign in value.chars() {
        match tokens.last_mut() {
            Some(last)
                if class(sign) != 3
                    && last.len() < 1000
                    && last.chars().all(|it| class(it) == class(sign)) =>
            {
                last.push(sign);
            }
            _ => tokens.push(sign.to_string()),
        }
    }
    tokens
}

/// The states of the parser; the value, and whether a comment has several lines.
fn states(tokens: &[String]) -> Result<(Value, bool), &'static str> {
    let mut value = Value::new();
    let mut state = "initial";
    let mut is_cut = false;
    for token in tokens {
        let is_blank = token.chars().all(is_space);
        let text = token.chars().map(|sign| (sign, false));
        state = match (state, token.as_str()) {
            ("initial", "'") => "single",
            ("initial", "\"") => "double",
            ("initial" | "bare" | "blank", "#") => "comment",
            ("bare", _) if is_blank => "blank",
            ("initial" | "bare", "$") => {
                value.push(('$', true));
                "bare"
            }
            ("initial" | "bare", _) => {
                value.extend(text);
                "bare"
            }
            ("single", "'") | ("double", "\"") => "blank",
            ("double", "\\") => "escape",
            ("double", "$") => {
                value.push(('$', true));
                "double"
            }
            ("single" | "double", _) => {
                value.extend(text);
                state
            }
            ("escape", token) => {
                let first = match token.chars().next().unwrap() {
                    sign @ ('"' | '\\' | '$') => sign,
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'v' => '\u{b}',
                    _ => return Err("an unexpected escape sequence"),
                };
                value.push((first, false));
                value.extend(text.skip(1));
                "double"
            }
            ("blank", _) if is_blank => "blank",
            ("blank", _) => return Err("unexpected whitespace"),
            ("comment", token) => {
                is_cut |= token.contains('\n');
                "comment"
            }
            other => unreachable!("{other:?}"),
        };
    }
    match state {
        "single" | "double" | "escape" => Err("a missing closing quote"),
        _ => Ok((value, is_cut)),
    }
}

impl File {
    /// The values of the entries beside what a process has; `None` if references make too much of them.
    pub(crate) fn values(
        &self,
        process: impl Fn(&str) -> Option<String>,
    ) -> Option<Vec<Option<String>>> {
        let mut values: Vec<Option<String>> = Vec::new();
        let mut added = 0;
        for entry in &self.entries {
            let known = |name: &str, values: &[Option<String>]| {
                let last = self.entries[..values.len()].iter().rposition(|it| it.name == name);
                process(name).or_else(|| values[last?].clone())
            };
            let Some(value) = &entry.value else {
                values.push(None);
                continue;
            };
            // From the last reference to the first.
            let mut text = String::new();
            for (sign, is_dollar) in value.iter().rev() {
                text.insert(0, *sign);
                let name = if *is_dollar { reference(&text) } else { None };
                let Some(found) = name.and_then(|name| known(name, &values)) else { continue };
                added += found.len();
                if added > REPLACED_CHARS_MAX {
                    return None;
                }
                text = found + &text[text.find('}').unwrap() + 1..];
            }
            values.push(Some(text));
        }
        Some(values)
    }
}

/// The name in `${NAME}` at the beginning of a text.
fn reference(text: &str) -> Option<&str> {
    let name = &text.strip_prefix("${")?[..text.find('}')?.checked_sub(2)?];
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    (!name.is_empty() && name.bytes().all(is_part)).then_some(name)
}

/// What Laravel's `env()` makes of a value: a word for what is no text, or the text.
pub(crate) fn literal(value: &str) -> Result<&str, &'static str> {
    for (word, meaning) in [("true", "true"), ("false", "false"), ("null", "null"), ("empty", "")] {
        if value.eq_ignore_ascii_case(word) || value.eq_ignore_ascii_case(&format!("({word})")) {
            return Err(meaning);
        }
    }
    if value.is_empty() {
        return Err("");
    }
    for quote in ["\"", "'"] {
        let is_between = value.len() >= 2 && value.starts_with(quote) && value.ends_with(quote);
        if is_between && !value[1..value.len() - 1].contains('\n') {
            return Ok(&value[1..value.len() - 1]);
        }
    }
    Ok(value)
}

/// What a shell that sources the file makes of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    /// The variable gets this value.
    Sets(String),
    /// It gets what no file says: a folder, an argument.
    SetsOther,
    /// Part of the line is run as a command.
    Runs,
}

impl Entry {
    /// What a shell makes of an entry that needs little of its grammar; `None` for any other. `before` has the values
    /// of the lines before it.
    pub(crate) fn in_shell(&self, before: impl Fn(&str) -> Option<String>) -> Option<Shell> {
        let raw = self.raw.strip_prefix("export ").unwrap_or(&self.raw);
        let Some((name, value)) = raw.split_once('=') else {
            return raw.bytes().all(|byte| byte.is_ascii_uppercase()).then_some(Shell::Runs);
        };
        if name.is_empty() || !name.starts_with(|sign: char| sign.is_ascii_uppercase()) {
            return None;
        }
        if !name.bytes().all(|byte| byte.is_ascii_uppercase()) {
            let is_judged =
                name.chars().all(|sign| sign.is_ascii_uppercase() || sign == '.' || sign == ' ');
            return is_judged.then_some(Shell::Runs);
        }
        let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
        if let Some(inside) = inside('\'') {
            return (!inside.contains('\'')).then(|| Shell::Sets(inside.to_owned()));
        }
        inside('"').map_or_else(|| bare_in_shell(value, before), double_in_shell)
    }
}

/// A value between double quotes: a backslash goes before four signs and the end of a line, and stays before others.
fn double_in_shell(inside: &str) -> Option<Shell> {
    let mut signs = inside.chars();
    let mut text = String::new();
    while let Some(sign) = signs.next() {
        match sign {
            '`' => return Some(Shell::Runs),
            '\\' => match signs.next()? {
                '\n' => {}
                behind @ ('$' | '`' | '"' | '\\') => text.push(behind),
                behind => text.extend(['\\', behind]),
            },
            ' ' | '\n' => text.push(sign),
            sign if sign.is_ascii_alphanumeric() => text.push(sign),
            _ => return None,
        }
    }
    Some(Shell::Sets(text))
}

/// A value without quotes and blanks, with `${NAME}` and `$1`.
fn bare_in_shell(value: &str, before: impl Fn(&str) -> Option<String>) -> Option<Shell> {
    if value.starts_with('~') {
        return Some(Shell::SetsOther);
    }
    let mut text = String::new();
    let mut rest = value;
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        match sign {
            ';' | '&' | '|' | '<' | '>' | '(' | ')' | '`' => return Some(Shell::Runs),
            '$' if rest.starts_with(|sign: char| sign.is_ascii_digit()) => {
                return Some(Shell::SetsOther);
            }
            '$' => {
                let (name, behind) = rest.strip_prefix('{')?.split_once('}')?;
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_uppercase()) {
                    return None;
                }
                text += &before(name).unwrap_or_default();
                rest = behind;
            }
            sign if sign.is_ascii_alphanumeric() => text.push(sign),
            _ => return None,
        }
        if text.len() > REPLACED_CHARS_MAX {
            return None;
        }
    }
    Some(Shell::Sets(text))
}
