//! A whole node with two apps: the bytes are the steps of their sockets and back ends, and after each the node is as the
//! naive model of its app. What one app does, no socket of the other receives.

use super::Target;
use crate::bytes::Bytes;
use crate::ledger::Ledger;
use crate::model::Model;
use crate::outcomes::reached;
use crate::received::Received;
use crate::schedule::{CHANNELS, OWN, SOCKETS, Settings, Shows, Step, USERS};
use crate::server::Server;

pub(crate) const TARGET: Target = Target {
    name: "node",
    run,
    words: &["\u{0}", "\u{1}\u{2}", "\u{3}\u{4}\u{5}", "\u{6}\u{7}\u{8}\u{9}"],
    outcomes: &[
        "established",
        "error",
        "closed",
        "signed in",
        "refused",
        "cache_miss",
        "succeeded",
        "count",
        "member_added",
        "member_removed",
        "watchlist",
        "event",
        "two apps",
    ],
};

/// Longer schedules reach nothing new, and every step is compared as a whole.
const STEPS_MAX: usize = 150;

fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let settings = [settings(&mut bytes), settings(&mut bytes)];
    let mut servers = Server::several(&settings);
    let mut models = settings.map(Model::new);
    let mut used = [false; 2];
    for number in 0..STEPS_MAX {
        if bytes.is_empty() {
            break;
        }
        let (at, step) = step(&mut bytes);
        used[at] = true;
        let (is, should) = (servers[at].apply(number, &step), models[at].apply(number, &step));
        if let Some(difference) = is.differs(&should) {
            panic!("step {number} of app {at}, {step:?}: {difference}");
        }
        is.received.iter().flatten().for_each(note);
    }
    if used == [true; 2] {
        reached("two apps");
    }
    for (server, model) in servers.iter_mut().zip(&mut models) {
        for socket in 0..SOCKETS {
            let crash = Step::Crash(socket);
            let (is, should) = (server.apply(STEPS_MAX, &crash), model.apply(STEPS_MAX, &crash));
            assert_eq!(is.differs(&should), None, "at the end of {input:02x?}");
        }
        Ledger::balance(&server.all_seen).unwrap_or_else(|why| panic!("{why}"));
    }
}

fn settings(bytes: &mut Bytes<'_>) -> Settings {
    let switches = bytes.byte();
    let is_on = |bit: u8| switches & 1 << bit != 0;
    Settings {
        counts: is_on(0),
        watchlists: is_on(1),
        terminate_presence: is_on(2),
        whispers_everywhere: is_on(3),
        subscriptions: if is_on(4) { 3 } else { 100 },
        members: if is_on(5) { 1 + usize::from(is_on(6)) } else { 100 },
    }
}

/// The app of the next step, and the step.
fn step(bytes: &mut Bytes<'_>) -> (usize, Step) {
    let kind = bytes.byte();
    let socket = bytes.below(SOCKETS);
    // Now and then the channel of a user.
    let channel = |bytes: &mut Bytes<'_>| {
        let drawn = bytes.below(CHANNELS.len() * 2 + OWN.len());
        if drawn < OWN.len() { OWN[drawn] } else { CHANNELS[(drawn - OWN.len()) % CHANNELS.len()] }
    };
    let step = match kind & 0x0f {
        0 | 1 => Step::Connect(socket),
        2..=5 => {
            let channel = channel(bytes);
            let shows = match bytes.below(8) {
                0 => Shows::Nothing,
                1 => Shows::Wrong,
                2 | 3 => Shows::Right,
                _ => Shows::As(bytes.pick(&USERS), bytes.below(3) as u8),
            };
            Step::Subscribe(socket, channel, shows)
        }
        6 | 7 => Step::Unsubscribe(socket, channel(bytes)),
        8 => {
            let (user, info, signed) =
                (bytes.pick(&USERS), bytes.below(3) as u8, bytes.below(8) > 0);
            let watches = (0..bytes.below(4)).map(|_| bytes.pick(&USERS)).collect();
            Step::SignIn { socket, user, info, watches, signed }
        }
        9 => Step::ClientEvent(socket, channel(bytes)),
        10 | 11 => {
            let channel = channel(bytes);
            Step::Trigger(channel, (bytes.byte() % 2 == 1).then_some(socket))
        }
        12 => Step::Close(socket),
        13 => Step::Crash(socket),
        14 => Step::Terminate(bytes.pick(&USERS)),
        _ => Step::Wait,
    };
    (usize::from(kind >> 6 == 3), step)
}

fn note(received: &Received) {
    let text = &received.text;
    let word = if text.starts_with("signed in") {
        "signed in"
    } else {
        text.split(' ').next().unwrap_or_default()
    };
    reached(word);
}
