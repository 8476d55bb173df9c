//! Plain `.env` files, as phpdotenv reads them: a name and a value on each line, nothing behind a value and no references.

/// The line of an assignment, its name and its value.
pub(crate) type Assigned = (usize, String, String);

/// The assignments of a file that is plain; `None` for any other.
pub(crate) fn read(text: &str) -> Option<Vec<Assigned>> {
    // A carriage return, a line feed, or both in this order end a line.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines = (1..).zip(text.split('\n')).filter(|(_, line)| !line.is_empty());
    lines.map(|(number, line)| assigned(number, line)).collect()
}

fn assigned(number: usize, line: &str) -> Option<Assigned> {
    let (name, value) = line.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase());
    let value = match value.as_bytes() {
        [b'\'', .., b'\''] => single(&value[1..value.len() - 1]),
        [b'"', .., b'"'] => double(&value[1..value.len() - 1]),
        bare => bare.iter().all(u8::is_ascii_alphanumeric).then(|| value.to_owned()),
    };
    is_name.then_some(())?;
    Some((number, name.to_owned(), value?))
}

/// All signs stand for themselves.
fn single(value: &str) -> Option<String> {
    (!value.contains(['\'', '"', '\\', '$'])).then(|| value.to_owned())
}

/// A backslash and a letter are one sign.
fn double(value: &str) -> Option<String> {
    let mut signs = value.chars();
    let mut text = String::new();
    while let Some(sign) = signs.next() {
        text.push(match sign {
            '\\' => match signs.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'f' => '\u{c}',
                'v' => '\u{b}',
                _ => return None,
            },
            '"' | '$' => return None,
            sign => sign,
        });
    }
    Some(text)
}
