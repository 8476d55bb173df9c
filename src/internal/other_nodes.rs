//! Asks the other nodes of the cluster the request that this node answers, and waits for them.
//!
//! A node that does not answer within half a second is counted as missing: the answer never waits longer for it.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{StatusCode, Uri};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::answer::InternalError;
use super::api::InternalApi;
use super::node_scope::NodeScope;

/// How long the answers may take. Redis takes a millisecond, a busy node some more.
const WAIT: Duration = Duration::from_millis(500);

/// A longer answer is not read: a record of that size is not what a test looks for.
pub(super) const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Stands in front of the path of an inquiry that changes something. A node of a version before drops it.
pub(super) const CHANGE: &str = "POST ";

/// How the other nodes answered; a field of answers in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct OtherNodes {
    answered: u32,
    /// `None` while Redis is away: then it is not known which nodes live.
    missing: Option<u32>,
}

impl OtherNodes {
    /// What is answered where no node has what was asked for: `absent`, unless a node that may have it has not answered, and
    /// `what` may be there.
    pub(super) fn refusal(
        others: Option<Self>,
        what: &str,
        absent: InternalError,
    ) -> InternalError {
        let text = match others {
            None | Some(Self { missing: Some(0), .. }) => return absent,
            Some(Self { missing: Some(_), .. }) => {
                format!("a node did not answer in time that may have {what}; ask again")
            }
            Some(Self { missing: None, .. }) => format!(
                "Redis is away, so the other nodes cannot be asked, one of which may have {what}; ask again"
            ),
        };
        InternalError::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

/// Asks the other nodes the request with this path and query. Returns their answers (`None` for an error), and how
/// many there are, if there is a cluster and all of it is asked for.
pub(super) async fn ask<T: DeserializeOwned>(
    api: &InternalApi,
    scope: NodeScope,
    uri: &Uri,
) -> (Vec<Option<T>>, Option<OtherNodes>) {
    ask_text(api, scope, &of_this_node(uri)).await
}

/// Has the other nodes do what this request of an operator changes, each for itself; otherwise as [`ask`].
pub(super) async fn have_done<T: DeserializeOwned>(
    api: &InternalApi,
    scope: NodeScope,
    uri: &Uri,
) -> (Vec<Option<T>>, Option<OtherNodes>) {
    ask_text(api, scope, &format!("{CHANGE}{}", of_this_node(uri))).await
}

async fn ask_text<T: DeserializeOwned>(
    api: &InternalApi,
    scope: NodeScope,
    text: &str,
) -> (Vec<Option<T>>, Option<OtherNodes>) {
    let inquiries = api.node.inquiries().filter(|_| scope == NodeScope::All);
    let Some(inquiries) = inquiries else { return (Vec::new(), None) };
    let mut inquiry = inquiries.open();
    if !inquiry.ask(text) {
        return (Vec::new(), Some(OtherNodes { answered: 0, missing: None }));
    }
    let others = inquiry.other_nodes().unwrap_or_default();
    let deadline = Instant::now() + WAIT;
    let mut parts: HashMap<String, String> = HashMap::new();
    let mut answers = Vec::new();
    let mut answered = 0;
    while answered < others {
        let Ok(Some(part)) = timeout_at(deadline, inquiry.next()).await else { break };
        let text = parts.entry(part.node).or_default();
        if text.len() + part.text.len() <= MAX_ANSWER_BYTES {
            text.push_str(&part.text);
        }
        if part.is_last {
            answered += 1;
            answers.push(serde_json::from_str(text).ok());
        }
    }
    let missing = Some(others.saturating_sub(answered));
    (answers, Some(OtherNodes { answered, missing }))
}

/// The request as it is sent to the other nodes, each of which answers for itself.
pub(super) fn of_this_node(uri: &Uri) -> String {
    let query = uri.query().unwrap_or_default();
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("nodes=")).collect();
    format!("{}?{}", uri.path(), [&kept[..], &["nodes=this"]].concat().join("&"))
}

/// Sorts rows of several nodes by their time.
pub(super) fn sort_by_time(rows: &mut [Box<RawValue>]) {
    #[derive(Deserialize)]
    struct Time {
        #[serde(alias = "ago_ms")]
        at_ms: u64,
    }
    let time = |row: &RawValue| serde_json::from_str(row.get()).map_or(0, |Time { at_ms }| at_ms);
    rows.sort_by_cached_key(|row| time(row));
}

#[cfg(test)]
mod tests {
    use super::of_this_node;

    #[test]
    fn the_other_nodes_answer_for_themselves() {
        for (uri, expected) in [
            ("/internal/v1/refusals", "/internal/v1/refusals?nodes=this"),
            ("/a?app=7&nodes=all&channel=x", "/a?app=7&channel=x&nodes=this"),
        ] {
            assert_eq!(of_this_node(&uri.parse().unwrap()), expected);
        }
    }
}
