//! The check of the queue, through which Laravel sends every event that does not ask to be sent at once.

use std::path::Path;
use std::sync::Arc;

use super::cached::queue_connection;
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::laravel_app::LaravelApp;
use crate::doctor::network::PROBE_LIMIT;
use crate::doctor::queue_place::{QueuePlace, queue_keys, queue_name, queue_place, queue_table};
use crate::doctor::setup::Setup;
use crate::doctor::worker::{Workers, workers};
use crate::probe::{QueueState, WATCH, watch_queue, watch_table};

pub(super) const CHECKS: [SetupCheck; 1] = [SetupCheck {
    id: "R016",
    title: "A worker takes the jobs that send events.",
    looks_at: "`QUEUE_CONNECTION`, classes with `ShouldBroadcast` below `app`, processes with `artisan queue:work`, `queue:listen` or `horizon`; the queue in a SQLite file; where workers may run on other machines, that in Redis",
    says: &[
        "Events wait in the queue …, and no worker of this application runs on this machine.",
        "… jobs wait in the queue …, and no worker took the first one within … s.",
        "QUEUE_CONNECTION is null, which drops the jobs that send events.",
    ],
    change: "start a worker, or `QUEUE_CONNECTION=sync`, or `ShouldBroadcastNow`",
    needs: &["R008", "R015"],
    method: Method::Ask(|setup| Box::pin(worker(setup))),
}];

/// Connections whose jobs need no worker.
const WITHOUT_WORKER: [&str; 3] = ["sync", "deferred", "background"];

async fn worker(setup: Arc<Setup>) -> CheckOutcome {
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
    let running = running_workers(app);
    if let Some(command) = running.here.first() {
        return CheckOutcome::Passed(evidence.into_iter().chain([command.clone()]).collect());
    }
    let place = queue_place(app, &connection);
    let is_seen_whole = running.sees_all && running.elsewhere.is_empty();
    let is_decided = is_seen_whole && place.as_ref().is_some_and(|place| place.is_local);
    let looked = match queue_table(app, &connection) {
        Some(table) => Some(watch_table(table).await),
        None if is_decided => None,
        None => look_into(&setup, &connection).await,
    };
    let name = queue_name(app, &connection);
    let queue = Queue { connection, name, place, running, evidence };
    let shows_nothing = matches!(looked, None | Some(Ok(QueueState::Empty) | Err(_)));
    if is_decided && shows_nothing { queue.without_worker() } else { queue.judge(looked) }
}

fn running_workers(app: &LaravelApp) -> Workers {
    let folder = std::fs::canonicalize(&app.folder);
    folder.map_or_else(|_| Workers::default(), |folder| workers(Path::new("/proc"), &folder))
}

/// A queue whose worker does not run in the folder of the application.
struct Queue {
    connection: String,
    /// Its queue that takes the jobs that name no other one.
    name: String,
    place: Option<QueuePlace>,
    running: Workers,
    evidence: Vec<String>,
}

impl Queue {
    /// Workers of other machines do not reach the queue, so what is seen here decides.
    fn without_worker(self) -> CheckOutcome {
        let says = format!(
            "Events wait in the queue {}, and no worker of this application runs on this machine.",
            self.connection
        );
        let reached = format!("{}: only workers of this machine reach it", self.named_by());
        self.failed(says, reached)
    }

    fn judge(self, looked: Option<Result<QueueState, String>>) -> CheckOutcome {
        let looked = match looked {
            Some(Ok(QueueState::AtWork(jobs))) => {
                return self.passed(format!("a worker has jobs of the queue in hand ({jobs})"));
            }
            Some(Ok(QueueState::Moving)) => {
                return self.passed("jobs of the queue are taken".to_owned());
            }
            Some(Ok(QueueState::Standing(jobs))) => {
                let (queue, seconds) = (&self.connection, WATCH.as_secs_f64());
                let says = format!(
                    "{jobs} jobs wait in the queue {queue}, and no worker took the first one within {seconds} s."
                );
                let reached = self.named_by().to_owned();
                return self.failed(says, reached);
            }
            Some(Ok(QueueState::Empty)) => "its queue is empty".to_owned(),
            Some(Err(why)) => format!("its queue cannot be looked at ({why})"),
            None => "its queue is not looked at".to_owned(),
        };
        let place = match &self.place {
            Some(place) => format!(" ({})", place.named_by),
            None => String::new(),
        };
        let seen = match self.running.elsewhere.first() {
            Some(command) => format!("{command:?} runs in another folder or in a container"),
            None if self.running.sees_all => {
                "no worker of this application runs on this machine".to_owned()
            }
            None => "this user does not see all processes of this machine".to_owned(),
        };
        let (connection, name) = (&self.connection, &self.name);
        CheckOutcome::Undecided(format!(
            "the connection {connection}{place} needs a worker; {seen}, and {looked}; look where the workers run: php \
             artisan queue:monitor {connection}:{name} shows what waits"
        ))
    }

    fn named_by(&self) -> &str {
        self.place.as_ref().map_or("", |place| &place.named_by)
    }

    fn passed(self, seen: String) -> CheckOutcome {
        CheckOutcome::Passed(self.evidence.into_iter().chain([seen]).collect())
    }

    fn failed(self, says: String, seen: String) -> CheckOutcome {
        let evidence = self.evidence.into_iter().chain([seen]);
        let finding = evidence.fold(Finding::fail(says), Finding::seen);
        CheckOutcome::Found(vec![
            finding
                .change(Remedy::run("php artisan queue:work"))
                .change(Remedy::advice("or QUEUE_CONNECTION=sync in .env")),
        ])
    }
}

/// What the queue in Redis shows; `None` where it is elsewhere, or nothing is connected to.
async fn look_into(setup: &Setup, connection: &str) -> Option<Result<QueueState, String>> {
    if connection != "redis" {
        return None;
    }
    let redis = &setup.network.destinations.laravel_redis.as_ref()?.redis;
    let keys = queue_keys(setup.app.as_ref()?);
    Some(watch_queue(redis, &keys, PROBE_LIMIT).await)
}

/// That of a new application.
fn default_connection(app: &LaravelApp) -> String {
    let is_old = app.version.is_some_and(|version| version <= 10);
    if is_old { "sync".to_owned() } else { "database".to_owned() }
}
