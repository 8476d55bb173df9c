//! The parameters of a query, read strictly: what is not known is refused by its name.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::answer::InternalError;
use crate::config::PayloadView;
use crate::observation::{NamePattern, OccurrenceKind, TapFilter};
use crate::protocol::SocketId;

/// The pairs of a query, decoded; `+` is a space, as in forms.
pub(super) fn pairs(query: &str) -> Result<Vec<(String, String)>, InternalError> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let decoded: Result<Cow<'_, str>, _> = percent_decode_str(&text).decode_utf8();
        decoded
            .map(Cow::into_owned)
            .map_err(|_| InternalError::bad_request("the query is no UTF-8"))
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    };
    pairs.map(pair).collect()
}

/// Takes one parameter of a filter; false if it is none.
pub(super) fn take_filter(
    filter: &mut TapFilter,
    name: &str,
    value: &str,
) -> Result<bool, InternalError> {
    let pattern = || {
        NamePattern::parse(value).map_err(|_| {
            let text =
                format!("{name} must be a name of 1 to 512 bytes, with * for any characters");
            InternalError::bad_request(text)
        })
    };
    match name {
        "app" => filter.app = Some(value.to_owned()),
        "channel" => filter.channel = Some(pattern()?),
        "event" => filter.event = Some(pattern()?),
        "socket" => {
            let socket = SocketId::parse(value);
            let text = || InternalError::bad_request("socket must be digits, a dot, digits");
            filter.socket = Some(socket.ok_or_else(text)?);
        }
        "kind" => filter.kinds = value.split(',').map(kind).collect::<Result<_, _>>()?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn kind(name: &str) -> Result<OccurrenceKind, InternalError> {
    OccurrenceKind::of_name(name).ok_or_else(|| {
        let names = OccurrenceKind::ALL.map(OccurrenceKind::name).join(", ");
        InternalError::bad_request(format!("kind has {name:?}; the kinds are {names}"))
    })
}

/// The view of the data that is asked for, where it is allowed.
pub(super) fn view(value: &str, allowed: PayloadView) -> Result<PayloadView, InternalError> {
    match PayloadView::of_name(value) {
        Some(view) if view <= allowed => Ok(view),
        Some(view) => Err(InternalError::new(
            axum::http::StatusCode::FORBIDDEN,
            format!(
                "payloads={} is more than this server shows; set internal.payloads = {:?} (RESOUND_INTERNAL_PAYLOADS) and restart it",
                view.name(),
                view.name()
            ),
        )),
        None => Err(InternalError::bad_request("payloads must be none, masked or full")),
    }
}

/// The refusal of a parameter that is not known.
pub(super) fn unknown(name: &str, known: &str) -> InternalError {
    let name: String = name.chars().take(64).collect();
    InternalError::bad_request(format!("the parameter {name:?} is not known; known are {known}"))
}
