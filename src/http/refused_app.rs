//! The app that a refused request was for, for those who look for the refusals of one app.
//!
//! Not a statement about who sent the request: a signature that is wrong names its app too.

use axum::body::Body;
use axum::http::{Response, Uri};
use percent_encoding::percent_decode_str;

use crate::node::Node;

/// The id of the app whose page or back end an answer is for, where the path does not name it; an extension of the
/// answer.
#[derive(Debug, Clone)]
pub(super) struct AnsweredApp(pub(super) String);

/// The id of the app of a request to this address, below `prefix` or not; `None` if it names no app of this server.
pub fn refused_app(
    answer: &Response<Body>,
    address: &Uri,
    node: &Node,
    prefix: &str,
) -> Option<String> {
    if let Some(AnsweredApp(app)) = answer.extensions().get() {
        return Some(app.clone());
    }
    let path = address.path();
    let path = path.strip_prefix(prefix).unwrap_or(path).strip_prefix("/apps/")?;
    let id = percent_decode_str(path.split('/').next()?).decode_utf8().ok()?;
    node.channels_by_id(&id).map(|channels| channels.app().id.clone())
}
