//! A place in a text that is read from left to right.
//!
//! Owns steps: a sign, a word, blanks, a text in quotes. What the pieces mean in a language is left to its reader.

/// A text and the byte up to which it is read, which is always the border of a character.
#[derive(Debug, Clone)]
pub struct TextCursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> TextCursor<'t> {
    /// The beginning of a text.
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The bytes that are read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes to a byte, which is one that [`Self::at`] gave or the border of a character.
    pub fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    /// What is not read yet; nothing at a byte that is no border.
    pub fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// What was read from this byte on.
    pub fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The next character, which stays.
    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Reads one character.
    pub fn step(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Reads the next character if it is of this kind.
    pub fn step_if(&mut self, is_of_kind: impl FnOnce(char) -> bool) -> Option<char> {
        let next = self.peek().filter(|next| is_of_kind(*next))?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Reads as many characters of a kind as there are.
    pub fn run(&mut self, is_of_kind: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|next| !is_of_kind(next)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Reads a sign if the rest begins with it.
    pub fn take(&mut self, sign: &str) -> bool {
        let begins = self.rest().starts_with(sign);
        if begins {
            self.at += sign.len();
        }
        begins
    }

    /// Reads a text from its first quote to its last; `escaped` gets each character behind a backslash, and the text
    /// to extend. `None` if the quote has no end, and then nothing is read.
    pub fn quoted(&mut self, escaped: impl Fn(char, &mut String)) -> Option<String> {
        let start = self.at;
        let quote = self.step()?;
        let mut text = String::new();
        while let Some(next) = self.step() {
            match next {
                '\\' => match self.step() {
                    Some(behind) => escaped(behind, &mut text),
                    None => break,
                },
                _ if next == quote => return Some(text),
                _ => text.push(next),
            }
        }
        self.at = start;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::TextCursor;

    #[test]
    fn each_step_reads_what_it_takes_and_nothing_else() {
        let mut cursor = TextCursor::new("ab1 => 'c\\'ü' x");
        assert_eq!(cursor.run(char::is_alphabetic), "ab");
        assert_eq!((cursor.peek(), cursor.step(), cursor.at()), (Some('1'), Some('1'), 3));
        assert_eq!(cursor.run(char::is_alphabetic), "");
        assert_eq!(cursor.step_if(char::is_whitespace), Some(' '));
        assert_eq!((cursor.take("="), cursor.take("=")), (true, false));
        assert_eq!(cursor.step_if(char::is_whitespace), None);
        assert_eq!((cursor.take("> "), cursor.since(4)), (true, "=> "));
        assert_eq!(cursor.quoted(|behind, text| text.push(behind)).as_deref(), Some("c'ü"));
        assert_eq!(cursor.rest(), " x");
        cursor.go_to(1);
        assert_eq!(cursor.step(), Some('b'));
    }

    #[test]
    fn the_end_is_nothing_to_read() {
        let mut cursor = TextCursor::new("");
        assert_eq!((cursor.peek(), cursor.step(), cursor.rest()), (None, None, ""));
        for open in ["'a", "'a\\", "'"] {
            let mut cursor = TextCursor::new(open);
            assert_eq!((cursor.quoted(|_, _| {}), cursor.at()), (None, 0));
        }
        let mut cursor = TextCursor::new("ü");
        cursor.go_to(1);
        assert_eq!((cursor.step(), cursor.since(0)), (None, ""));
    }
}
