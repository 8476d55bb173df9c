//! JSON from clients and back ends: types that read it strictly, and [`check`], which refuses what
//! some JSON readers cannot read, so that text can be relayed to any client.
//!
//! The fields and their rules belong to the modules that use these types.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Levels of nested objects and lists. .NET's readers stop at 64, and a roster puts three levels
/// around a member's info.
const DEPTH_MAX: usize = 60;

/// Why some JSON readers reject a text, worded to follow the name of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("is no JSON")]
    Syntax,
    /// Strings of Go, Java, .NET and Swift cannot hold one half of a surrogate pair.
    #[error(
        "holds one half of a surrogate pair (\\ud83d without \\ude00): cut text between characters, not inside one"
    )]
    LoneSurrogate,
    /// Some readers take the first value, some the last, some reject the text.
    #[error("has the key {0:?} twice in one object")]
    DuplicateKey(String),
    /// Readers limit how deep they recurse.
    #[error("has more than {DEPTH_MAX} levels of objects and lists")]
    TooDeep,
    /// Readers that store numbers as doubles reject infinite ones.
    #[error("holds a number beyond the range of a double")]
    NumberRange,
}

/// Checks that every JSON reader can read `text`, and reads the same.
pub fn check(text: &str) -> Result<(), JsonError> {
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = PortableValue { levels: DEPTH_MAX, fault: &fault };
    if value.deserialize(&mut reader).and_then(|()| reader.end()).is_ok() {
        return Ok(());
    }
    // The reader above stopped at the first fault; a syntax error anywhere else takes precedence.
    Err(match fault.take() {
        _ if serde_json::from_str::<IgnoredAny>(text).is_err() => JsonError::Syntax,
        _ if has_lone_surrogate(text.as_bytes()) => JsonError::LoneSurrogate,
        Some(fault) => fault,
        None => JsonError::NumberRange,
    })
}

/// Whether a JSON text has an escape that is one half of a surrogate pair without the other.
pub fn has_lone_surrogate(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        rest = &rest[at..];
        let used = match unit(rest) {
            Some(0xd800..=0xdbff) => match unit(&rest[6..]) {
                Some(0xdc00..=0xdfff) => 12,
                _ => return true,
            },
            Some(0xdc00..=0xdfff) => return true,
            Some(_) => 6,
            None => 2,
        };
        rest = rest.get(used..).unwrap_or_default();
    }
    false
}

/// The UTF-16 unit of the escape at the start of `text`.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Checks a value that may have `levels` levels. Serde's errors are texts, so the cause of a refusal is
/// stored in `fault`.
#[derive(Clone, Copy)]
struct PortableValue<'f> {
    levels: usize,
    fault: &'f Cell<Option<JsonError>>,
}

impl PortableValue<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| self.refuse(JsonError::TooDeep))?;
        Ok(Self { levels, ..self })
    }

    fn refuse<E: Error>(self, why: JsonError) -> E {
        self.fault.set(Some(why));
        E::custom("see the fault")
    }
}

impl<'de> DeserializeSeed<'de> for PortableValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PortableValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut keys: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(JsonString(key)) = entries.next_key()? {
            if let Some(key) = keys.replace(key) {
                return Err(self.refuse(JsonError::DuplicateKey(key.into_owned())));
            }
            entries.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// A string that borrows from the JSON text unless it holds escapes. Serde copies every bare
/// `Option<Cow<str>>`; in this wrapper it borrows.
#[derive(Debug, Deserialize)]
pub struct JsonString<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A struct that is read from an object only; serde alone would also read it from a list of its fields.
#[derive(Debug)]
pub struct JsonObject<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonObject<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries))
    }
}

/// A list that may be encoded as an object: PHP writes a list with gaps, as `array_filter` leaves it,
/// as `{"0":"a","2":"b"}`. Its values are the list.
#[derive(Debug)]
pub struct JsonList<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonList<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(ListVisitor(PhantomData)).map(Self)
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some((IgnoredAny, item)) = entries.next_entry()? {
            list.push(item);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, JsonError, check, has_lone_surrogate};

    #[test]
    fn portable_json_is_accepted() {
        let deep = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        for text in [
            "null",
            "7",
            "-1.5e300",
            "12345678901234567890123",
            r#""\ud83d\ude00 \uD83D\uDE00 \\ud83d \u0000 \n é""#,
            r#"{"a":{"b":[]},"b":{"b":[1,{"b":{}}]}}"#,
            &deep,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_some_readers_reject_is_refused_with_its_cause() {
        let lone = |text| assert_eq!(check(text), Err(JsonError::LoneSurrogate), "{text}");
        lone(r#""\ud83d""#);
        lone(r#""\uDE00""#);
        lone(r#""\ud83dx\ude00""#);
        lone(r#""\ud83d\ud83d\ude00""#);
        lone(r#"{"a":[{"\ud83d":1}]}"#);
        lone(r#"{"a":"\\\ud83d"}"#);
        let twice =
            |text, key: &str| assert_eq!(check(text), Err(JsonError::DuplicateKey(key.into())));
        twice(r#"{"a":1,"a":1}"#, "a");
        twice(r#"[{"b":{"a":1,"\u0061":2}}]"#, "a");
        let depth = DEPTH_MAX + 1;
        for levels in [depth, 100_000] {
            let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
            assert_eq!(check(&deep), Err(JsonError::TooDeep));
        }
        assert_eq!(check(&r#"{"a":"#.repeat(depth)), Err(JsonError::Syntax));
        assert_eq!(check("[1e999]"), Err(JsonError::NumberRange));
        for text in ["", "x", "{", "[1,]", "1 2", "'a'", "\"\n\"", "NaN", r#""\u12""#, "{1:2}"] {
            assert_eq!(check(text), Err(JsonError::Syntax), "{text}");
        }
    }

    #[test]
    fn truncated_escapes_end_the_search_for_lone_surrogates() {
        for text in ["\\", "\\u", "\\u12", "\\u00e9", "\\\\u", "a\\\\ud83d", "\\ud83d\\ude00"] {
            assert!(!has_lone_surrogate(text.as_bytes()), "{text}");
        }
        for text in ["\\ud83d", "\\ud83d\\", "\\ud83d\\u", "\\ud83d\\ude0", "\\\\\\ude00"] {
            assert!(has_lone_surrogate(text.as_bytes()), "{text}");
        }
    }
}
