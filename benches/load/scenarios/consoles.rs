//! Question: do three open consoles disturb 20 000 events a second? Ten sockets, each on a channel of its own, get 2 000 of
//! them; each console asks for what the page Live asks for, and one more for what the other pages ask for every two
//! seconds. First without them, then with: the latency of the subscribers, the CPU of the server, and whether its
//! memory stays as it is (`--long`: for five minutes).

use std::time::Duration;

use anyhow::ensure;
use resound_load::Phase;

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Reference, Unit};
use crate::figures::Figures;
use crate::meter::resident;
use crate::pool;
use crate::subject::Subject;
use crate::viewer::{Page, Viewer};

/// Where the settings of the scenario have the internal listener.
const ADDRESS: &str = "127.0.0.1:29603";

/// What the page Live asks for.
const QUERY: &str =
    "kind=trigger,subscribed,unsubscribed,connected,closed,refused,webhook&max_rows_per_second=100";

/// What the other pages ask for, and how often.
const RESOURCES: [&str; 4] =
    ["overview?nodes=all", "timeline?step=5", "sockets?limit=100", "apps/load/channels?limit=100"];
const PAUSE: Duration = Duration::from_secs(2);

const SOCKETS: usize = 10;
const EVENTS_PER_SECOND: f64 = 20_000.0;
const CONSOLES: usize = 3;

const ALONE: Reference = Reference::Own { figure: "alone_ms", name: "without them" };

pub(super) const SCENARIO: Scenario = Scenario {
    name: "consoles",
    settings: "[internal]\nlisten = [\"127.0.0.1:29603\"]",
    beside: false,
    measure,
    rows: &[
        Row {
            what: "20 000 events/s, three consoles: trigger to socket, p99",
            figure: "watched_ms",
            unit: Unit::Milliseconds,
            bound: Bound::AtMostTimes(1.2, ALONE),
        },
        Row {
            what: "the same: CPU of the server beyond that without them",
            figure: "more_percent",
            unit: Unit::Percent,
            bound: Bound::AtMost(10.0),
        },
        Row {
            what: "the same: growth of the server's memory while they are open",
            figure: "grown_kb",
            unit: Unit::Kilobytes,
            bound: Bound::AtMost(1024.0),
        },
        Row {
            what: "the same: rows that each console gets",
            figure: "rows_per_second",
            unit: Unit::PerSecond,
            bound: Bound::AtMost(110.0),
        },
    ],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let channels = (0..SOCKETS).map(|number| format!("load-{number}")).collect();
    let mut pool = pool::in_groups(subject, channels, SOCKETS)?;
    let seconds = match scale {
        Scale::Long => 300,
        Scale::Full => 15,
        Scale::Quick => 2,
    };
    let rate = scale.pick(EVENTS_PER_SECOND, EVENTS_PER_SECOND / 10.0);
    let phase = |seconds| {
        let phase = Phase::open(rate, Duration::from_secs(seconds));
        Phase { batch: 10, ..phase }
    };
    // As long as with them: the longer a run, the more pauses of the machine its p99 contains.
    let alone = pool::warm(subject, &mut pool, &phase(seconds))?;
    let consoles: Vec<Viewer> =
        (0..CONSOLES).map(|_| Viewer::open(ADDRESS, QUERY)).collect::<anyhow::Result<_>>()?;
    let page = Page::open(ADDRESS, &RESOURCES, PAUSE);
    // The rings of the viewers and of the shown events fill first.
    pool::run(subject, &mut pool, &phase(seconds.min(30)))?;
    let (before, rows) = (resident(subject.pid)?, consoles[0].rows());
    let watched = pool::run(subject, &mut pool, &phase(seconds))?;
    let grown = resident(subject.pid)? - before;
    let rows = consoles[0].rows() - rows;
    ensure!(rows > 0, "a console got no row");
    page.close()?;
    Ok(Figures::from([
        ("alone_ms", alone.p99_ms()),
        ("watched_ms", watched.p99_ms()),
        ("alone_p50_ms", alone.latency_ms(0.50)),
        ("watched_p50_ms", watched.latency_ms(0.50)),
        ("more_percent", (watched.cpu_us()? / alone.cpu_us()? - 1.0) * 100.0),
        ("grown_kb", grown.max(0.0) / 1024.0),
        ("rows_per_second", rows as f64 / watched.measures.elapsed.as_secs_f64()),
    ]))
}
