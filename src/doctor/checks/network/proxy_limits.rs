//! Checks of the limits of the proxy: the size of a body, the time a socket may be silent, the delay of frames.

use std::time::Duration;

use super::proxy_advice::ProxyKind;
use super::public::no_url;
use super::routes::no_api;
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::destinations::Place;
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::network::{BodyEvidence, Silence, SocketEvidence};
use crate::doctor::nginx_site::{NginxSite, ReadSite};
use crate::doctor::setup::Setup;
use crate::probe::{ProbeError, SocketFailure};

/// A frame that takes so much longer through the proxy is held back: a proxy far away adds its round trip only.
const HELD_BACK: Duration = Duration::from_millis(1000);

pub(super) const CHECKS: [SetupCheck; 3] = [
    SetupCheck {
        id: "R070",
        title: "The proxy passes bodies as large as the server accepts.",
        looks_at: "a signed trigger to a channel of its own, padded with spaces to `http.max_body_bytes` (at most 4 MiB)",
        says: &[
            "The proxy refuses a body of … bytes, which the server accepts: large events are lost.",
        ],
        change: "`client_max_body_size` (`LimitRequestBody`, `request_body`)",
        needs: &["R069"],
        method: Method::Ask(|setup| Box::pin(async move { body_passes(&setup).await })),
    },
    SetupCheck {
        id: "R071",
        title: "The proxy keeps silent sockets open for longer than clients are silent.",
        looks_at: "a socket that is silent for 2.5 s, and `proxy_read_timeout` in the files of Nginx, if they can be read",
        says: &[
            "The proxy closes a socket that is silent for … s.",
            "Nginx closes sockets that are silent for … s, and clients are silent for … s.",
        ],
        change: "`proxy_read_timeout` (`ProxyTimeout`, `timeout tunnel`), in the file that it names",
        needs: &["R068"],
        method: Method::Ask(|setup| Box::pin(async move { keeps_silent_sockets(&setup).await })),
    },
    SetupCheck {
        id: "R073",
        title: "The proxy passes frames on at once.",
        looks_at: "the answer to `pusher:ping`, directly and through the public URL",
        says: &["A ping takes … ms through the proxy and … ms without it: frames are held back."],
        change: "what buffers between browsers and the server",
        needs: &["R068"],
        method: Method::Ask(|setup| Box::pin(async move { passes_frames(&setup).await })),
    },
];

async fn body_passes(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Public) else { return no_url() };
    if network.destinations.api_of(Place::Public).is_none() {
        return no_api(network);
    }
    let Some(app) = network.app() else {
        return CheckOutcome::Inapplicable("no file names an app".to_owned());
    };
    judge_body(network.body(Place::Public, at, app).await)
}

fn judge_body(BodyEvidence { bytes, answer }: &BodyEvidence) -> CheckOutcome {
    match answer {
        Ok(answer) if answer.status == 200 => {
            CheckOutcome::Passed(vec![format!("a body of {bytes} bytes arrived")])
        }
        Ok(answer) if answer.status == 413 => {
            let kind = ProxyKind::of(answer);
            let says = format!(
                "The proxy refuses a body of {bytes} bytes, which the server accepts: large events are lost."
            );
            let finding = Finding::warn(says)
                .seen(format!("POST /apps/…/events: {answer}"))
                .change(Remedy::advice(kind.body_limit(*bytes)));
            CheckOutcome::Found(vec![finding])
        }
        Ok(answer) => not_measured(&answer.to_string()),
        // A proxy that closes while the body is on its way resets the connection before its answer is read.
        Err(error @ ProbeError::Late(_)) => {
            not_measured(&format!("{bytes} bytes were not sent in time ({error})"))
        }
        Err(error) => not_measured(&error.to_string()),
    }
}

fn not_measured(why: &str) -> CheckOutcome {
    CheckOutcome::Inapplicable(format!("not measured: {why}"))
}

async fn keeps_silent_sockets(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Public) else { return no_url() };
    let site = NginxSite::read(setup.nginx.as_deref(), &at.url);
    let silence = network.silence(Place::Public, at).await;
    let socket = network.socket(Place::Public, at).await;
    let activity = socket.as_ref().map_or(0, |socket| socket.activity_timeout);
    // What answers a request there may show which program the proxy is.
    let kind = match &network.up(Place::Public, at).await.answer {
        Ok(answer) => ProxyKind::of(answer),
        Err(_) => ProxyKind::Other,
    };
    judge_silence(silence, activity, &site, kind)
}

/// Clients are silent for the activity timeout, and then send a ping.
fn judge_silence(
    silence: &Result<Silence, SocketFailure>,
    activity_seconds: u64,
    site: &ReadSite,
    kind: ProxyKind,
) -> CheckOutcome {
    let mut seen = Vec::new();
    match silence {
        Ok(Silence::Kept(silent)) => seen.push(format!(
            "a silent socket stayed open for {:.1} s; whether it does for {activity_seconds} s was not measured",
            silent.as_secs_f64()
        )),
        Err(failure) => return not_measured(&failure.to_string()),
        Ok(Silence::Ended(failure)) => {
            let finding = Finding::fail("The proxy closes a socket that is silent for 2.5 s.")
                .seen(failure.to_string())
                .change(Remedy::advice(kind.idle_timeout()));
            return CheckOutcome::Found(vec![finding]);
        }
    }
    let mut findings = Vec::new();
    match site {
        ReadSite::Unreadable(why) => seen.push(format!("Nginx: {why}")),
        ReadSite::Found(site) => {
            let NginxSite { file, read_timeout, .. } = site;
            let seconds = read_timeout.as_secs();
            if seconds <= activity_seconds {
                let says = format!(
                    "Nginx closes sockets that are silent for {seconds} s, and clients are silent for {activity_seconds} s."
                );
                let remedy = format!("proxy_read_timeout 60s; in {file}");
                findings.push(
                    Finding::warn(says)
                        .seen(format!("{file}: proxy_read_timeout {seconds}s"))
                        .change(Remedy::advice(remedy)),
                );
            } else {
                seen.push(format!("{file}: proxy_read_timeout {seconds}s"));
            }
        }
    }
    CheckOutcome::of(findings, seen)
}

async fn passes_frames(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let (Some(public), Some(server)) =
        (network.destinations.at(Place::Public), network.destinations.at(Place::Server))
    else {
        return CheckOutcome::Inapplicable("there are no two ways to compare".to_owned());
    };
    match (network.socket(Place::Public, public).await, network.socket(Place::Server, server).await)
    {
        (Ok(public), Ok(server)) => judge_delay(public, server),
        _ => CheckOutcome::Inapplicable("there are no two ways to compare".to_owned()),
    }
}

fn judge_delay(public: &SocketEvidence, server: &SocketEvidence) -> CheckOutcome {
    let (through, directly) = (public.pong.as_millis(), server.pong.as_millis());
    if public.pong < server.pong + HELD_BACK {
        return CheckOutcome::Passed(vec![format!(
            "a ping takes {through} ms through the proxy and {directly} ms without it"
        )]);
    }
    let says = format!(
        "A ping takes {through} ms through the proxy and {directly} ms without it: frames are held back."
    );
    let remedy = "proxy_buffering off, or the filter that buffers between browsers and the server";
    CheckOutcome::Found(vec![Finding::warn(says).change(Remedy::advice(remedy))])
}
