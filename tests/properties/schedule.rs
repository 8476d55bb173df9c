//! What may happen: the steps of a schedule, the app's switches, and how both are drawn.
//!
//! Steps of sockets that are not connected have no effect, so that any part of a schedule is one.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;

/// Places for sockets.
pub(crate) const SOCKETS: usize = 5;

/// The last one's id is a number in what is signed.
pub(crate) const USERS: [&str; 3] = ["ann", "bob", "7"];

/// Channels that are subscribed to by name.
pub(crate) const CHANNELS: [&str; 6] =
    ["a", "private-b", "presence-c", "presence-d", "cache-e", "presence-cache-f"];

/// Channels that are joined by signing in.
pub(crate) const OWN: [&str; 3] =
    ["#server-to-user-ann", "#server-to-user-bob", "#server-to-user-7"];

/// For how many seconds a cache channel keeps its event.
pub(crate) const CACHE_SECONDS: u64 = 30;

/// What [`Step::Wait`] adds to the clock, in seconds.
pub(crate) const WAIT_SECONDS: u64 = 20;

type User = &'static str;
type Channel = &'static str;

/// What a client shows for a subscription.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shows {
    /// No `auth` and no `channel_data`.
    Nothing,
    /// A signature that does not fit.
    Wrong,
    /// The right signature, without `channel_data`.
    Right,
    /// The right signature; on presence channels with this user and info.
    As(User, u8),
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Connect(usize),
    Subscribe(usize, Channel, Shows),
    Unsubscribe(usize, Channel),
    /// As whom, with which info, watching whom; `signed` is whether the signature fits.
    SignIn {
        socket: usize,
        user: User,
        info: u8,
        watches: Vec<User>,
        signed: bool,
    },
    ClientEvent(usize, Channel),
    /// A back end's event, received by all but one.
    Trigger(Channel, Option<usize>),
    /// The closing handshake of a client.
    Close(usize),
    /// The transport is gone.
    Crash(usize),
    Terminate(User),
    Wait,
}

/// The switches and bounds of the app.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) counts: bool,
    pub(crate) watchlists: bool,
    pub(crate) terminate_presence: bool,
    pub(crate) whispers_everywhere: bool,
    pub(crate) subscriptions: usize,
    pub(crate) members: usize,
}

/// A whole run.
#[derive(Clone)]
pub(crate) struct Schedule {
    pub(crate) settings: Settings,
    pub(crate) steps: Vec<Step>,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n  {:?}", self.settings)?;
        self.steps.iter().enumerate().try_for_each(|(n, step)| write!(f, "\n  {n:3} {step:?}"))
    }
}

/// Any schedule of at most so many steps.
pub(crate) fn schedule(steps: usize) -> impl Strategy<Value = Schedule> {
    (settings(), prop::collection::vec(step(), 1..=steps))
        .prop_map(|(settings, steps)| Schedule { settings, steps })
}

fn settings() -> impl Strategy<Value = Settings> {
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let few = prop_oneof![2 => Just(100), 1 => 1usize..3];
    let some = prop_oneof![3 => Just(100), 1 => Just(3usize)];
    (switches, some, few).prop_map(|((counts, watchlists, terminate, whispers), subs, members)| {
        Settings {
            counts,
            watchlists,
            terminate_presence: terminate,
            whispers_everywhere: whispers,
            subscriptions: subs,
            members,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let socket = || 0..SOCKETS;
    let user = || select(&USERS[..]);
    let named = || prop_oneof![8 => select(&CHANNELS[..]), 1 => select(&OWN[..])];
    let triggered = prop_oneof![3 => select(&CHANNELS[..]), 1 => select(&OWN[..])];
    let shows = prop_oneof![
        1 => Just(Shows::Nothing),
        1 => Just(Shows::Wrong),
        4 => Just(Shows::Right),
        10 => (user(), 0u8..3).prop_map(|(user, info)| Shows::As(user, info)),
    ];
    let watches = prop::collection::vec(user(), 0..=3);
    let signs_in = (socket(), user(), 0u8..3, watches, prop::bool::weighted(0.9));
    prop_oneof![
        14 => socket().prop_map(Step::Connect),
        28 => (socket(), named(), shows).prop_map(|(s, c, shows)| Step::Subscribe(s, c, shows)),
        10 => (socket(), named()).prop_map(|(s, c)| Step::Unsubscribe(s, c)),
        10 => signs_in.prop_map(|(socket, user, info, watches, signed)| {
            Step::SignIn { socket, user, info, watches, signed }
        }),
        8 => (socket(), named()).prop_map(|(s, c)| Step::ClientEvent(s, c)),
        12 => (triggered, prop::option::of(socket())).prop_map(|(c, s)| Step::Trigger(c, s)),
        3 => socket().prop_map(Step::Close),
        3 => socket().prop_map(Step::Crash),
        2 => user().prop_map(Step::Terminate),
        2 => Just(Step::Wait),
    ]
}

/// The JSON of a `user_info`, where there is one.
pub(crate) fn info(number: u8) -> Option<String> {
    (number > 0).then(|| format!("{{\"i\":[{number}]}}"))
}

/// What a back end signs for a presence channel.
pub(crate) fn channel_data(user: &str, number: u8) -> String {
    let info = info(number).map(|info| format!(",\"user_info\":{info}")).unwrap_or_default();
    format!("{{\"user_id\":{}{info}}}", id(user))
}

/// What a back end signs for a user.
pub(crate) fn user_data(user: &str, number: u8, watches: &[&str]) -> String {
    let info = info(number).map(|info| format!(",\"user_info\":{info}")).unwrap_or_default();
    let watches: Vec<String> = watches.iter().map(|user| id(user)).collect();
    format!("{{\"id\":{}{info},\"watchlist\":[{}]}}", id(user), watches.join(","))
}

fn id(user: &str) -> String {
    if user == "7" { user.to_owned() } else { format!("\"{user}\"") }
}
