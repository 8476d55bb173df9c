//! The language of transcripts, parsed. One file, one behaviour.
//!
//! ```text
//! # title: An event reaches all but its sender            header: required
//! # reverb: ServerTest, client whisper                    cases of Reverb's suite it covers
//! # soketi: 52                                            likewise of soketi's
//! # pusher: the same                                      what Pusher documents, in short words
//! # reverb-does: echoes it                                what Reverb does
//! # soketi-does: silence                                  what soketi does
//! # peers: Sockudo drops it                               what further servers do
//! # app: accept_client_events_from = "all"                a line of the [[apps]] entry
//! # config: cache.ttl_seconds = 60                        a line of the configuration
//! # only: pure, a port has no simulated clock             `pure` or `port`, and why
//! # cluster: why                                          it is not played on three nodes
//!
//! A connects                                    opens /app/reverb-key?protocol=7, is greeted
//! A opens /app/x?protocol=7 from https://a.b    any target, optionally with an Origin header
//! A joins private-x                             sends pusher:subscribe, rightly signed
//! A joins presence-x as {"user_id":"1"}         the same with channel_data
//! A leaves private-x                            sends pusher:unsubscribe
//! A signs in as {"id":"1"}                      sends pusher:signin, rightly signed
//! A > {"event":"pusher:ping","data":{}}         sends exactly this
//! A < {"event":"pusher:pong","data":"{}"}       receives exactly this next
//! A B < …"code":4200…                           both receive it; … stands for any text
//! A >ping hi      A <pong hi                    WebSocket control frames
//! A silent                                      has received nothing that is not in the transcript
//! A ignores                                     drops whatever it received up to here
//! A1..A9 connects                               nine sockets, A1 to A9
//! A drops                                       its transport breaks without a close frame
//! A closed 4001 Application does not exist      receives a close frame
//! 10 times A > {"event":"client-x"}             the same step again
//! advance 50s                                   time passes
//! POST /events {"name":"e"} -> 200 {}           signed, below /apps/123456
//! GET /channels but auth_key=x -> 401 …         a parameter changed; empty: left out
//! plain GET /up -> 200 {"health":"OK"}          unsigned, any path
//! # a comment
//! ```
//!
//! `$A` is the socket id of A; `$auth(A,channel)`, `$auth(A,channel,channel_data)` and
//! `$user_auth(A,user_data)` are the signatures a back end would give A; `$quoted(x)` is x as a
//! JSON string; `$repeat(x,200)` is a long text; `$now(-601)` a Unix time. They may be nested.
//! When a transcript ends, every socket that is still open must have received nothing more.

use std::time::Duration;

use crate::line;

/// Which of the three ways a transcript is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Pure,
    Port,
    /// Over the ports of three nodes that are one cluster.
    Cluster,
}

/// One file.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) others: Others,
    /// Lines for the `[[apps]]` entry and for the rest of the configuration.
    pub(crate) app: String,
    pub(crate) config: String,
    only: Option<Mode>,
    /// One node differs from three.
    one_node: bool,
    pub(crate) steps: Vec<Step>,
}

/// What other servers do, in the words of the header.
#[derive(Debug, Default)]
pub(crate) struct Others {
    pub(crate) pusher: Option<String>,
    pub(crate) reverb: Option<String>,
    pub(crate) soketi: Option<String>,
    /// Whether Reverb's and soketi's own suites have a case of it.
    pub(crate) reverb_tests_it: bool,
    pub(crate) soketi_tests_it: bool,
}

/// One line.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) times: usize,
    pub(crate) kind: StepKind,
}

#[derive(Debug)]
pub(crate) enum StepKind {
    Socket { names: Vec<String>, act: Act },
    Request(Request),
    Advance(Duration),
}

/// What one socket does, or receives.
#[derive(Debug)]
pub(crate) enum Act {
    Connects,
    Opens { target: String, origin: Option<String> },
    Joins { channel: String, channel_data: Option<String> },
    Leaves { channel: String },
    Sends(Frame),
    Receives(Frame),
    SignsIn { user_data: String },
    Silent,
    Ignores,
    Drops,
    Closed { code: u16, reason: String },
}

/// What travels over a socket, either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Ping(String),
    Pong(String),
}

/// A call of the HTTP API and what it must answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) signed: bool,
    pub(crate) method: String,
    pub(crate) target: String,
    /// Parameters that differ from what a back end would send.
    pub(crate) changes: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) status: u16,
    pub(crate) answer: String,
}

impl Transcript {
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let [mut title, mut app, mut config] = [const { String::new() }; 3];
        let (mut only, mut one_node) = (None, false);
        let (mut steps, mut others) = (Vec::new(), Others::default());
        for (index, line) in text.lines().enumerate() {
            let at = |problem: &str| format!("{name}:{}: {problem}: {line}", index + 1);
            match line.strip_prefix('#') {
                Some(comment) if steps.is_empty() => {
                    let (key, value) =
                        comment.split_once(':').ok_or_else(|| at("no key: value"))?;
                    let value = value.trim();
                    match key.trim() {
                        "title" => title = value.to_owned(),
                        "app" => app = format!("{app}{value}\n"),
                        "config" => config = format!("{config}{value}\n"),
                        "only" => only = Some(mode(value).ok_or_else(|| at("pure|port, why"))?),
                        "cluster" if value.is_empty() => return Err(at("why?")),
                        "cluster" => one_node = true,
                        "pusher" => others.pusher = Some(value.to_owned()),
                        "reverb-does" => others.reverb = Some(value.to_owned()),
                        "soketi-does" => others.soketi = Some(value.to_owned()),
                        "reverb" => others.reverb_tests_it = true,
                        "soketi" => others.soketi_tests_it = true,
                        "peers" => {}
                        _ => return Err(at("unknown key")),
                    }
                }
                Some(_) => {}
                None if line.trim().is_empty() => {}
                None => {
                    let (times, kind) = line::step(line).ok_or_else(|| at("not understood"))?;
                    steps.push(Step { line: index + 1, times, kind });
                }
            }
        }
        if title.is_empty() {
            return Err(format!("{name}:1: there is no title"));
        }
        if steps.is_empty() {
            return Err(format!("{name}:1: nothing happens"));
        }
        let waits = steps.iter().any(|step| matches!(step.kind, StepKind::Advance(_)));
        if waits && only != Some(Mode::Pure) {
            return Err(format!("{name}:1: \"advance\" needs \"# only: pure, …\""));
        }
        Ok(Self { name: name.to_owned(), title, others, app, config, only, one_node, steps })
    }

    /// Whether it can be played this way.
    pub(crate) fn plays(&self, mode: Mode) -> bool {
        match mode {
            Mode::Pure | Mode::Port => self.only.is_none_or(|only| only == mode),
            Mode::Cluster => self.plays(Mode::Port) && !self.one_node,
        }
    }

    /// The configuration it is played under: Reverb's test app, and a second one.
    pub(crate) fn toml(&self) -> String {
        let Self { app, config, .. } = self;
        format!(
            "server.host = \"127.0.0.1\"\nserver.port = 0\n{config}\
             [[apps]]\nid = \"123456\"\nkey = \"reverb-key\"\nsecret = \"reverb-secret\"\n{app}\
             [[apps]]\nid = \"654321\"\nkey = \"reverb-key-2\"\nsecret = \"reverb-secret-2\"\n"
        )
    }
}

/// `pure, why` or `port, why`: never without a reason.
fn mode(text: &str) -> Option<Mode> {
    match text.split_once(',')? {
        (_, why) if why.trim().is_empty() => None,
        ("pure", _) => Some(Mode::Pure),
        ("port", _) => Some(Mode::Port),
        _ => None,
    }
}
