//! Checks of the server itself, at the address that it listens on, without a proxy between.

use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::destinations::{Destination, Place};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::network::Network;
use crate::doctor::setup::{DoctorReach, Setup};
use crate::network_fault::NetworkFault;
use crate::probe::{Descriptors, HttpAnswer, ProbeError, SocketFailure, running_servers};

/// Below it, a crowd of a school or two is too much; systemd's default soft limit is 1024.
const DESCRIPTORS_MIN: u64 = 4096;

/// Above it, no room is left for a crowd that comes back at once.
const DESCRIPTORS_USED_PERCENT: u64 = 80;

pub(super) const CHECKS: [SetupCheck; 4] = [
    SetupCheck {
        id: "R050",
        title: "The server answers at the address it listens on.",
        looks_at: "`server.host` and `server.port`, or `REVERB_SERVER_HOST` and `REVERB_SERVER_PORT`",
        says: &[
            "Nothing listens on …, where the server should.",
            "… is not answered by Resound: …",
        ],
        change: "start the server, or correct the port",
        needs: &["R001", "R007"],
        method: Method::Ask(|setup| Box::pin(async move { answers(&setup).await })),
    },
    SetupCheck {
        id: "R052",
        title: "The server serves the app with this key.",
        looks_at: "a socket of the app at the server's own address",
        says: &["The server has no app with the key …", "The server refuses sockets of the app: …"],
        change: "`REVERB_APP_KEY`, or the `[[apps]]` entry of the server",
        needs: &["R005", "R012", "R050"],
        method: Method::Ask(|setup| Box::pin(async move { serves_app(&setup).await })),
    },
    SetupCheck {
        id: "R053",
        title: "The server may open enough files.",
        looks_at: "`/proc/…/limits` of the servers that run on this machine",
        says: &[
            "The server may open … files, and each socket is one.",
            "The server has … of … files open.",
        ],
        change: "`LimitNOFILE=` of the unit, `minfds` of Supervisor, or `ulimit -n`",
        needs: &[],
        method: Method::Look(|setup| match setup.reach {
            DoctorReach::Network => descriptors(&running_servers()),
            DoctorReach::Files => CheckOutcome::Inapplicable("only files are looked at".to_owned()),
        }),
    },
    SetupCheck {
        id: "R056",
        title: "The server is ready.",
        looks_at: "`GET /ready` at `metrics.listen`, else at `internal.listen`, else at the server's own address",
        says: &["The server is up, and not ready: …"],
        change: "what the reasons in its answer name",
        needs: &["R050", "R053", "R054"],
        method: Method::Ask(|setup| Box::pin(async move { is_ready(&setup).await })),
    },
];

async fn answers(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Server) else { return unknown() };
    let answer = &network.up(Place::Server, at).await.answer;
    let works_in_public = match (answer, network.destinations.at(Place::Public)) {
        (Err(_), Some(public)) => network.socket(Place::Public, public).await.is_ok(),
        _ => false,
    };
    if works_in_public {
        let why =
            format!("nothing answers at {} of this machine, and the public URL works", at.url);
        return CheckOutcome::Inapplicable(why);
    }
    judge_answer(at, answer)
}

fn judge_answer(at: &Destination, answer: &Result<HttpAnswer, ProbeError>) -> CheckOutcome {
    let url = &at.url;
    let foreign = |what: String| {
        let says = format!("{url} is not answered by Resound: {what}.");
        let remedy = format!("the port of {}, or stop the program that has it", at.named_by);
        Finding::fail(says).change(Remedy::advice(remedy))
    };
    let finding = match answer {
        Ok(answer) if answer.status == 200 && answer.body.contains("\"OK\"") => {
            return CheckOutcome::Passed(vec![format!(
                "{url}/up answered in {} ms",
                answer.took.as_millis()
            )]);
        }
        Ok(answer) => foreign(answer.to_string()),
        Err(error @ (ProbeError::NotHttp(_) | ProbeError::Fault(NetworkFault::NotTls))) => {
            foreign(error.to_string())
        }
        Err(error) => {
            let remedy = format!("start the server (resound serve), or correct {}", at.named_by);
            Finding::fail(format!("Nothing listens on {}, where the server should.", url.address()))
                .seen(error.to_string())
                .change(Remedy::advice(remedy))
        }
    };
    CheckOutcome::Found(vec![finding])
}

/// Why the server's own address is not looked at.
pub(super) fn unknown() -> CheckOutcome {
    CheckOutcome::Inapplicable("no file names the address that the server listens on".to_owned())
}

async fn serves_app(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Server) else { return unknown() };
    let Some(app) = network.app() else {
        return CheckOutcome::Inapplicable("no file names an app".to_owned());
    };
    judge_key(network, &app.key, network.socket(Place::Server, at).await.as_ref().err())
}

fn judge_key(network: &Network, key: &str, failure: Option<&SocketFailure>) -> CheckOutcome {
    let named_by = network.app().map_or("", |app| &app.named_by);
    let (says, remedy) = match failure {
        None => return CheckOutcome::Passed(vec![format!("a socket of {key} was opened")]),
        Some(SocketFailure::Closed { code: 4001, .. }) => (
            format!("The server has no app with the key {key:?}."),
            format!("REVERB_APP_KEY in {named_by}, or the key in the [[apps]] entry of the server"),
        ),
        Some(failure) => (
            format!("The server refuses sockets of the app: {failure}."),
            "what the text of the server names".to_owned(),
        ),
    };
    CheckOutcome::Found(vec![Finding::fail(says).change(Remedy::advice(remedy))])
}

fn descriptors(servers: &[Descriptors]) -> CheckOutcome {
    if servers.is_empty() {
        return CheckOutcome::Inapplicable("no server that can be looked at runs here".to_owned());
    }
    let mut findings = Vec::new();
    let raise = || {
        Remedy::advice(
            "LimitNOFILE=65536 in the unit (minfds=65536 in supervisord.conf, ulimit -n 65536 in a shell)",
        )
    };
    for server in servers {
        let Descriptors { pid, limit, open, .. } = *server;
        if limit < DESCRIPTORS_MIN {
            let says = format!("The server may open {limit} files, and each socket is one.");
            findings.push(Finding::warn(says).seen(format!("process {pid}")).change(raise()));
        }
        if let Some(open) = open.filter(|open| open * 100 > limit * DESCRIPTORS_USED_PERCENT) {
            let says = format!("The server has {open} of {limit} files open.");
            findings.push(Finding::warn(says).seen(format!("process {pid}")).change(raise()));
        }
    }
    let seen = servers
        .iter()
        .map(|server| format!("process {} may open {} files", server.pid, server.limit));
    CheckOutcome::of(findings, seen.collect())
}

async fn is_ready(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some((at, answer)) = network.ready().await else { return unknown() };
    let url = &at.url;
    match answer {
        Ok(answer) if answer.status == 503 => CheckOutcome::Found(vec![
            Finding::warn(format!("The server is up, and not ready: {}.", reasons(&answer.body)))
                .seen(format!("{url}/ready: {}", answer.body))
                .change(Remedy::advice("what the reasons name")),
        ]),
        Ok(answer) if answer.status == 200 => {
            CheckOutcome::Passed(vec![format!("{url}/ready: {}", answer.body)])
        }
        Ok(answer) => CheckOutcome::Inapplicable(format!("{url}/ready answers {answer}")),
        Err(error) => CheckOutcome::Inapplicable(format!("{url}/ready gives no answer: {error}")),
    }
}

/// The conditions in the answer of `/ready`.
fn reasons(body: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let reasons = answer["reasons"].as_array().into_iter().flatten();
    let texts: Vec<&str> = reasons.filter_map(|reason| reason["text"].as_str()).collect();
    if texts.is_empty() { "it does not say why".to_owned() } else { texts.join("; ") }
}
