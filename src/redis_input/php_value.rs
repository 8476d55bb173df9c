//! What PHP's `serialize` writes, read as far as messages of Reverb need it: scalars, arrays, objects, enums.
//!
//! Nothing is constructed from it, classes are names. Depth and size are bounded, references are refused, and no
//! length that it claims is allocated before the bytes are there. Needs no recursion deeper than the bound.

/// Levels of nested arrays and objects. A request of Reverb has four.
const DEPTH_MAX: usize = 16;

/// Values of one text. A request of Reverb has about 60, and one for each channel that it asks about.
const VALUES_MAX: usize = 4096;

/// A value of PHP.
#[derive(Debug, Clone, PartialEq)]
pub enum SerializedValue<'a> {
    /// `N;`
    Null,
    /// `b:1;`
    Bool(bool),
    /// `i:7;`
    Int(i64),
    /// `d:1.5;`
    Float(f64),
    /// `s:2:"ab";`, which PHP does not take for text.
    Bytes(&'a [u8]),
    /// `a:1:{…}`, with its keys in order.
    Array(Vec<(Self, Self)>),
    /// `O:1:"A":1:{…}`, with its properties in order.
    Object(&'a [u8], Vec<(Self, Self)>),
    /// `E:4:"A:ON";`: a case of an enum.
    Enum(&'a [u8]),
}

/// Why a text is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SerializedError {
    /// It ends early, or has something else than was announced.
    #[error("it is no serialised value of PHP (byte {0})")]
    Syntax(usize),
    /// Nested arrays or objects.
    #[error("it has more than {DEPTH_MAX} levels")]
    TooDeep,
    /// Too many values.
    #[error("it has more than {VALUES_MAX} values")]
    TooMany,
}

impl<'a> SerializedValue<'a> {
    /// Reads a text that is one value.
    pub fn read(text: &'a [u8]) -> Result<Self, SerializedError> {
        let mut reader = Reader { text, at: 0, values: 0 };
        let value = reader.value(DEPTH_MAX)?;
        if reader.at < text.len() { Err(reader.wrong()) } else { Ok(value) }
    }

    /// The property of an object, whatever its visibility, or the entry of an array.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let (Self::Array(entries) | Self::Object(_, entries)) = self else { return None };
        let is_named =
            |key: &Self| matches!(key, Self::Bytes(key) if property(key) == name.as_bytes());
        entries.iter().find(|(key, _)| is_named(key)).map(|(_, value)| value)
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&'a str> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

/// The name of a property without the mark of its visibility: `\0*\0name` or `\0Class\0name`.
fn property(key: &[u8]) -> &[u8] {
    match key.split_first() {
        Some((0, rest)) => {
            rest.iter().position(|&byte| byte == 0).map_or(key, |end| &rest[end + 1..])
        }
        _ => key,
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, levels: usize) -> Result<SerializedValue<'a>, SerializedError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(SerializedError::TooMany);
        }
        let kind = self.byte()?;
        if kind == b'N' {
            self.expect(b";")?;
            return Ok(SerializedValue::Null);
        }
        self.expect(b":")?;
        match kind {
            b'b' => match self.until(b';')? {
                b"0" => Ok(SerializedValue::Bool(false)),
                b"1" => Ok(SerializedValue::Bool(true)),
                _ => Err(self.wrong()),
            },
            b'i' => self.number(b';').map(SerializedValue::Int),
            b'd' => self.number(b';').map(SerializedValue::Float),
            b's' => {
                let bytes = self.bytes()?;
                self.expect(b";")?;
                Ok(SerializedValue::Bytes(bytes))
            }
            b'E' => {
                let case = self.bytes()?;
                self.expect(b";")?;
                Ok(SerializedValue::Enum(case))
            }
            b'a' => self.entries(levels).map(SerializedValue::Array),
            b'O' => {
                let class = self.bytes()?;
                self.expect(b":")?;
                Ok(SerializedValue::Object(class, self.entries(levels)?))
            }
            _ => Err(self.wrong()),
        }
    }

    /// `2:{key value key value}`
    fn entries(
        &mut self,
        levels: usize,
    ) -> Result<Vec<(SerializedValue<'a>, SerializedValue<'a>)>, SerializedError> {
        let inner = levels.checked_sub(1).ok_or(SerializedError::TooDeep)?;
        let count: usize = self.number(b':')?;
        self.expect(b"{")?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let key = self.value(0)?;
            if !matches!(key, SerializedValue::Bytes(_) | SerializedValue::Int(_)) {
                return Err(self.wrong());
            }
            entries.push((key, self.value(inner)?));
        }
        self.expect(b"}")?;
        Ok(entries)
    }

    /// `2:"ab"`
    fn bytes(&mut self) -> Result<&'a [u8], SerializedError> {
        let count: usize = self.number(b':')?;
        self.expect(b"\"")?;
        let end = self.at.checked_add(count).ok_or_else(|| self.wrong())?;
        let bytes = self.text.get(self.at..end).ok_or_else(|| self.wrong())?;
        self.at = end;
        self.expect(b"\"")?;
        Ok(bytes)
    }

    fn number<T: std::str::FromStr>(&mut self, end: u8) -> Result<T, SerializedError> {
        let digits = self.until(end)?;
        let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| self.wrong())
    }

    /// What stands before the next such byte, which is consumed. Numbers have at most 32.
    fn until(&mut self, end: u8) -> Result<&'a [u8], SerializedError> {
        let rest = &self.text[self.at..];
        let length = rest.iter().take(32).position(|&byte| byte == end);
        let length = length.ok_or_else(|| self.wrong())?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    fn byte(&mut self) -> Result<u8, SerializedError> {
        let byte = self.text.get(self.at).copied().ok_or_else(|| self.wrong())?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, text: &[u8]) -> Result<(), SerializedError> {
        if !self.text[self.at..].starts_with(text) {
            return Err(self.wrong());
        }
        self.at += text.len();
        Ok(())
    }

    fn wrong(&self) -> SerializedError {
        SerializedError::Syntax(self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DEPTH_MAX, SerializedError, SerializedValue, VALUES_MAX};

    /// `serialize` of PHP 8.2.
    const OBJECT: &[u8] =
        b"O:26:\"Laravel\\Reverb\\Application\":3:{s:5:\"\0*\0id\";s:6:\"123456\";\
        s:17:\"\0*\0allowedOrigins\";a:1:{i:0;s:1:\"*\";}s:17:\"\0*\0maxConnections\";N;}";

    #[test]
    fn an_object_is_read_by_the_names_of_its_properties() {
        let value = SerializedValue::read(OBJECT).unwrap();
        assert_eq!(value.get("id").and_then(SerializedValue::text), Some("123456"));
        assert_eq!(value.get("maxConnections"), Some(&SerializedValue::Null));
        let origins = vec![(SerializedValue::Int(0), SerializedValue::Bytes(b"*"))];
        assert_eq!(value.get("allowedOrigins"), Some(&SerializedValue::Array(origins)));
        assert_eq!((value.get("secret"), SerializedValue::Null.get("id")), (None, None));
    }

    #[test]
    fn scalars_are_read() {
        let check = |text: &[u8], value| assert_eq!(SerializedValue::read(text), Ok(value));
        check(b"N;", SerializedValue::Null);
        check(b"b:1;", SerializedValue::Bool(true));
        check(b"i:-7;", SerializedValue::Int(-7));
        check(b"d:1.5;", SerializedValue::Float(1.5));
        check(b"s:4:\"a\";\"\";", SerializedValue::Bytes(b"a\";\""));
        check(b"s:0:\"\";", SerializedValue::Bytes(b""));
        check(b"E:11:\"Suit:Hearts\";", SerializedValue::Enum(b"Suit:Hearts"));
        check(b"a:0:{}", SerializedValue::Array(Vec::new()));
    }

    #[test]
    fn what_is_cut_wrong_or_a_reference_is_refused() {
        for end in 0..OBJECT.len() {
            assert!(SerializedValue::read(&OBJECT[..end]).is_err(), "{end}");
        }
        for text in [
            "",
            "i:;",
            "i:1",
            "b:2;",
            "s:9:\"a\";",
            "s:-1:\"\";",
            "a:1:{}",
            "N;N;",
            "R:1;",
            "r:1;",
            "C:1:\"A\":0:{}",
            "a:1:{N;N;}",
            "s:18446744073709551615:\"a\";",
            "O:1:\"A\";",
            "a:99999999999:{}",
        ] {
            assert!(
                matches!(SerializedValue::read(text.as_bytes()), Err(SerializedError::Syntax(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested =
            |levels: usize| format!("{}N;{}", "a:1:{i:0;".repeat(levels), "}".repeat(levels));
        assert!(SerializedValue::read(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(
            SerializedValue::read(nested(DEPTH_MAX + 1).as_bytes()),
            Err(SerializedError::TooDeep)
        );
        assert_eq!(
            SerializedValue::read(nested(1_000_000).as_bytes()),
            Err(SerializedError::TooDeep)
        );
        let wide = format!("a:{VALUES_MAX}:{{{}}}", "i:0;N;".repeat(VALUES_MAX));
        assert_eq!(SerializedValue::read(wide.as_bytes()), Err(SerializedError::TooMany));
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(text in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = SerializedValue::read(&text);
        }

        #[test]
        fn no_change_of_a_valid_text_makes_reading_panic(at in 0..OBJECT.len(), byte: u8, cut in 0..OBJECT.len()) {
            let mut text = OBJECT.to_vec();
            text[at] = byte;
            let _ = SerializedValue::read(&text);
            let _ = SerializedValue::read(&text[cut..]);
        }
    }
}
