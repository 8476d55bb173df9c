//! An occurrence as one line of JSON: the form that the internal API documents.

use serde::Serialize;

use super::occurrence::{Occurrence, What};
use super::payload::Payload;
use crate::config::PayloadView;

#[derive(Serialize)]
struct Row<'a> {
    at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'a str>,
    #[serde(flatten)]
    what: &'a What,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    data_cut: bool,
}

/// The line, without its end, with what the viewer may see of the data. `node` is the name of the node in a
/// cluster.
pub fn row(occurrence: &Occurrence, node: Option<&str>, view: PayloadView) -> String {
    let payload = occurrence.what.payload();
    let data = payload.and_then(|payload| payload.seen(view));
    let data_cut = data.is_some() && payload.is_some_and(Payload::is_cut);
    written(occurrence, node, (data, data_cut))
}

/// The line of a recorded event, with all of its data.
pub fn recorded_row(occurrence: &Occurrence, node: Option<&str>) -> String {
    let data = occurrence.what.payload().map(|payload| payload.kept().to_owned());
    written(occurrence, node, (data, false))
}

fn written(
    occurrence: &Occurrence,
    node: Option<&str>,
    (data, data_cut): (Option<String>, bool),
) -> String {
    let row = Row {
        at_ms: occurrence.at_ms,
        node,
        app: occurrence.app.as_deref(),
        what: &occurrence.what,
        bytes: occurrence.what.payload().map(Payload::bytes),
        data_cut,
        data,
    };
    serde_json::to_string(&row).expect("texts and numbers serialize")
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::super::occurrence::{Occurrence, Published, TriggerSource, What};
    use super::super::refusal::{Refusal, RefusedPart};
    use super::{Payload, PayloadView, row};
    use crate::protocol::SocketId;

    #[test]
    fn a_row_has_what_is_known_and_nothing_else() {
        let trigger = Published {
            id: None,
            source: TriggerSource::Http,
            channels: vec!["a".to_owned(), "b".to_owned()],
            event: "App\\Events\\Shipped".to_owned(),
            except: SocketId::parse("1.2"),
            subscribers: Some(3),
            outcome: None,
            payload: Payload::of(r#"{"id":7}"#, 4096),
        };
        let what = What::Trigger(trigger);
        let occurrence = Occurrence { at_ms: 5, app: Some("7".to_owned()), what };
        assert_eq!(
            row(&occurrence, Some("n1"), PayloadView::Masked),
            r#"{"at_ms":5,"node":"n1","app":"7","kind":"trigger","source":"http","channels":["a","b"],"event":"App\\Events\\Shipped","except":"1.2","subscribers":3,"bytes":8,"data":"{\"id\": number}"}"#
        );
        assert_eq!(
            row(&occurrence, None, PayloadView::None),
            r#"{"at_ms":5,"app":"7","kind":"trigger","source":"http","channels":["a","b"],"event":"App\\Events\\Shipped","except":"1.2","subscribers":3,"bytes":8}"#
        );
        let refusal = Refusal::new(RefusedPart::SignIn, "why").with_code(4009);
        let occurrence = Occurrence { at_ms: 5, app: None, what: What::Refused(refusal) };
        assert_eq!(
            row(&occurrence, None, PayloadView::Full),
            r#"{"at_ms":5,"kind":"refused","part":"sign_in","code":4009,"cause":"why"}"#
        );
    }
}
