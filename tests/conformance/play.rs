//! Plays one transcript on a subject and reports the first difference.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::client_messages;
use crate::credentials;
use crate::fill::{Ids, fill, fits};
use crate::transcript::{Act, Frame, Request, Step, StepKind, Transcript};

/// The target of `connects`, as pusher-js would open it but for its version.
const TARGET: &str = "/app/reverb-key?protocol=7";

/// What a socket received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    Frame(Frame),
    /// A close frame; 1006 where the stream ended without one.
    Closed(u16, String),
    /// Nothing until the deadline.
    Nothing,
}

/// What a transcript is played on: the rules alone, or a server.
///
/// Once a method returns, everything the step causes has happened or is in a socket's buffer.
pub(crate) trait Subject {
    /// Opens a socket; its first message is received later.
    async fn open(&mut self, name: &str, target: &str, origin: Option<&str>) -> Result<(), String>;
    /// Sends a frame.
    async fn send(&mut self, name: &str, frame: Frame) -> Result<(), String>;
    /// The next frame of a socket.
    async fn receive(&mut self, name: &str) -> Result<Received, String>;
    /// The next frame that was sent to a socket already, without waiting for one.
    async fn unread(&mut self, name: &str) -> Result<Received, String>;
    /// Breaks the transport of a socket and waits until the server has noticed.
    async fn drop(&mut self, name: &str);
    /// Sends a request of the HTTP API; returns status and body of the answer.
    async fn request(&mut self, request: &Request, target: &str, body: &str) -> (u16, String);
    /// Moves the clock.
    async fn advance(&mut self, time: Duration);
}

/// The line of a transcript at which something else happened.
pub(crate) struct Failure {
    at: String,
    difference: Difference,
}

struct Difference {
    expected: String,
    happened: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { expected, happened } = &self.difference;
        write!(f, "{}\n  expected {expected}\n  happened {happened}\n", self.at)
    }
}

/// Plays a transcript to its end or to the first difference.
pub(crate) async fn play(
    subject: &mut impl Subject,
    transcript: &Transcript,
) -> Result<(), Failure> {
    let mut player = Player { subject, ids: HashMap::new(), open: Vec::new() };
    let at = |line: usize| format!("tests/conformance/transcripts/{}:{line}", transcript.name);
    for step in &transcript.steps {
        let Step { line, times, kind } = step;
        for _ in 0..*times {
            let played = player.step(kind).await;
            played.map_err(|difference| Failure { at: at(*line), difference })?;
        }
    }
    for name in player.open.clone() {
        let at = format!("{} at its end, {name}", transcript.name);
        player.silent(&name).await.map_err(|difference| Failure { at, difference })?;
    }
    Ok(())
}

struct Player<'s, S> {
    subject: &'s mut S,
    ids: Ids,
    /// Sockets that were opened and are neither closed nor dropped.
    open: Vec<String>,
}

impl<S: Subject> Player<'_, S> {
    async fn step(&mut self, kind: &StepKind) -> Result<(), Difference> {
        match kind {
            StepKind::Advance(time) => self.subject.advance(*time).await,
            StepKind::Request(request) => self.request(request).await?,
            StepKind::Socket { names, act } => {
                for name in names {
                    self.act(name, act).await?;
                }
            }
        }
        Ok(())
    }

    async fn act(&mut self, name: &str, act: &Act) -> Result<(), Difference> {
        match act {
            Act::Connects => {
                self.open(name, TARGET, None).await?;
                let received = self.receive(name).await?;
                if self.ids.contains_key(name) {
                    return Ok(());
                }
                Err(Difference { expected: "to be greeted".to_owned(), happened: shown(&received) })
            }
            Act::Opens { target, origin } => self.open(name, target, origin.as_deref()).await,
            Act::Joins { channel, channel_data } => {
                let data = channel_data.as_deref().map(|data| self.text(data)).transpose()?;
                let text = client_messages::subscribe(
                    self.id(name)?,
                    &self.text(channel)?,
                    data.as_deref(),
                );
                self.send(name, Frame::Text(text)).await
            }
            Act::Leaves { channel } => {
                self.send(name, Frame::Text(client_messages::unsubscribe(channel))).await
            }
            Act::SignsIn { user_data } => {
                let text = client_messages::sign_in(self.id(name)?, &self.text(user_data)?);
                self.send(name, Frame::Text(text)).await
            }
            Act::Sends(frame) => {
                let frame = self.filled(frame)?;
                self.send(name, frame).await
            }
            Act::Receives(expected) => {
                let received = self.receive(name).await?;
                let expected = self.filled(expected)?;
                compare(&expected, &received)
            }
            Act::Silent => self.silent(name).await,
            Act::Ignores => {
                while self.subject.unread(name).await.map_err(wrong)? != Received::Nothing {}
                Ok(())
            }
            Act::Drops => {
                self.open.retain(|open| open != name);
                self.subject.drop(name).await;
                Ok(())
            }
            Act::Closed { code, reason } => {
                self.open.retain(|open| open != name);
                let received = self.receive(name).await?;
                let expected = Received::Closed(*code, reason.clone());
                if received == expected {
                    self.subject.drop(name).await;
                    return Ok(());
                }
                Err(Difference { expected: shown(&expected), happened: shown(&received) })
            }
        }
    }

    async fn open(
        &mut self,
        name: &str,
        target: &str,
        origin: Option<&str>,
    ) -> Result<(), Difference> {
        self.open.push(name.to_owned());
        self.ids.remove(name);
        let target = self.text(target)?;
        self.subject.open(name, &target, origin).await.map_err(wrong)
    }

    async fn send(&mut self, name: &str, frame: Frame) -> Result<(), Difference> {
        self.subject.send(name, frame).await.map_err(wrong)
    }

    /// The next frame of a socket; the id of a greeting is stored.
    async fn receive(&mut self, name: &str) -> Result<Received, Difference> {
        let received = self.subject.receive(name).await.map_err(wrong)?;
        if let Received::Frame(Frame::Text(text)) = &received
            && let Some(id) = greeted(text)
        {
            self.ids.insert(name.to_owned(), id);
        }
        Ok(received)
    }

    async fn silent(&mut self, name: &str) -> Result<(), Difference> {
        match self.subject.unread(name).await.map_err(wrong)? {
            Received::Nothing => Ok(()),
            received => {
                Err(Difference { expected: format!("{name} silent"), happened: shown(&received) })
            }
        }
    }

    async fn request(&mut self, request: &Request) -> Result<(), Difference> {
        let (body, answer) = (self.text(&request.body)?, self.text(&request.answer)?);
        let mut changes = request.changes.clone();
        for (_, value) in &mut changes {
            *value = self.text(value)?;
        }
        let target = self.text(&request.target)?;
        let sent = Request {
            target: target.clone(),
            body: body.clone(),
            changes,
            method: request.method.clone(),
            answer: String::new(),
            ..*request
        };
        let target = if request.signed { credentials::request(&sent) } else { target };
        let (status, text) = self.subject.request(request, &target, &body).await;
        if status == request.status && !text.is_empty() && fits(&answer, &text) {
            return Ok(());
        }
        let expected = format!("{} {answer}", request.status);
        Err(Difference { expected, happened: format!("{status} {text}") })
    }

    fn filled(&self, frame: &Frame) -> Result<Frame, Difference> {
        Ok(match frame {
            Frame::Text(text) => Frame::Text(self.text(text)?),
            Frame::Ping(payload) => Frame::Ping(self.text(payload)?),
            Frame::Pong(payload) => Frame::Pong(self.text(payload)?),
        })
    }

    fn text(&self, text: &str) -> Result<String, Difference> {
        fill(text, &self.ids).map_err(wrong)
    }

    fn id(&self, name: &str) -> Result<&str, Difference> {
        let id = self.ids.get(name).ok_or_else(|| wrong(format!("{name} was not greeted")))?;
        Ok(id)
    }
}

/// The socket id of a greeting: of the form the SDKs check, or none.
fn greeted(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    (message["event"] == "pusher:connection_established").then_some(())?;
    let data: Value = serde_json::from_str(message["data"].as_str()?).ok()?;
    let id = data["socket_id"].as_str()?;
    let (first, second) = id.split_once('.')?;
    let digits = |half: &str| !half.is_empty() && half.bytes().all(|byte| byte.is_ascii_digit());
    (digits(first) && digits(second)).then(|| id.to_owned())
}

fn compare(expected: &Frame, received: &Received) -> Result<(), Difference> {
    let same = match (expected, received) {
        (Frame::Text(expected), Received::Frame(Frame::Text(received))) => fits(expected, received),
        (expected, Received::Frame(received)) => expected == received,
        _ => false,
    };
    let difference = || Difference {
        expected: shown(&Received::Frame(expected.clone())),
        happened: shown(received),
    };
    same.then_some(()).ok_or_else(difference)
}

fn shown(received: &Received) -> String {
    match received {
        Received::Frame(Frame::Text(text)) => text.clone(),
        Received::Frame(frame) => format!("{frame:?}"),
        Received::Closed(code, reason) => format!("closed {code} {reason}"),
        Received::Nothing => "nothing".to_owned(),
    }
}

/// The transcript itself cannot be played on.
fn wrong(happened: String) -> Difference {
    Difference { expected: "a step that can be played".to_owned(), happened }
}
