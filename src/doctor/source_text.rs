//! Source code as text: without its comments, with the line of each place.
//!
//! Owns what PHP and JavaScript have in common. Strings stay, and every place keeps its line.

/// The text with blanks in the place of comments.
pub(super) fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut quote: Option<char> = None;
    let mut before = '\n';
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied();
        match (quote, letter) {
            (Some(open), _) => {
                out.push(letter);
                if letter == '\\' {
                    out.extend(letters.next());
                } else if letter == open {
                    quote = None;
                }
            }
            (None, '"' | '\'' | '`') => {
                quote = Some(letter);
                out.push(letter);
            }
            // Not the slashes of a URL outside of quotes, nor an attribute of PHP.
            (None, '/') if next == Some('/') && before != ':' => skip_line(&mut letters),
            (None, '#') if next != Some('[') && before.is_whitespace() => skip_line(&mut letters),
            (None, '/') if next == Some('*') => {
                letters.next();
                let mut last = ' ';
                for letter in letters.by_ref() {
                    if letter == '\n' {
                        out.push('\n');
                    }
                    if last == '*' && letter == '/' {
                        break;
                    }
                    last = letter;
                }
                out.push(' ');
            }
            (None, _) => out.push(letter),
        }
        before = letter;
    }
    out
}

fn skip_line(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while letters.next_if(|letter| *letter != '\n').is_some() {}
}

/// The number of the line of a byte, counted from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// What stands between the quotes at the beginning of a text, and whatever follows it.
pub(super) fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|letter| matches!(letter, '"' | '\'' | '`'))?;
    let inner = text.get(1..)?;
    let end = inner.find(quote)?;
    Some((&inner[..end], inner.get(end + 1..)?))
}

/// Every place behind `word`, which is no part of a longer word.
pub(super) fn behind<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    text.match_indices(word).filter_map(move |(at, _)| {
        let end = at + word.len();
        let is_whole = !text[..at].ends_with(is_part)
            && (!word.ends_with(is_part) || !text[end..].starts_with(is_part));
        is_whole.then(|| (at, &text[end..]))
    })
}

/// A text with `*` in the place of each part that is only known when the code runs: `orders.${id}` and
/// `orders.{$this->id}` become `orders.*`.
pub(super) fn pattern(literal: &str) -> String {
    let (mut out, mut rest) = (String::new(), literal);
    while let Some(at) = rest.find(['$', '{']) {
        out.push_str(&rest[..at]);
        let dynamic = &rest[at..];
        let end = if dynamic.starts_with('{') || dynamic.starts_with("${") {
            dynamic.find('}').map_or(dynamic.len(), |end| end + 1)
        } else {
            let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | '>');
            dynamic.find(|c| !is_part(c)).unwrap_or(dynamic.len())
        };
        out.push('*');
        rest = &dynamic[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::{behind, line_of, pattern, quoted, without_comments};

    #[test]
    fn comments_go_and_lines_stay() {
        let text = "a // b\n'c // d' /* e\n f */ g\n# h\n#[Attribute]\nx = `http://i`; ws://j";
        let bare = without_comments(text);
        assert_eq!(bare, "a \n'c // d' \n  g\n\n#[Attribute]\nx = `http://i`; ws://j");
        assert_eq!(line_of(&bare, bare.find("http").unwrap()), 6);
    }

    #[test]
    fn words_and_quotes_are_found() {
        let found: Vec<_> = behind("new Channel('a'), XChannel(1), Channels", "Channel").collect();
        assert_eq!(found.len(), 1);
        assert_eq!(quoted("'a b', c"), Some(("a b", ", c")));
        assert_eq!(quoted("a"), None);
    }

    #[test]
    fn what_is_known_later_becomes_a_star() {
        for (literal, expected) in [
            ("servers", "servers"),
            ("orders.${order.id}", "orders.*"),
            ("org.{$this->org->id}.capacity", "org.*.capacity"),
            ("org.$id.capacity", "org.*.capacity"),
            ("a.${b", "a.*"),
        ] {
            assert_eq!(pattern(literal), expected);
        }
    }
}
