//! Plays one transcript on a stage and says where the two differ.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::credentials;
use crate::fill::{Ids, fill, fits};
use crate::said;
use crate::transcript::{Act, Frame, Request, Step, Transcript, What};

/// The target of `connects`, as pusher-js would open it but for its version.
const TARGET: &str = "/app/reverb-key?protocol=7";

/// What a socket heard next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Frame(Frame),
    /// A close frame; 1006 where the stream ended without one.
    Closed(u16, String),
    /// No word, in all the time there is.
    Nothing,
}

/// Where a transcript is played: the rules alone, or a server.
///
/// Once a method returns, all that the step causes has happened or is on its way.
pub(crate) trait Stage {
    /// Opens a socket; what it is told is heard later.
    async fn open(&mut self, name: &str, target: &str, origin: Option<&str>) -> Result<(), String>;
    /// Says something.
    async fn say(&mut self, name: &str, frame: Frame) -> Result<(), String>;
    /// The next thing a socket hears.
    async fn hear(&mut self, name: &str) -> Result<Heard, String>;
    /// What a socket was told that nobody has asked for yet.
    async fn unheard(&mut self, name: &str) -> Result<Heard, String>;
    /// The transport of a socket is gone, and the server has noticed.
    async fn drop(&mut self, name: &str);
    /// A request of the HTTP API: status and body of the answer.
    async fn request(&mut self, request: &Request, target: &str, body: &str) -> (u16, String);
    /// Time passes.
    async fn advance(&mut self, time: Duration);
}

/// Where a transcript and what happened part ways.
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
pub(crate) async fn play(stage: &mut impl Stage, transcript: &Transcript) -> Result<(), Failure> {
    let mut scene = Scene { stage, ids: HashMap::new(), open: Vec::new() };
    let at = |line: usize| format!("tests/conformance/transcripts/{}:{line}", transcript.name);
    for step in &transcript.steps {
        let Step { line, times, what } = step;
        for _ in 0..*times {
            let played = scene.step(what).await;
            played.map_err(|difference| Failure { at: at(*line), difference })?;
        }
    }
    for name in scene.open.clone() {
        let at = format!("{} at its end, {name}", transcript.name);
        scene.silent(&name).await.map_err(|difference| Failure { at, difference })?;
    }
    Ok(())
}

struct Scene<'s, S> {
    stage: &'s mut S,
    ids: Ids,
    /// Sockets that were opened and are neither closed nor dropped.
    open: Vec<String>,
}

impl<S: Stage> Scene<'_, S> {
    async fn step(&mut self, what: &What) -> Result<(), Difference> {
        match what {
            What::Advance(time) => self.stage.advance(*time).await,
            What::Asks(request) => self.ask(request).await?,
            What::Acts { names, act } => {
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
                let heard = self.hear(name).await?;
                if self.ids.contains_key(name) {
                    return Ok(());
                }
                Err(Difference { expected: "to be greeted".to_owned(), happened: shown(&heard) })
            }
            Act::Opens { target, origin } => self.open(name, target, origin.as_deref()).await,
            Act::Joins { channel, channel_data } => {
                let data = channel_data.as_deref().map(|data| self.text(data)).transpose()?;
                let text = said::subscribe(self.id(name)?, &self.text(channel)?, data.as_deref());
                self.say(name, Frame::Text(text)).await
            }
            Act::Leaves { channel } => {
                self.say(name, Frame::Text(said::unsubscribe(channel))).await
            }
            Act::SignsIn { user_data } => {
                let text = said::sign_in(self.id(name)?, &self.text(user_data)?);
                self.say(name, Frame::Text(text)).await
            }
            Act::Says(frame) => {
                let frame = self.filled(frame)?;
                self.say(name, frame).await
            }
            Act::Hears(expected) => {
                let heard = self.hear(name).await?;
                let expected = self.filled(expected)?;
                compare(&expected, &heard)
            }
            Act::Silent => self.silent(name).await,
            Act::Ignores => {
                while self.stage.unheard(name).await.map_err(wrong)? != Heard::Nothing {}
                Ok(())
            }
            Act::Drops => {
                self.open.retain(|open| open != name);
                self.stage.drop(name).await;
                Ok(())
            }
            Act::Closed { code, reason } => {
                self.open.retain(|open| open != name);
                let heard = self.hear(name).await?;
                let expected = Heard::Closed(*code, reason.clone());
                if heard == expected {
                    self.stage.drop(name).await;
                    return Ok(());
                }
                Err(Difference { expected: shown(&expected), happened: shown(&heard) })
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
        self.stage.open(name, &target, origin).await.map_err(wrong)
    }

    async fn say(&mut self, name: &str, frame: Frame) -> Result<(), Difference> {
        self.stage.say(name, frame).await.map_err(wrong)
    }

    /// The next thing a socket hears; a greeting tells its id.
    async fn hear(&mut self, name: &str) -> Result<Heard, Difference> {
        let heard = self.stage.hear(name).await.map_err(wrong)?;
        if let Heard::Frame(Frame::Text(text)) = &heard
            && let Some(id) = greeted(text)
        {
            self.ids.insert(name.to_owned(), id);
        }
        Ok(heard)
    }

    async fn silent(&mut self, name: &str) -> Result<(), Difference> {
        match self.stage.unheard(name).await.map_err(wrong)? {
            Heard::Nothing => Ok(()),
            heard => {
                Err(Difference { expected: format!("{name} silent"), happened: shown(&heard) })
            }
        }
    }

    async fn ask(&mut self, request: &Request) -> Result<(), Difference> {
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
        let (status, text) = self.stage.request(request, &target, &body).await;
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

fn compare(expected: &Frame, heard: &Heard) -> Result<(), Difference> {
    let same = match (expected, heard) {
        (Frame::Text(expected), Heard::Frame(Frame::Text(heard))) => fits(expected, heard),
        (expected, Heard::Frame(heard)) => expected == heard,
        _ => false,
    };
    let difference =
        || Difference { expected: shown(&Heard::Frame(expected.clone())), happened: shown(heard) };
    same.then_some(()).ok_or_else(difference)
}

fn shown(heard: &Heard) -> String {
    match heard {
        Heard::Frame(Frame::Text(text)) => text.clone(),
        Heard::Frame(frame) => format!("{frame:?}"),
        Heard::Closed(code, reason) => format!("closed {code} {reason}"),
        Heard::Nothing => "nothing".to_owned(),
    }
}

/// The transcript itself cannot be played on.
fn wrong(happened: String) -> Difference {
    Difference { expected: "a step that can be played".to_owned(), happened }
}
