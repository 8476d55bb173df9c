//! A host: its namespace and address, and the programs and clients on it.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::redis::Process;
use crate::harness::wire::{APP, Wire};
use crate::harness::{Backend, Program, TestSocket, within};
use crate::line::Shape;
use crate::link::{HOST_END, Link};
use crate::sandbox::{run, try_run};

/// Where the programs find others: [`Program`] clears the environment.
const PATH: (&str, &str) = ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

/// A host on the network of a test.
pub(crate) struct Host {
    address: Ipv4Addr,
    pub(crate) link: Link,
    namespace: Namespace,
}

/// A network namespace with a name. Dropping it removes it.
struct Namespace {
    name: String,
    own: File,
    /// The one the suite runs in.
    home: File,
}

impl Host {
    pub(crate) fn new(
        name: &str,
        switch: [&str; 2],
        address: Ipv4Addr,
        shape: Option<Shape>,
    ) -> Self {
        let namespace = Namespace::new(name);
        let link = Link::new(name, switch, shape, |tap| namespace.inside(tap));
        run(&format!("ip -n {name} addr add {address}/24 dev {HOST_END}"));
        run(&format!("ip -n {name} link set {HOST_END} up"));
        run(&format!("ip -n {name} link set lo up"));
        Self { address, link, namespace }
    }

    /// A server on it, with further variables.
    pub(crate) async fn serve(&self, variables: &[(&str, &str)]) -> Program {
        let variables = [variables, &[PATH]].concat();
        Program::start_by(self.command(), IpAddr::V4(self.address), &variables).await
    }

    /// A Redis on it, and how others reach it.
    pub(crate) async fn redis(&self) -> (Process, String) {
        let mut command = self.command();
        let address = self.address.to_string();
        command.args(["redis-server", "--bind", &address, "--port", "6379", "--save", ""]);
        command.args(["--appendonly", "no", "--protected-mode", "no"]);
        let process = Process::start_by(command, "eady to accept connections").await;
        (process.expect("a Redis that starts"), format!("redis://{address}:6379"))
    }

    /// A client of a server.
    pub(crate) async fn socket(&self, server: &Program) -> TestSocket {
        TestSocket::over(self.connect(server.address, None).await, APP).await
    }

    /// A client that reads by hand, with so much room in the kernel.
    pub(crate) async fn wire(&self, server: &Program, receive_bytes: Option<u32>) -> Wire {
        Wire::over(self.connect(server.address, receive_bytes).await).greeted().await
    }

    /// A back end of a server.
    pub(crate) async fn backend(&self, server: &Program) -> Backend {
        let mut backend = Backend::new(server.address, "123456", "reverb-key", "reverb-secret");
        backend.use_connection(self.connect(server.address, None).await).await;
        backend
    }

    /// A TCP connection from it.
    pub(crate) async fn connect(&self, to: SocketAddr, receive_bytes: Option<u32>) -> TcpStream {
        // A socket stays in the namespace in which it was made.
        let socket = self.namespace.inside(TcpSocket::new_v4).unwrap();
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        within("a connection", socket.connect(to)).await.expect("a listener")
    }

    /// Makes its packets smaller, and those of connections that begin after that in both directions.
    pub(crate) fn set_mtu(&self, bytes: u32) {
        run(&format!("ip -n {} link set {HOST_END} mtu {bytes}", self.namespace.name));
    }

    pub(crate) fn packets_received(&self) -> u64 {
        self.packets(1)
    }

    pub(crate) fn packets_sent(&self) -> u64 {
        self.packets(9)
    }

    /// Segments of TCP that got no answer in time.
    pub(crate) fn segments_sent_again(&self) -> u64 {
        let (names, values) = (self.counters("snmp", "Tcp:", 0), self.counters("snmp", "Tcp:", 1));
        let at = names.iter().position(|name| name == "RetransSegs").expect("counters of TCP");
        values[at].parse().unwrap()
    }

    fn packets(&self, column: usize) -> u64 {
        self.counters("dev", &format!("{HOST_END}:"), 0)[column].parse().unwrap()
    }

    /// The fields of a line in a file of /proc/net; several lines may begin alike.
    fn counters(&self, file: &str, begin: &str, line: usize) -> Vec<String> {
        let read = || fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap();
        let text = self.namespace.inside(read);
        let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix(begin));
        let fields = lines.nth(line).expect("counters of the host").split_whitespace();
        fields.map(str::to_owned).collect()
    }

    /// A command that starts another one on this host, and ends it when the thread of the test ends,
    /// however it does.
    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "ip", "netns", "exec", &self.namespace.name]);
        command
    }
}

impl Namespace {
    fn new(name: &str) -> Self {
        run(&format!("ip netns add {name}"));
        let open = |path: &str| File::open(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let own = open(&format!("/run/netns/{name}"));
        Self { name: name.to_owned(), own, home: open("/proc/thread-self/ns/net") }
    }

    /// Runs something with this thread in the namespace.
    fn inside<T>(&self, act: impl FnOnce() -> T) -> T {
        move_into(&self.own);
        let result = act();
        move_into(&self.home);
        result
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        try_run(&format!("ip netns del {}", self.name));
    }
}

fn move_into(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("the right to enter a namespace of our own");
}
