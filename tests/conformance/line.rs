//! Parses one line of a transcript.

use std::time::Duration;

use crate::transcript::{Act, Frame, Request, StepKind};

/// The number of repetitions, and the step.
pub(crate) fn step(line: &str) -> Option<(usize, StepKind)> {
    if let Some((times, rest)) = line.split_once(" times ")
        && let Ok(times) = times.parse()
    {
        return Some((times, step(rest)?.1));
    }
    let kind = match line.split_once(' ')? {
        ("advance", span) => {
            StepKind::Advance(Duration::from_secs(span.strip_suffix('s')?.parse().ok()?))
        }
        ("plain", rest) => StepKind::Request(request(rest, false)?),
        (word, _) if names_of(word).is_some() => {
            let (names, rest) = names(line);
            StepKind::Socket { names, act: act(rest)? }
        }
        _ => StepKind::Request(request(line, true)?),
    };
    Some((1, kind))
}

/// Sockets are called A, B, A1, …: unlike any method of HTTP. `A1..A9` are nine of them.
fn names_of(word: &str) -> Option<Vec<String>> {
    let number = |name: &str| name.strip_prefix(&word[..1])?.parse::<usize>().ok();
    word.starts_with(|c: char| c.is_ascii_uppercase()).then_some(())?;
    if let Some((first, last)) = word.split_once("..") {
        let numbers = number(first)?..=number(last)?;
        return Some(numbers.map(|number| format!("{}{number}", &word[..1])).collect());
    }
    word[1..].bytes().all(|byte| byte.is_ascii_digit()).then(|| vec![word.to_owned()])
}

fn names(mut line: &str) -> (Vec<String>, &str) {
    let mut names = Vec::new();
    while let Some((word, rest)) = line.split_once(' ')
        && let Some(more) = names_of(word)
    {
        names.extend(more);
        line = rest;
    }
    (names, line)
}

fn act(text: &str) -> Option<Act> {
    let (verb, rest) = word(text);
    let rest = rest.to_owned();
    Some(match verb {
        "connects" => Act::Connects,
        "silent" => Act::Silent,
        "ignores" => Act::Ignores,
        "signs" => Act::SignsIn { user_data: rest.strip_prefix("in as ")?.to_owned() },
        "drops" => Act::Drops,
        "leaves" => Act::Leaves { channel: rest },
        ">" => Act::Sends(Frame::Text(rest)),
        ">ping" => Act::Sends(Frame::Ping(rest)),
        ">pong" => Act::Sends(Frame::Pong(rest)),
        "<" => Act::Receives(Frame::Text(rest)),
        "<ping" => Act::Receives(Frame::Ping(rest)),
        "<pong" => Act::Receives(Frame::Pong(rest)),
        "opens" => match rest.split_once(" from ") {
            Some((target, origin)) => {
                Act::Opens { target: target.to_owned(), origin: Some(origin.to_owned()) }
            }
            None => Act::Opens { target: rest, origin: None },
        },
        "joins" => match rest.split_once(" as ") {
            Some((channel, data)) => {
                Act::Joins { channel: channel.to_owned(), channel_data: Some(data.to_owned()) }
            }
            None => Act::Joins { channel: rest, channel_data: None },
        },
        "closed" => {
            let (code, reason) = word(&rest);
            Act::Closed { code: code.parse().ok()?, reason: reason.to_owned() }
        }
        _ => return None,
    })
}

fn request(text: &str, signed: bool) -> Option<Request> {
    let (call, answer) = text.rsplit_once(" -> ")?;
    let (status, answer) = answer.split_once(' ')?;
    let (method, rest) = word(call);
    let (target, mut body) = word(rest);
    let mut changes = Vec::new();
    while let ("but", rest) = word(body) {
        let (change, rest) = word(rest);
        let (key, value) = change.split_once('=')?;
        changes.push((key.to_owned(), value.to_owned()));
        body = rest;
    }
    let known = ["GET", "POST", "PUT", "DELETE", "OPTIONS"].contains(&method);
    (known && target.starts_with('/')).then_some(())?;
    Some(Request {
        signed,
        method: method.to_owned(),
        target: target.to_owned(),
        changes,
        body: body.to_owned(),
        status: status.parse().ok()?,
        answer: answer.to_owned(),
    })
}

/// The first word of a text and the rest.
fn word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}
