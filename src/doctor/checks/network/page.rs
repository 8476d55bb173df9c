//! The check of what the server decides about a page: its key and its origin.

use super::public::no_url;
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::destinations::Place;
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::network::Network;
use crate::doctor::setup::Setup;
use crate::probe::SocketFailure;

pub(super) const CHECKS: [SetupCheck; 1] = [SetupCheck {
    id: "R068",
    title: "The server accepts sockets of the application's pages.",
    looks_at: "a socket with the `Origin` of `--origin` or `APP_URL`",
    says: &[
        "The server refuses pages of ….",
        "The server has no app with the key …",
        "The server refuses sockets of the app: …",
    ],
    change: "`allowed_origins` of the app, or `REVERB_APP_KEY`",
    needs: &["R052", "R066"],
    method: Method::Ask(|setup| Box::pin(async move { accepts_pages(&setup).await })),
}];

async fn accepts_pages(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Public) else { return no_url() };
    if network.app().is_none() {
        return CheckOutcome::Inapplicable("no file names an app".to_owned());
    }
    judge(network, network.socket(Place::Public, at).await.as_ref().err())
}

fn judge(network: &Network, failure: Option<&SocketFailure>) -> CheckOutcome {
    let origin = network.destinations.origin.as_deref();
    let key = network.app().map_or("", |app| &app.key);
    let finding = match failure {
        None => {
            let seen = match origin {
                Some(origin) => format!("a socket with the origin {origin} was opened"),
                None => "a socket without an origin was opened; --origin names one".to_owned(),
            };
            return CheckOutcome::Passed(vec![seen]);
        }
        Some(SocketFailure::Closed { code: 4009, reason }) => {
            let origin = origin.unwrap_or("no origin");
            Finding::fail(format!("The server refuses pages of {origin}."))
                .seen(format!("closed with 4009: {reason}"))
                .change(Remedy::advice(format!(
                    "allowed_origins of the app, so that it has the host of {origin}"
                )))
        }
        Some(SocketFailure::Closed { code: 4001, .. }) => Finding::fail(format!(
            "The server has no app with the key {key:?}."
        ))
        .change(Remedy::advice("REVERB_APP_KEY, or the key in the [[apps]] entry of the server")),
        Some(failure) => {
            Finding::fail(format!("The server refuses sockets of the app: {failure}."))
                .change(Remedy::advice("what the text of the server names"))
        }
    };
    CheckOutcome::Found(vec![finding])
}
