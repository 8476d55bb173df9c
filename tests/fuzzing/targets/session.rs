//! A whole session: the bytes are the steps of one socket, and each brings about what the rules say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use resound::app::{App, ClientEvents, MessageRate};
use resound::protocol::client_message::ClientMessage;
use resound::protocol::session::{Action, Addressee, Session};
use resound::protocol::signature::{signed_channel, signed_user};
use resound::protocol::{ChannelName, ClientLibrary, Frame, SocketId};
use serde_json::{Value, json};

use super::Target;
use crate::bytes::Bytes;
use crate::fixture;
use crate::outcomes::reached;
use crate::session_rules::{
    AppRules, DATA_BYTES, EVENT_CHARS, MEMBERS, NAME_BYTES, PING_AFTER, PONG_WITHIN, SessionRules,
    Shown, USER_BYTES, WATCHED,
};

pub(crate) const TARGET: Target = Target {
    name: "session",
    run,
    words: &[
        "{\"event\":\"pusher:ping\"}",
        "{\"event\":\"x\"}",
        "{}",
        "\u{1}\u{3}\u{5}",
        "\u{2}\u{4}\u{6}\u{8}",
    ],
    outcomes: &[
        "subscribe",
        "confirm",
        "confirm sign-in",
        "unsubscribe",
        "refuse",
        "sign in",
        "refuse sign-in",
        "publish",
        "reject 4009",
        "reject 4200",
        "reject 4301",
        "reject 4302",
        "close Flooding",
        "close RateLimited",
        "close NotAuthorizedInTime",
        "close PongNotReceived",
        "send pusher:pong",
        "send pusher:ping",
        "send a ping frame",
        "send pusher:signin_success",
        "pending",
        "withdrawn",
        "refused when granted",
    ],
};

const CHANNELS: [&str; 13] = [
    "a",
    "private-b",
    "presence-c",
    "private-encrypted-d",
    "cache-e",
    "presence-cache-f",
    "private-encrypted-cache-g",
    "#server-to-user-ann",
    "#server-to-user-bob",
    "not a name",
    "",
    "a-name-that-is-longer-than-this-app-allows",
    "#x",
];

const USERS: [&str; 4] = ["ann", "bob", "7", "a-long-user"];

/// A unit of time of the rules.
const UNIT: Duration = Duration::from_millis(5);

struct Play {
    session: Session,
    rules: SessionRules,
    app: Arc<App>,
    socket: SocketId,
    start: Instant,
    now: Instant,
}

fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let mut play = Play::begin(&mut bytes);
    while !bytes.is_empty() {
        let is_over = play.step(&mut bytes);
        play.agrees();
        if is_over {
            return;
        }
    }
}

impl Play {
    fn begin(bytes: &mut Bytes<'_>) -> Self {
        let (switches, limits) = (bytes.byte(), bytes.byte());
        let rules = AppRules {
            client_events: [Some(false), Some(true), None, Some(false)][usize::from(switches % 4)],
            client_events_per_second: (switches & 4 != 0).then_some(10),
            messages: (switches & 8 != 0).then_some((20, 200, switches & 16 != 0)),
            subscriptions: if switches & 32 != 0 { 2 } else { 100 },
            authorize_within: (switches & 64 != 0).then_some(4000),
            decrypts: limits & 1 != 0,
        };
        let app = Arc::new(app(rules));
        let (socket, start) = (SocketId::parse("12.34").unwrap(), Instant::now());
        let library = if rules.decrypts { ClientLibrary::Java } else { ClientLibrary::Other };
        let (session, established) = Session::open(app.clone(), socket, library, start);
        assert_eq!(event(&established), "pusher:connection_established");
        Self { session, rules: SessionRules::new(rules, 0), app, socket, start, now: start }
    }

    /// One step; true if the socket is closed by it.
    fn step(&mut self, bytes: &mut Bytes<'_>) -> bool {
        match bytes.byte() % 16 {
            0 | 1 => {
                let units = bytes.pick(&[1_u64, 20, 200, 199, 2000, 4000, 5999, 6000]);
                self.now += UNIT * u32::try_from(units).unwrap();
                self.rules.wait(units);
                false
            }
            2 => {
                let action = self.session.tick(self.now);
                let expected = self.rules.tick();
                self.compare(action.as_slice(), &expected, bytes)
            }
            3 => {
                let action = self.session.receive_control_frame(self.now);
                let expected = self.rules.control_frame();
                self.compare(action.as_slice(), &expected, bytes)
            }
            4 => self.repeated(bytes),
            5 => self.decided(bytes),
            6 | 7 => self.sign_in(bytes),
            8 => {
                let channel = bytes.pick(&CHANNELS);
                let expected = self.rules.unsubscribe(channel);
                self.receive(
                    &json!({"event": "pusher:unsubscribe", "data": {"channel": channel}}),
                    &expected,
                    bytes,
                )
            }
            9 | 10 => self.client_event(bytes),
            11 => self.any_text(bytes),
            _ => self.subscribe(bytes),
        }
    }

    fn receive(&mut self, message: &Value, expected: &[String], bytes: &mut Bytes<'_>) -> bool {
        let actions = self.session.receive(&message.to_string(), self.now);
        self.compare(&actions, expected, bytes)
    }

    /// Many pings: what a flood is.
    fn repeated(&mut self, bytes: &mut Bytes<'_>) -> bool {
        let times = bytes.pick(&[1, 3, 25, 7000, 1, 2, 21, 3, 1]);
        let text = json!({"event": "pusher:ping"}).to_string();
        (0..times).any(|_| {
            let expected = self.rules.message(&["send pusher:pong"]);
            let actions = self.session.receive(&text, self.now);
            self.compare(&actions, &expected, bytes)
        })
    }

    fn subscribe(&mut self, bytes: &mut Bytes<'_>) -> bool {
        let channel = bytes.pick(&CHANNELS);
        let shown = match bytes.below(8) {
            0 => Shown::Nothing,
            1 => Shown::Wrong,
            2 | 3 => Shown::Right,
            _ => Shown::As(bytes.pick(&USERS)),
        };
        let data = match shown {
            Shown::As(user) => Some(format!("{{\"user_id\":\"{user}\"}}")),
            _ => None,
        };
        let auth = match shown {
            Shown::Nothing => String::new(),
            Shown::Wrong => signed_channel(&self.app, self.socket, "another", None),
            _ => signed_channel(&self.app, self.socket, channel, data.as_deref()),
        };
        let mut request = json!({"channel": channel, "auth": auth});
        if let Some(data) = data {
            request["channel_data"] = data.into();
        }
        let expected = self.rules.subscribe(channel, shown);
        self.receive(&json!({"event": "pusher:subscribe", "data": request}), &expected, bytes)
    }

    fn sign_in(&mut self, bytes: &mut Bytes<'_>) -> bool {
        let (user, is_right, watched) = (bytes.pick(&USERS), bytes.below(4) > 0, bytes.below(4));
        let watchlist: Vec<String> = (0..watched).map(|at| at.to_string()).collect();
        let user_data = json!({"id": user, "watchlist": watchlist}).to_string();
        let signed = if is_right { user_data.as_str() } else { "" };
        let auth = signed_user(&self.app, self.socket, signed);
        let expected = self.rules.sign_in(user, is_right, watched);
        let data = json!({"auth": auth, "user_data": user_data});
        self.receive(&json!({"event": "pusher:signin", "data": data}), &expected, bytes)
    }

    fn client_event(&mut self, bytes: &mut Bytes<'_>) -> bool {
        let channel = bytes.pick(&CHANNELS);
        let event = bytes.pick(&["client-x", "client-é", "client-longer-than-allowed"]);
        let data = "d".repeat(bytes.pick(&[0, 1, DATA_BYTES, DATA_BYTES + 1]));
        let expected = self.rules.client_event(channel, event, &data);
        self.receive(&json!({"event": event, "channel": channel, "data": data}), &expected, bytes)
    }

    /// A text of the input, as far as it has no rules of its own.
    fn any_text(&mut self, bytes: &mut Bytes<'_>) -> bool {
        let Ok(text) = std::str::from_utf8(bytes.chunk()) else { return false };
        let answer: &[&str] = match ClientMessage::parse(text) {
            Ok(ClientMessage::Ping) => &["send pusher:pong"],
            Ok(ClientMessage::Pong) => &[],
            Ok(ClientMessage::Unsupported { .. }) | Err(_) => &["reject 4200"],
            Ok(_) => return false,
        };
        let expected = self.rules.message(answer);
        let actions = self.session.receive(text, self.now);
        self.compare(&actions, &expected, bytes)
    }

    /// What was pending is decided.
    fn decided(&mut self, bytes: &mut Bytes<'_>) -> bool {
        let Ok(channel) = ChannelName::parse(bytes.pick(&CHANNELS), NAME_BYTES) else {
            return false;
        };
        if bytes.below(2) == 0 {
            self.session.subscription_granted(&channel);
            self.rules.granted(channel.as_str());
        } else {
            reached("withdrawn");
            let user = self.session.subscription_withdrawn(&channel);
            assert_eq!(user.as_deref(), self.rules.withdrawn(channel.as_str()).as_deref());
        }
        false
    }

    /// Actions as the rules have them; what a subscription leads to is decided by the input. True if the socket closes.
    fn compare(&mut self, actions: &[Action], expected: &[String], bytes: &mut Bytes<'_>) -> bool {
        let found: Vec<String> = actions.iter().flat_map(lines).collect();
        assert_eq!(found, expected);
        for action in actions {
            match action {
                Action::Close(_) | Action::RefuseSignIn(_) => return true,
                Action::Subscribe { channel, .. } => match bytes.below(4) {
                    0 => {
                        let refusal = self.session.subscription_refused(channel);
                        assert_eq!(line(&refusal), self.rules.refused(channel.as_str()));
                        reached("refused when granted");
                    }
                    1 => {
                        self.session.subscription_pending(channel);
                        self.rules.pending(channel.as_str());
                        reached("pending");
                    }
                    _ => {
                        self.session.subscription_granted(channel);
                        self.rules.granted(channel.as_str());
                    }
                },
                _ => {}
            }
        }
        false
    }

    /// What can be asked of a session.
    fn agrees(&self) {
        let of_session = self.session.subscriptions(usize::MAX).into_iter();
        let found: Vec<(String, Option<String>)> = of_session
            .map(|(name, user)| (name.to_string(), user.map(|user| user.to_string())))
            .collect();
        assert_eq!(found, self.rules.subscriptions());
        assert_eq!(self.session.subscription_count(), found.len());
        let deadline = self.start + UNIT * u32::try_from(self.rules.deadline()).unwrap();
        assert_eq!(self.session.deadline(), deadline);
    }
}

fn app(rules: AppRules) -> App {
    let mut app = fixture::app();
    app.accept_client_events_from = match rules.client_events {
        None => ClientEvents::None,
        Some(false) => ClientEvents::Members,
        Some(true) => ClientEvents::All,
    };
    app.ping_interval = UNIT * PING_AFTER as u32;
    app.pong_timeout = UNIT * PONG_WITHIN as u32;
    app.authorization_timeout = rules.authorize_within.map(|units| UNIT * units as u32);
    let limits = &mut app.limits;
    limits.client_events_per_second = rules.client_events_per_second.map(|most| most as u32);
    limits.messages = rules.messages.map(|(max_attempts, units, terminate_on_limit)| MessageRate {
        max_attempts,
        decay: UNIT * units as u32,
        terminate_on_limit,
    });
    limits.subscriptions = rules.subscriptions;
    limits.channel_name_bytes = NAME_BYTES;
    limits.event_name_chars = EVENT_CHARS;
    limits.event_data_bytes = DATA_BYTES;
    limits.presence_user_id_bytes = USER_BYTES;
    limits.presence_members = MEMBERS;
    limits.watchlist_users = WATCHED;
    app
}

fn event(frame: &Frame) -> String {
    let message: Value = serde_json::from_slice(frame.payload()).expect("a message is JSON");
    message["event"].as_str().expect("with an event").to_owned()
}

/// What an action brings about, in order: the answers to a sign-in come before the rest of it.
fn lines(action: &Action) -> Vec<String> {
    let mut all = Vec::new();
    if let Action::SignIn { answer, cut, .. } = action {
        all.push(line(&Action::Send(answer.clone())));
        all.extend(cut.clone().map(|error| line(&Action::Reject(error))));
    }
    all.push(line(action));
    all
}

fn line(action: &Action) -> String {
    let line = match action {
        Action::Send(frame) if frame.payload().is_empty() => "send a ping frame".to_owned(),
        Action::Send(frame) => format!("send {}", event(frame)),
        Action::Reject(error) => format!("reject {}", error.code),
        Action::Refuse { channel, error, addressee, claim } => {
            let to = if *addressee == Addressee::Channel { "channel" } else { "connection" };
            format!(
                "refuse {channel:?} {} {} to {to} claim {}",
                error.kind,
                error.status,
                claim.is_some()
            )
        }
        Action::Subscribe { channel, member } => {
            format!("subscribe {channel} {:?}", member.as_ref().map(|member| &*member.user_id))
        }
        Action::Confirm { channel } => format!("confirm {channel}"),
        Action::Unsubscribe { channel, user_id } => format!("unsubscribe {channel} {user_id:?}"),
        Action::Publish(relay) => {
            assert_eq!(event(&relay.frame), relay.event);
            format!(
                "publish {} {:?} on {} of {:?}",
                relay.event, relay.data, relay.channel, relay.user_id
            )
        }
        Action::SignIn { user, .. } => {
            format!("sign in {} watching {}", user.id, user.watchlist.len())
        }
        Action::ConfirmSignIn(answer) => {
            assert_eq!(event(answer), "pusher:signin_success");
            "confirm sign-in".to_owned()
        }
        Action::RefuseSignIn(error) => format!("refuse sign-in {}", error.code),
        Action::Close(code) => format!("close {code:?}"),
    };
    let word = line.split(' ').next().unwrap_or_default();
    let is_whole = matches!(word, "send" | "reject" | "close");
    match line.as_str() {
        "refuse sign-in 4009" => reached("refuse sign-in"),
        "confirm sign-in" => reached("confirm sign-in"),
        line if line.starts_with("sign in") => reached("sign in"),
        line => reached(if is_whole { line } else { word }),
    }
    line
}
