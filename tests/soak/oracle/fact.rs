//! What the oracle is given: one value for each thing that a client, a back end, the endpoint of webhooks or the driver
//! of faults has done or seen, in the order in which it happened.

use std::sync::Arc;

/// Microseconds since the run began.
pub(crate) type Micros = u64;

/// The name of a channel.
pub(crate) type Name = Arc<str>;

/// One connection of a client; numbers are not used twice in a run.
pub(crate) type SocketNumber = u32;

/// One process of a node; numbers are not used twice in a run.
pub(crate) type ProcessNumber = u32;

/// How far an answered trigger has come, by the header `resound-publish-scope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Redis has it.
    Cluster,
    /// Only the sockets of the node that was triggered, so far.
    Node,
}

/// What a fault may cost while it lasts, beside the sockets of a process that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cost {
    /// Nodes are without Redis: what has no answer that says so (whispers, terminations, cached events) may not arrive.
    pub(crate) links: bool,
    /// Redis loses its data, or a process the webhooks that wait in it.
    pub(crate) webhooks: bool,
}

/// Of a webhook event, what its place in the order of its channel decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    Occupied(Name),
    Vacated(Name),
    MemberAdded(Name, String),
    MemberRemoved(Name, String),
    /// A whisper, by its sender's socket and its number.
    ClientEvent(SocketNumber, u64),
    CacheMiss(Name),
}

/// A call that the endpoint of webhooks was sent, with a valid signature.
#[derive(Debug, Clone)]
pub(crate) struct WebhookCall {
    pub(crate) body: Arc<str>,
    /// By the clock of the machine: when the node made the call, as `time_ms` has it, and when the endpoint answered.
    pub(crate) made_ms: u64,
    pub(crate) answered_ms: u64,
    pub(crate) reports: Vec<Report>,
}

#[derive(Debug, Clone)]
pub(crate) enum Fact {
    /// A socket was greeted. The process is unknown while one takes over from another.
    Opened {
        socket: SocketNumber,
        user: String,
        process: Option<ProcessNumber>,
    },
    /// A subscription was granted that was asked for at `asked`; of a presence channel with the roster of the answer.
    Subscribed {
        socket: SocketNumber,
        channel: Name,
        asked: Micros,
        members: Option<Vec<String>>,
    },
    /// The client is about to send that it leaves the channel.
    Unsubscribed {
        socket: SocketNumber,
        channel: Name,
    },
    /// The client is about to sign in, or to join a presence channel as its user: from now on terminations may concern it.
    Claims {
        socket: SocketNumber,
    },
    /// A sign-in was granted: from now on the socket receives what is sent to its user.
    SignedIn {
        socket: SocketNumber,
    },
    /// A back end is about to trigger the event with this number, one higher than the last one of the channel.
    Triggered {
        channel: Name,
        number: u64,
        except: Option<SocketNumber>,
        process: Option<ProcessNumber>,
    },
    /// That trigger was answered with 200.
    Answered {
        channel: Name,
        number: u64,
        scope: Scope,
    },
    /// A request of a back end has got no answer.
    Unanswered {
        process: Option<ProcessNumber>,
    },
    /// A client has received an event of a back end.
    Received {
        socket: SocketNumber,
        channel: Name,
        number: u64,
    },
    /// A client has received the event that announces lost ones; `None`: their number is not known.
    Missed {
        socket: SocketNumber,
        channel: Name,
        count: Option<u64>,
    },
    /// A client has received `pusher:cache_miss`.
    CacheMiss {
        socket: SocketNumber,
        channel: Name,
    },
    MemberAdded {
        socket: SocketNumber,
        channel: Name,
        user: String,
    },
    MemberRemoved {
        socket: SocketNumber,
        channel: Name,
        user: String,
    },
    /// A client is about to send its next client event on a channel.
    Whispered {
        socket: SocketNumber,
        channel: Name,
        number: u64,
    },
    /// A client has received one.
    WhisperReceived {
        socket: SocketNumber,
        channel: Name,
        sender: SocketNumber,
        number: u64,
    },
    /// A client was sent an error.
    Refused {
        socket: SocketNumber,
        text: String,
    },
    /// A back end is about to end all connections of a user.
    Terminating {
        user: String,
    },
    /// It was answered with 200.
    Terminated {
        user: String,
    },
    /// The client is about to close its connection, or to cut it.
    Left {
        socket: SocketNumber,
    },
    /// The connection has ended without the client; `None`: without a close frame.
    Closed {
        socket: SocketNumber,
        code: Option<u16>,
    },
    /// A process is about to be asked to end or to hand over, or to be killed.
    ProcessEnds {
        process: ProcessNumber,
        is_killed: bool,
    },
    /// A fault is about to be injected.
    FaultBegins {
        cost: Cost,
    },
    /// All nodes are up and linked again.
    FaultEnds,
    /// A link to Redis was lost that no fault has cut.
    LinkLost,
    /// The endpoint has answered a call.
    Called(WebhookCall),
}
