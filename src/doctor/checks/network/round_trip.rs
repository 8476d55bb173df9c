//! The last checks: a page and its back end, once directly and once through the public URL.

use super::public::no_url;
use super::routes::no_api;
use super::server::unknown;
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::destinations::Place;
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::round_trip::{BrokenStep, RoundTrip};
use crate::doctor::setup::Setup;

pub(super) const CHECKS: [SetupCheck; 2] = [
    SetupCheck {
        id: "R080",
        title: "An event makes the round trip at the server's own address.",
        looks_at: "sign-in, private and presence subscription, trigger and `toOthers` over two sockets, on channels of its own",
        says: &["The round trip at … fails at …: …"],
        change: "what the text of the server names",
        needs: &["R052", "R057"],
        method: Method::Ask(|setup| Box::pin(async move { travels(&setup, Place::Server).await })),
    },
    SetupCheck {
        id: "R081",
        title: "An event makes the round trip through the public URL.",
        looks_at: "the same below the public URL",
        says: &["The round trip at … fails at …: …"],
        change: "what the text of the server names",
        needs: &["R066", "R068", "R069", "R080"],
        method: Method::Ask(|setup| Box::pin(async move { travels(&setup, Place::Public).await })),
    },
];

async fn travels(setup: &Setup, place: Place) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(place) else {
        return if place == Place::Public { no_url() } else { unknown() };
    };
    let Some(app) = network.app() else {
        return CheckOutcome::Inapplicable("no file names an app".to_owned());
    };
    if network.destinations.publishing(place).is_none() {
        return no_api(network);
    }
    judge(&at.url.to_string(), network.round_trip(place, at, app).await)
}

fn judge(url: &str, trip: &Result<RoundTrip, BrokenStep>) -> CheckOutcome {
    match trip {
        Ok(trip) => CheckOutcome::Passed(vec![timings(trip)]),
        Err(BrokenStep { step, failure }) => CheckOutcome::Found(vec![
            Finding::fail(format!("The round trip at {url} fails at {step}: {failure}."))
                .change(Remedy::advice("what the text names; the log of the server has more")),
        ]),
    }
}

fn timings(trip: &RoundTrip) -> String {
    let steps = [
        ("socket opened", trip.opened),
        ("signed in", trip.signed_in),
        ("subscribed", trip.subscribed),
        ("trigger answered", trip.triggered),
        ("event received", trip.received),
        ("join received", trip.joined),
    ];
    let texts = steps.map(|(step, took)| format!("{step} {:.1} ms", took.as_secs_f64() * 1000.0));
    texts.join(", ")
}
