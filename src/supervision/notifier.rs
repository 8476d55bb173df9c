//! Reports the state of the process to systemd (`Type=notify`): one datagram each, to the socket that
//! `NOTIFY_SOCKET` names.
//!
//! Without that variable nothing is sent. Sending never waits, and a manager that takes no datagram stops
//! nothing.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The end of the process comes this much later than that of the drain: the flush of the log, a cluster
/// that is left.
const AFTER_DRAIN: Duration = Duration::from_secs(5);

/// Where the state is reported, if anywhere.
pub struct Notifier(Option<(UnixDatagram, SocketAddr)>);

impl Notifier {
    /// Reports to this socket; `None` reports nothing. One that cannot be used is an error in the log: a
    /// service manager would wait for the report that the start is complete.
    pub fn new(socket: Option<&str>) -> Self {
        let Some(name) = socket else { return Self(None) };
        let opened = open(name);
        if let Err(error) = &opened {
            tracing::error!(socket = name, %error, "NOTIFY_SOCKET cannot be used, and no state is reported: set NotifyAccess=main in the unit, or take NOTIFY_SOCKET out");
        }
        Self(opened.ok())
    }

    /// The start, or a reload, is complete.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// A reload of the configuration begins; [`ready`](Self::ready) ends it.
    pub fn reloading(&self) {
        let now = monotonic_microseconds();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=Reading the configuration"));
    }

    /// The drain begins. It may take longer than the manager would wait by itself.
    pub fn stopping(&self, drain: Duration) {
        let bound = (drain + AFTER_DRAIN).as_micros();
        self.send(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={bound}\nSTATUS=Closing the sockets"));
    }

    /// Another process has taken over: the manager watches that one from now on.
    pub fn main_process(&self, pid: u32) {
        self.send(&format!("MAINPID={pid}"));
    }

    /// A sign of life.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, state: &str) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            tracing::debug!(%error, state, "the service manager takes no notification");
        }
    }
}

fn open(name: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(name) => abstract_address(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

/// Only Linux has such names.
#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &str) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The clock that systemd compares with: since the start of the machine.
fn monotonic_microseconds() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

#[cfg(test)]
mod tests {
    use super::{Duration, Notifier, UnixDatagram, monotonic_microseconds};

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 1024];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn each_state_is_one_datagram_in_the_form_of_systemd() {
        let path = std::env::temp_dir().join(format!("resound-notify-{}", std::process::id()));
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(path.to_str());
        notifier.ready("serving on 127.0.0.1:8080");
        assert_eq!(received(&manager), "READY=1\nSTATUS=serving on 127.0.0.1:8080");
        notifier.stopping(Duration::from_secs(10));
        let stopping = "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\nSTATUS=Closing the sockets";
        assert_eq!(received(&manager), stopping);
        notifier.main_process(7);
        assert_eq!(received(&manager), "MAINPID=7");
        notifier.alive();
        assert_eq!(received(&manager), "WATCHDOG=1");

        let before = monotonic_microseconds();
        notifier.reloading();
        let reloading = received(&manager);
        let lines: Vec<_> = reloading.lines().collect();
        let time = lines[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!((before..=monotonic_microseconds()).contains(&time), "{reloading}");
        assert_eq!([lines[0], lines[2]], ["RELOADING=1", "STATUS=Reading the configuration"]);

        drop(manager);
        std::fs::remove_file(path).unwrap();
        notifier.ready("sent to nothing");
    }

    #[test]
    fn without_a_socket_nothing_is_sent() {
        Notifier::new(None).ready("");
        Notifier::new(Some("/no/such/socket")).ready("");
    }
}
