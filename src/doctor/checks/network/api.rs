//! Checks of signed requests: whether the server accepts the app's id, key and secret, and whether Laravel's own
//! address leads to the API.

use super::public::no_url;
use super::routes::{judge_api, no_api, upstream_of_api};
use super::server::unknown;
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::destinations::{AppCredentials, Destination, Place};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::network::Network;
use crate::doctor::setup::Setup;
use crate::probe::{HttpAnswer, ProbeError};

const SAYS: [&str; 4] = [
    "The server does not accept the secret of the app ….",
    "The server has no app with the id …",
    "The app … has another key at the server than ….",
    "The server refuses a signed request: …",
];

pub(super) const CHECKS: [SetupCheck; 3] = [
    SetupCheck {
        id: "R057",
        title: "The server accepts the app's id, key and secret.",
        looks_at: "a signed GET request for `/apps/{id}/channels` at `http.listen`, else at the server's own address",
        says: &SAYS,
        change: "`REVERB_APP_ID`, `REVERB_APP_KEY`, `REVERB_APP_SECRET`, or the `[[apps]]` entry of the server",
        needs: &["R012", "R050", "R051", "R052"],
        method: Method::Ask(|setup| {
            Box::pin(async move { signature(&setup, Place::Server).await })
        }),
    },
    SetupCheck {
        id: "R069",
        title: "A signed request passes the proxy unchanged.",
        looks_at: "a signed GET request for `/apps/{id}/channels` below the public URL",
        says: &SAYS,
        change: "what the proxy does to the path or the query, or the credentials",
        needs: &["R051", "R057", "R067"],
        method: Method::Ask(|setup| {
            Box::pin(async move { signature(&setup, Place::Public).await })
        }),
    },
    SetupCheck {
        id: "R072",
        title: "Laravel reaches the HTTP API where it sends its events.",
        looks_at: "`REVERB_HOST`, `REVERB_PORT` and `REVERB_SCHEME`, if browsers have another address",
        says: &["Laravel cannot reach …: …", "/apps is not routed to the server: … answers …."],
        change: "`REVERB_HOST`, `REVERB_PORT`, `REVERB_SCHEME`",
        needs: &["R006", "R010", "R011", "R050"],
        method: Method::Ask(|setup| Box::pin(async move { back_end(&setup).await })),
    },
];

async fn signature(setup: &Setup, place: Place) -> CheckOutcome {
    let network = &setup.network;
    if network.destinations.at(place).is_none() {
        return if place == Place::Public { no_url() } else { unknown() };
    }
    let Some(place) = network.destinations.api_of(place) else { return no_api(network) };
    let Some(at) = network.destinations.at(place) else { return unknown() };
    let Some(app) = network.app() else {
        return CheckOutcome::Inapplicable("no file names an app".to_owned());
    };
    judge(network, app, network.channels(place, at, app).await)
}

fn judge(
    network: &Network,
    app: &AppCredentials,
    answer: &Result<HttpAnswer, ProbeError>,
) -> CheckOutcome {
    let AppCredentials { id, key, secret, named_by } = app;
    let (says, remedy) = match answer {
        Ok(answer) if answer.status == 200 => {
            return CheckOutcome::Passed(vec![format!("a request of app {id} was accepted")]);
        }
        Ok(answer) if answer.body.contains("signature invalid") => (
            format!("The server does not accept the secret of the app {id}."),
            format!(
                "REVERB_APP_SECRET in {named_by}, or the secret in the [[apps]] entry of the server"
            ),
        ),
        Ok(answer) if answer.body.contains("key is not the key of this app") => (
            format!("The app {id} has another key at the server than {key:?}."),
            format!("REVERB_APP_KEY or REVERB_APP_ID in {named_by}"),
        ),
        Ok(answer) if answer.status == 404 => (
            format!("The server has no app with the id {id:?}."),
            format!("REVERB_APP_ID in {named_by}, or the [[apps]] entry of the server"),
        ),
        Ok(answer) => (
            format!("The server refuses a signed request: {answer}."),
            "what the text of the server names".to_owned(),
        ),
        Err(error) => (
            format!("The server refuses a signed request: {error}."),
            "the log of the server".to_owned(),
        ),
    };
    let mut finding =
        Finding::fail(says).seen(format!("{named_by}: key {key}, secret {}", secret.fingerprint()));
    if let Some(served) = &network.destinations.served
        && served.named_by != *named_by
    {
        let secret = served.secret.fingerprint();
        finding = finding.seen(format!("{}: key {}, secret {secret}", served.named_by, served.key));
    }
    CheckOutcome::Found(vec![finding.change(Remedy::advice(remedy))])
}

async fn back_end(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let (Some(at), Some(app)) = (network.destinations.at(Place::BackEnd), network.app()) else {
        return CheckOutcome::Inapplicable("Laravel and browsers have the same address".to_owned());
    };
    judge_back_end(at, &upstream_of_api(network), network.channels(Place::BackEnd, at, app).await)
}

fn judge_back_end(
    at: &Destination,
    upstream: &str,
    answer: &Result<HttpAnswer, ProbeError>,
) -> CheckOutcome {
    match answer {
        Err(error) => {
            let finding = Finding::fail(format!("Laravel cannot reach {}: {error}.", at.url))
                .change(Remedy::advice(at.named_by.clone()));
            CheckOutcome::Found(vec![finding])
        }
        answer => judge_api(at, upstream, answer),
    }
}
