//! The parameters of a query, read strictly: what is not known is refused by its name.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::Uri;
use percent_encoding::percent_decode_str;

use super::answer::InternalError;
use super::api::InternalApi;
use super::node_scope::{NodeScope, take_scope};
use crate::config::PayloadView;
use crate::node::Channels;
use crate::observation::{EventOutcome, NamePattern, OccurrenceKind, TapFilter};
use crate::protocol::SocketId;

/// More than any viewer reads.
const MAX_ROWS_PER_SECOND: u32 = 10_000;

/// The pairs of a query, decoded; `+` is a space, as in forms.
pub(super) fn pairs(query: &str) -> Result<Vec<(String, String)>, InternalError> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let decoded: Result<Cow<'_, str>, _> = percent_decode_str(&text).decode_utf8();
        decoded.map(Cow::into_owned).map_err(|_| {
            InternalError::bad_request("the query is no UTF-8: percent-encode it as UTF-8")
        })
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    };
    pairs.map(pair).collect()
}

/// What the query of a viewer asks for, and how much of the data of events it sees where so much is allowed.
pub(super) fn wanted(
    query: &str,
    allowed: PayloadView,
) -> Result<(TapFilter, PayloadView), InternalError> {
    let (mut filter, mut seen) = (TapFilter::default(), PayloadView::Masked.min(allowed));
    let mut pairs = pairs(query)?;
    take_scope(&mut pairs)?;
    for (name, value) in pairs {
        if name == "payloads" {
            seen = view(&value, PayloadView::Full)?.min(allowed);
        } else if name == "max_rows_per_second" {
            filter.max_rows_per_second = Some(rows_per_second(&value)?);
        } else if !take_filter(&mut filter, &name, &value)? {
            let known =
                "app, channel, event, socket, kind, outcome, payloads, max_rows_per_second, nodes";
            return Err(unknown(&name, known));
        }
    }
    Ok((filter, seen))
}

/// The nodes that a request without other parameters is about.
pub(super) fn scope_alone(uri: &Uri) -> Result<NodeScope, InternalError> {
    let mut pairs = pairs(uri.query().unwrap_or_default())?;
    let scope = take_scope(&mut pairs)?;
    match pairs.first() {
        None => Ok(scope),
        Some((name, _)) => Err(unknown(name, "nodes")),
    }
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
        "outcome" => filter.outcomes = value.split(',').map(outcome).collect::<Result<_, _>>()?,
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

fn outcome(name: &str) -> Result<EventOutcome, InternalError> {
    EventOutcome::of_name(name).ok_or_else(|| {
        let names = EventOutcome::ALL.map(EventOutcome::name).join(", ");
        InternalError::bad_request(format!("outcome has {name:?}; the outcomes are {names}"))
    })
}

/// The most rows of a second that a viewer asks for.
pub(super) fn rows_per_second(value: &str) -> Result<u32, InternalError> {
    let rows = value.parse().ok().filter(|rows| (1..=MAX_ROWS_PER_SECOND).contains(rows));
    rows.ok_or_else(|| {
        let text = format!("max_rows_per_second must be 1 to {MAX_ROWS_PER_SECOND}");
        InternalError::bad_request(text)
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

/// The channels of the app that a path names.
pub(super) fn channels_of(api: &InternalApi, app: &str) -> Result<Arc<Channels>, InternalError> {
    api.node.channels_by_id(app).ok_or_else(|| {
        let app: String = app.chars().take(64).collect();
        let text = format!("no app of this server has the id {app:?}");
        InternalError::new(axum::http::StatusCode::NOT_FOUND, text)
    })
}

/// Rows of a list, unless a request asks for more or fewer.
const ROWS: usize = 100;

/// Rows of a list at most.
const ROWS_MAX: usize = 500;

/// Longer than any text that is searched for.
const TEXT_BYTES_MAX: usize = 512;

/// What chooses the rows of a list: its parameters that are not of one resource alone.
#[derive(Debug)]
pub(super) struct ListParameters {
    pub(super) limit: usize,
    /// The other parameters, by name: each of 1 to 512 bytes, the last of each name.
    pub(super) texts: Vec<(String, String)>,
}

impl ListParameters {
    /// Reads the parameters of a list, of which `known` are those of this resource.
    pub(super) fn of(query: &str, known: &str) -> Result<Self, InternalError> {
        let mut parameters = Self { limit: ROWS, texts: Vec::new() };
        for (name, value) in pairs(query)? {
            if name == "limit" {
                let limit = value.parse().ok().filter(|limit| (1..=ROWS_MAX).contains(limit));
                let text = format!("limit must be 1 to {ROWS_MAX}");
                parameters.limit = limit.ok_or_else(|| InternalError::bad_request(text))?;
            } else if !known.split(", ").any(|known| known == name) {
                return Err(unknown(&name, &format!("{known}, limit")));
            } else if value.len() > TEXT_BYTES_MAX {
                let text = format!("{name} must have {TEXT_BYTES_MAX} bytes at most");
                return Err(InternalError::bad_request(text));
            } else if !value.is_empty() {
                parameters.texts.push((name, value));
            }
        }
        Ok(parameters)
    }

    /// The value of a parameter; one that is empty is absent, as forms send it.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.texts.iter().position(|(given, _)| given == name)?;
        Some(self.texts.swap_remove(at).1)
    }

    /// The value of a parameter that is one of these names.
    pub(super) fn take_one_of<T: Copy + Default>(
        &mut self,
        name: &str,
        names: &[(&'static str, T)],
    ) -> Result<T, InternalError> {
        let Some(value) = self.take(name) else { return Ok(T::default()) };
        let found = names.iter().find(|(known, _)| *known == value).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            InternalError::bad_request(format!("{name} must be one of {}", names.join(", ")))
        })
    }
}

/// The refusal of a parameter that is not known.
pub(super) fn unknown(name: &str, known: &str) -> InternalError {
    let name: String = name.chars().take(64).collect();
    InternalError::bad_request(format!("the parameter {name:?} is not known; known are {known}"))
}
