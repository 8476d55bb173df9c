//! The trace that a request belongs to, as W3C's `traceparent` names it, and the ids of a new one.
//!
//! Pure: random numbers are arguments.

use std::fmt;

/// The id of a trace: the same in all programs that a request passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceId(pub(super) u128);

/// The id of a span within its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpanId(pub(super) u64);

/// As hexadecimal digits of fixed length, which both W3C and OTLP/JSON have.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The trace and the span of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceContext {
    pub(super) trace: TraceId,
    pub(super) caller: SpanId,
    /// Whether the caller records its part of the trace.
    pub(super) is_sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent` field; `None` for one that the specification calls invalid.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let version = hex(parts.next()?, 2)?;
        let (trace, caller) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
        let flags = hex(parts.next()?, 2)?;
        // Later versions may have more parts; version 0 has these, and 255 is none.
        if version == 0xff || version == 0 && parts.next().is_some() || trace == 0 || caller == 0 {
            return None;
        }
        let caller = SpanId(u64::try_from(caller).ok()?);
        Some(Self { trace: TraceId(trace), caller, is_sampled: flags & 1 == 1 })
    }
}

/// A number of lower-case hexadecimal digits, exactly so many.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let fits = text.len() == digits && text.bytes().all(is_digit);
    fits.then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::{SpanId, TraceContext, TraceId};

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const CALLER: &str = "b7ad6b7169203331";

    fn is_sampled(text: &str) -> Option<bool> {
        TraceContext::parse(text).map(|context| context.is_sampled)
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let context = TraceContext::parse(&format!("00-{TRACE}-{CALLER}-01")).unwrap();
        assert_eq!(context.trace.to_string(), TRACE);
        assert_eq!(context.caller.to_string(), CALLER);
        assert!(context.is_sampled);
        assert_eq!(TraceId(1).to_string().len(), 32);
        assert_eq!(SpanId(1).to_string(), "0000000000000001");
    }

    #[test]
    fn the_flag_decides_and_what_is_invalid_is_none() {
        assert_eq!(is_sampled(&format!("00-{TRACE}-{CALLER}-00")), Some(false));
        assert_eq!(is_sampled(&format!("00-{TRACE}-{CALLER}-03")), Some(true), "other flags");
        assert_eq!(
            is_sampled(&format!("01-{TRACE}-{CALLER}-01-more")),
            Some(true),
            "later version"
        );
        for invalid in [
            String::new(),
            format!("00-{TRACE}-{CALLER}"),
            format!("00-{TRACE}-{CALLER}-01-more"),
            format!("ff-{TRACE}-{CALLER}-01"),
            format!("00-{}-{CALLER}-01", TRACE.to_uppercase()),
            format!("00-{}-{CALLER}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-+{}-{CALLER}-01", &TRACE[1..]),
            format!("00-{TRACE}0-{CALLER}-01"),
            format!("00-{TRACE}-{CALLER}-é"),
        ] {
            assert_eq!(is_sampled(&invalid), None, "{invalid:?}");
        }
    }
}
