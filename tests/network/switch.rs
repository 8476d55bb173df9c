//! The network of one test: a switch, and hosts on links to it.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::host::Host;
use crate::line::Shape;
use crate::sandbox::{run, try_run};

/// A switch. Several tests have one each, and the same addresses behind it.
pub(crate) struct Switch {
    number: usize,
    hosts: Cell<u8>,
}

impl Switch {
    pub(crate) fn new() -> Self {
        static SWITCHES: AtomicUsize = AtomicUsize::new(0);
        let switch = Self { number: SWITCHES.fetch_add(1, Ordering::Relaxed), hosts: Cell::new(0) };
        let bridge = switch.bridge();
        run(&format!("ip link add {bridge} type bridge"));
        run(&format!("ip link set {bridge} up"));
        switch
    }

    /// One more host, behind a link of 1500 bytes and nothing else.
    pub(crate) fn host(&self) -> Host {
        self.add(None)
    }

    /// One more host, behind a link of this shape.
    pub(crate) fn host_behind(&self, shape: Shape) -> Host {
        self.add(Some(shape))
    }

    fn add(&self, shape: Option<Shape>) -> Host {
        let (switch, host) = (self.number, self.hosts.get() + 1);
        self.hosts.set(host);
        let (name, port) = (format!("w{switch}-{host}"), format!("p{switch}-{host}"));
        Host::new(&name, [&self.bridge(), &port], Ipv4Addr::new(10, 0, 0, host), shape)
    }

    fn bridge(&self) -> String {
        format!("br{}", self.number)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        try_run(&format!("ip link del {}", self.bridge()));
    }
}
