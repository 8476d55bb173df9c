//! The check of the queue, through which Laravel sends every event that does not ask to be sent at once.

use std::path::Path;

use super::cached::queue_connection;
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::laravel_app::LaravelApp;
use crate::doctor::setup::Setup;
use crate::doctor::worker::workers;

pub(super) const CHECKS: [SetupCheck; 1] = [SetupCheck {
    id: "R016",
    title: "A worker takes the jobs that send events.",
    looks_at: "`QUEUE_CONNECTION`, classes with `ShouldBroadcast` below `app`, processes with `artisan queue:work`, `queue:listen` or `horizon`",
    says: &[
        "Events wait in the queue …, and no worker of this application runs on this machine.",
        "QUEUE_CONNECTION is null, which drops the jobs that send events.",
    ],
    change: "start a worker, or `QUEUE_CONNECTION=sync`, or `ShouldBroadcastNow`",
    needs: &["R008", "R015"],
    method: Method::Look(worker),
}];

/// Connections whose jobs need no worker.
const WITHOUT_WORKER: [&str; 3] = ["sync", "deferred", "background"];

fn worker(setup: &Setup) -> CheckOutcome {
    let Some(app) = &setup.app else {
        return CheckOutcome::Inapplicable("there is no application".to_owned());
    };
    let (now, later): (Vec<_>, Vec<_>) = app.events.iter().partition(|event| event.is_sent_at_once);
    if later.is_empty() {
        let seen = now.iter().map(|event| format!("{}: ShouldBroadcastNow", event.file));
        return CheckOutcome::Passed(seen.collect());
    }
    let connection = queue_connection(app).unwrap_or_else(|| default_connection(app));
    let first = &later[0];
    let evidence = vec![
        format!("QUEUE_CONNECTION is {connection}"),
        format!("{}: ShouldBroadcast", first.file),
    ];
    if WITHOUT_WORKER.contains(&connection.as_str()) {
        return CheckOutcome::Passed(evidence);
    }
    if connection == "null" {
        let says = "QUEUE_CONNECTION is null, which drops the jobs that send events.";
        let finding = evidence.into_iter().fold(Finding::fail(says), Finding::seen);
        return CheckOutcome::Found(vec![
            finding.change(Remedy::advice("QUEUE_CONNECTION=sync in .env")),
        ]);
    }
    let folder = std::fs::canonicalize(&app.folder);
    let running = folder.map_or(Vec::new(), |folder| workers(Path::new("/proc"), &folder));
    if let Some(command) = running.into_iter().next() {
        return CheckOutcome::Passed(evidence.into_iter().chain([command]).collect());
    }
    let says = format!(
        "Events wait in the queue {connection}, and no worker of this application runs on this machine."
    );
    let finding = evidence.into_iter().fold(Finding::fail(says), Finding::seen);
    CheckOutcome::Found(vec![
        finding
            .change(Remedy::run("php artisan queue:work"))
            .change(Remedy::advice("or QUEUE_CONNECTION=sync in .env")),
    ])
}

/// That of a new application.
fn default_connection(app: &LaravelApp) -> String {
    let is_old = app.version.is_some_and(|version| version <= 10);
    if is_old { "sync".to_owned() } else { "database".to_owned() }
}
