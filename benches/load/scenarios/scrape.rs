//! Question: what does it cost to be watched? The CPU of one scrape of the metrics while 10 000 sockets are
//! open, as the share of a core that one scrape a second takes.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, ensure};

use super::{Row, Scale, Scenario};
use crate::bound::{Bound, Unit};
use crate::figures::Figures;
use crate::meter::Meter;
use crate::pool;
use crate::subject::Subject;

/// Where the settings of the scenario have the metrics served.
const ADDRESS: &str = "127.0.0.1:29601";

pub(super) const SCENARIO: Scenario = Scenario {
    name: "scrape",
    settings: "[metrics]\nlisten = \"127.0.0.1:29601\"",
    beside: false,
    measure,
    rows: &[Row {
        what: "10 000 sockets, a scrape of the metrics a second: CPU",
        figure: "cpu_percent",
        unit: Unit::Percent,
        bound: Bound::AtMost(1.0),
    }],
};

fn measure(subject: &Subject, scale: Scale) -> anyhow::Result<Figures> {
    let sockets = scale.pick(10_000, 2000);
    let open = pool::on_one_channel(subject, "load", sockets)?;
    scrape()?;
    let (scrapes, meter) = (scale.pick(500, 50), Meter::read(subject.pid)?);
    for _ in 0..scrapes {
        scrape()?;
    }
    let cpu = meter.used()?;
    ensure!(open.open() == sockets, "{} of {sockets} sockets are left", open.open());
    Ok(Figures::from([("cpu_percent", cpu.us_per(scrapes)? / 1e6 * 100.0)]))
}

/// One scrape on a connection of its own, in the format that Prometheus asks for.
fn scrape() -> anyhow::Result<()> {
    let missing = || format!("no answer to a scrape at {ADDRESS}");
    let mut stream = TcpStream::connect(ADDRESS).with_context(missing)?;
    stream.write_all(
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
          Accept: application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1\r\n\r\n",
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text).with_context(missing)?;
    ensure!(text.ends_with("# EOF\n"), "{}: {text}", missing());
    Ok(())
}
