//! The link of a host to the switch: its two ends, its shape, its cut.
//!
//! A link without a shape is a veth pair. A link with one is the same with `netem` at both ends
//! where the kernel has it; else both ends are tap devices, and threads carry the packets between
//! them: the delay, the rate, the queue and the loss are those of packets, and TCP answers them as it
//! answers those of a real link.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use parking_lot::Mutex;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use crate::line::{Line, QUEUE_PACKETS, Shape};
use crate::sandbox::{has_netem, run, try_run};

/// With the header of Ethernet.
const PACKET_BYTES: usize = 1514;

/// The name of a host's end.
pub(crate) const HOST_END: &str = "eth0";

/// A link that is up.
pub(crate) struct Link {
    namespace: String,
    /// The switch's end.
    port: String,
    bridge: String,
    /// Of a link whose packets we carry.
    carried: Option<Arc<Mutex<Shape>>>,
}

/// Packets under way in one direction, and when each arrives.
type UnderWay = (Instant, Vec<u8>);

impl Link {
    /// Between a namespace and a bridge of the namespace that the suite runs in. `inside` runs what
    /// it is given in the namespace.
    pub(crate) fn new(
        namespace: &str,
        [bridge, port]: [&str; 2],
        shape: Option<Shape>,
        inside: impl FnOnce(fn() -> SyncDevice) -> SyncDevice,
    ) -> Self {
        let [namespace, bridge, port] = [namespace, bridge, port].map(str::to_owned);
        let mut link = Self { namespace, port, bridge, carried: None };
        match shape {
            Some(shape) if !has_netem() => link.carry(shape, inside(|| tap(HOST_END))),
            _ => link.pair(),
        }
        if let Some(shape) = shape {
            link.reshape(shape);
        }
        link.heal();
        run(&format!("ip link set {} up", link.port));
        link
    }

    /// Changes the shape of a link that has one.
    pub(crate) fn reshape(&self, shape: Shape) {
        if let Some(carried) = &self.carried {
            *carried.lock() = shape;
            return;
        }
        let netem = netem(&shape);
        let Self { namespace, port, .. } = self;
        run(&format!("tc qdisc replace dev {port} root netem {netem}"));
        run(&format!("tc -n {namespace} qdisc replace dev {HOST_END} root netem {netem}"));
    }

    /// From now on every packet is dropped, in both directions and without an ICMP message.
    pub(crate) fn cut(&self) {
        run(&format!("ip link set {} nomaster", self.port));
    }

    /// Packets pass again.
    pub(crate) fn heal(&self) {
        run(&format!("ip link set {} master {}", self.port, self.bridge));
    }

    /// A veth pair that carries segments: by default it passes on 64 KB at once.
    fn pair(&self) {
        let Self { namespace, port, .. } = self;
        run(&format!("ip link add {port} type veth peer name {HOST_END} netns {namespace}"));
        run(&format!("ip -n {namespace} link set {HOST_END} gso_max_segs 1"));
    }

    fn carry(&mut self, shape: Shape, host_end: SyncDevice) {
        let shape = Arc::new(Mutex::new(shape));
        let ends = [Arc::new(host_end), Arc::new(tap(&self.port))];
        for (from, to) in [(0, 1), (1, 0)] {
            let (from, to, shape) = (ends[from].clone(), ends[to].clone(), shape.clone());
            let (leaves, under_way) = channel();
            thread::spawn(move || depart(&from, &shape, &leaves));
            thread::spawn(move || arrive(&under_way, &to));
        }
        self.carried = Some(shape);
    }
}

impl Drop for Link {
    /// The threads end with their devices.
    fn drop(&mut self) {
        try_run(&format!("ip link del {}", self.port));
    }
}

/// A device whose packets a program reads and writes. It offers no offloads, so that the kernel cuts
/// segments and computes checksums.
fn tap(name: &str) -> SyncDevice {
    let tap = DeviceBuilder::new().name(name).layer(Layer::L2).enable(false).build_sync();
    tap.unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn depart(from: &SyncDevice, shape: &Mutex<Shape>, leaves: &Sender<UnderWay>) {
    let mut line = Line::new(Instant::now());
    let mut packet = [0; PACKET_BYTES];
    while let Ok(bytes) = from.recv(&mut packet) {
        let shape = *shape.lock();
        let arrival = line.arrival(&shape, bytes, Instant::now(), rand::random());
        let Some(arrival) = arrival else { continue };
        if leaves.send((arrival, packet[..bytes].to_vec())).is_err() {
            return;
        }
    }
}

fn arrive(under_way: &Receiver<UnderWay>, to: &SyncDevice) {
    for (arrival, packet) in under_way {
        thread::sleep(arrival.saturating_duration_since(Instant::now()));
        // A device that is down drops it.
        let _ = to.send(&packet);
    }
}

/// The words of `tc` for a shape. Each is always there: what is left out stays as it was.
fn netem(shape: &Shape) -> String {
    let (delay, loss) = (shape.delay.as_micros(), shape.loss_percent);
    // The limit counts what is under way too.
    let (rate, limit) = match shape.bits_per_second {
        None => ("10gbit".to_owned(), 10_000),
        Some(bits) => {
            let under_way = f64::from(bits) * shape.delay.as_secs_f64() / 8.0 / 1500.0;
            (format!("{bits}bit"), QUEUE_PACKETS + under_way as u32)
        }
    };
    format!("delay {delay}us loss {loss}% rate {rate} limit {limit}")
}
