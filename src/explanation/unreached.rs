//! Which sockets an event did not reach although it might have, one sentence each: the excepted one, those on near
//! channels, those that came later or had left, or no client at all.
//!
//! A pure function of the same situation as the verdict, which has the likeliest of these causes in its sentence.

use std::time::Duration;

use serde::Serialize;

use super::near_miss::count;
use super::time_text::ago;
use super::verdict::{Exclusion, Situation};

/// Sockets that an event did not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// Why, for programs.
    pub reason: UnreachedReason,
    /// Which sockets and why, for people.
    pub sentence: String,
}

/// Why an event did not reach sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnreachedReason {
    /// The `socket_id` of the trigger excepts a subscriber.
    Excepted,
    /// They are on a channel with a near name.
    NearMiss,
    /// They are on the channel of this name in another app.
    OtherApp,
    /// They subscribed after the event.
    TooEarly,
    /// The last one left before the event.
    Left,
    /// A subscription was refused before the event.
    Refused,
    /// No client of the app is connected.
    NoClient,
}

/// What is known beside the situation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Aftermath {
    /// How long after the event the first socket subscribed.
    pub subscribed_after: Option<Duration>,
    /// Open sockets of the app.
    pub open_sockets: u32,
}

/// The sockets that an event did not reach.
pub fn unreached(situation: &Situation<'_>, aftermath: Aftermath) -> Vec<Unreached> {
    let Situation { channel, past, reach, .. } = situation;
    let mut all = Vec::new();
    let mut add = |reason, sentence| all.push(Unreached { reason, sentence });
    if let Exclusion::Subscriber(socket) = situation.except {
        let text = format!(
            "socket {socket} is subscribed, and the socket_id of the trigger excepts it (`toOthers()`)"
        );
        add(UnreachedReason::Excepted, text);
    }
    for near in &situation.near_misses {
        add(UnreachedReason::NearMiss, near.sentence());
    }
    for (app, sockets) in &situation.other_apps {
        let text = format!("{} on the channel of this name in app {app:?}", count(*sockets));
        add(UnreachedReason::OtherApp, text);
    }
    if let Some(span) = aftermath.subscribed_after.filter(|_| reach.sockets == 0) {
        let text = format!(
            "the first socket subscribed to `{channel}` {} after the event: it was published too early",
            ago(span)
        );
        add(UnreachedReason::TooEarly, text);
    }
    if let Some((span, socket)) = past.vacated {
        let socket = socket.map_or("a socket".to_owned(), |socket| format!("socket {socket}"));
        let text =
            format!("{socket} left `{channel}` as the last one {} before the event", ago(span));
        add(UnreachedReason::Left, text);
    }
    if let Some((span, why)) = &past.refused {
        let text = format!(
            "a subscription to `{channel}` was refused {} before the event: {why}",
            ago(*span)
        );
        add(UnreachedReason::Refused, text);
    }
    if aftermath.open_sockets == 0 && reach.sockets == 0 {
        add(UnreachedReason::NoClient, NO_CLIENT.to_owned());
    }
    all
}

/// Where a page does not come at all, its address is what is wrong.
const NO_CLIENT: &str = "no client of the app is connected, so no page reaches this server: Echo takes wsHost, wsPort and wssPort, and ignores host, port and scheme, with which it dials pusher.com; 0.0.0.0 is an address to listen at and none to connect to. The browser's console has the address that the page dials, and `resound doctor` finds it in the built page";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Aftermath, Situation, UnreachedReason, unreached};
    use crate::explanation::{ChannelPast, Exclusion, NearMiss, Subscribers};
    use crate::protocol::SocketId;

    #[test]
    fn each_group_of_sockets_has_its_sentence() {
        let socket = SocketId::parse("1.2").unwrap();
        let situation = Situation {
            channel: "orders",
            except: Exclusion::Subscriber(socket),
            reach: Subscribers { sockets: 1, nodes: 1, is_partial: false },
            ..Situation::default()
        };
        let sentences = |situation: &Situation<'_>, aftermath| {
            let all = unreached(situation, aftermath).into_iter();
            all.map(|one| (one.reason, one.sentence)).collect::<Vec<_>>()
        };
        let open = Aftermath { open_sockets: 1, ..Aftermath::default() };
        assert_eq!(
            sentences(&situation, open),
            [(UnreachedReason::Excepted, "socket 1.2 is subscribed, and the socket_id of the trigger excepts it (`toOthers()`)".to_owned())]
        );
        let situation = Situation {
            channel: "orders",
            near_misses: NearMiss::new("orders", "private-orders", 3).into_iter().collect(),
            other_apps: vec![("8".to_owned(), 2)],
            past: ChannelPast {
                vacated: Some((Duration::from_secs(2), Some(socket))),
                refused: Some((Duration::from_millis(40), "why".to_owned())),
                never_since: None,
            },
            ..Situation::default()
        };
        let late =
            Aftermath { subscribed_after: Some(Duration::from_millis(120)), open_sockets: 3 };
        assert_eq!(
            sentences(&situation, late),
            [
                (UnreachedReason::NearMiss, "3 sockets on `private-orders`: publish on `PrivateChannel`".to_owned()),
                (UnreachedReason::OtherApp, "2 sockets on the channel of this name in app \"8\"".to_owned()),
                (UnreachedReason::TooEarly, "the first socket subscribed to `orders` 120 ms after the event: it was published too early".to_owned()),
                (UnreachedReason::Left, "socket 1.2 left `orders` as the last one 2.0 s before the event".to_owned()),
                (UnreachedReason::Refused, "a subscription to `orders` was refused 40 ms before the event: why".to_owned()),
            ]
        );
        let reasons = unreached(&Situation::default(), Aftermath::default());
        assert_eq!(reasons[0].reason, UnreachedReason::NoClient);
    }
}
