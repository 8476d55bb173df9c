//! The built program as a process of its own: its log, its memory, its end.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use command_fds::{CommandFdExt, FdMapping};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{eventually, within};

/// A running server. Dropping it kills it.
pub struct Program {
    pub address: SocketAddr,
    /// How many sockets it allows, beside the descriptors that it and this process need.
    pub sockets_max: usize,
    child: Child,
    log: UnboundedReceiver<String>,
    /// Lines of the log from before the start was complete.
    early: VecDeque<String>,
    /// Panics in the log so far, of processes that took over too.
    panics: Arc<AtomicUsize>,
}

impl Program {
    /// Serves Reverb's test app on a free port, with further variables.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_resound")), variables).await
    }

    /// The same with a hard limit of open files.
    pub async fn start_with_open_files(most: u32, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\"")]);
        command.arg(env!("CARGO_BIN_EXE_resound"));
        Self::spawn(command, variables).await
    }

    /// The same with a configuration file beside the variables.
    pub async fn start_with_file(file: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("exec \"$0\" \"$@\" --config {file}")]);
        command.arg(env!("CARGO_BIN_EXE_resound"));
        Self::spawn(command, &[]).await
    }

    /// Serves a configuration file, by a command to which `serve` and the file are added; the app and the address
    /// are those of the file.
    pub async fn start_from(command: Command, file: &str) -> Self {
        Self::launch_with(command, &["serve", "--config", file], &[], &[]).await
    }

    /// Serves a configuration file, and logs as JSON.
    pub async fn start_with_json_log(file: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resound"));
        command.args(["serve", "--config", file, "--log-format", "json"]);
        Self::spawn_logging(command, &[], &[]).await
    }

    /// Serves Reverb's test app at the addresses of `server.listen`, the first of which is an IP address.
    pub async fn start_on(addresses: &str, variables: &[(&str, &str)]) -> Self {
        let command = Command::new(env!("CARGO_BIN_EXE_resound"));
        let listen = [("RESOUND_SERVER_LISTEN", addresses)];
        let variables = [&listen[..], variables].concat();
        Self::launch(command, &["serve"], &variables).await
    }

    /// The same by another path of the program.
    pub async fn start_at(path: &str, variables: &[(&str, &str)]) -> Self {
        Self::spawn(Command::new(path), variables).await
    }

    /// The same with listening sockets that a service manager has bound, each with its name.
    pub async fn start_activated(
        sockets: Vec<(&str, OwnedFd)>,
        variables: &[(&str, &str)],
    ) -> Self {
        // As systemd does: the variables name the process that the descriptors are for.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\""]);
        command.arg(env!("CARGO_BIN_EXE_resound"));
        let (names, descriptors): (Vec<_>, Vec<_>) = sockets.into_iter().unzip();
        let mappings = descriptors.into_iter().zip(3..);
        let mappings = mappings.map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.collect()).unwrap();
        let (count, names) = (names.len().to_string(), names.join(":"));
        let passed = [("LISTEN_FDS", &*count), ("LISTEN_FDNAMES", &names)];
        Self::launch(command, &["serve"], &[&passed[..], variables].concat()).await
    }

    /// The same where a command that starts another one puts it, such as in a network namespace.
    pub async fn start_by(mut command: Command, host: IpAddr, variables: &[(&str, &str)]) -> Self {
        command.arg(env!("CARGO_BIN_EXE_resound"));
        Self::spawn_on(command, host, variables).await
    }

    async fn spawn(command: Command, variables: &[(&str, &str)]) -> Self {
        Self::spawn_on(command, Ipv4Addr::LOCALHOST.into(), variables).await
    }

    async fn spawn_on(command: Command, host: IpAddr, variables: &[(&str, &str)]) -> Self {
        let arguments = ["serve", "--host", &host.to_string(), "--port", "0"];
        Self::launch(command, &arguments, variables).await
    }

    async fn launch(command: Command, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let app = [
            ("REVERB_APP_ID", "123456"),
            ("REVERB_APP_KEY", "reverb-key"),
            ("REVERB_APP_SECRET", "reverb-secret"),
        ];
        Self::launch_with(command, arguments, &app, variables).await
    }

    async fn launch_with(
        mut command: Command,
        arguments: &[&str],
        app: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Self {
        command.args(arguments);
        command.args(["--log-format", "human"]);
        Self::spawn_logging(command, app, variables).await
    }

    async fn spawn_logging(
        mut command: Command,
        app: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Self {
        command.env_clear().envs(app.iter().copied()).envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (line_read, log) = unbounded_channel();
        let panics = Arc::<AtomicUsize>::default();
        let found = panics.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                found.fetch_add(usize::from(line.contains("panicked at")), Ordering::Relaxed);
                let _ = line_read.send(line);
            }
        });
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut program =
            Self { address, sockets_max: 0, child, log, early: VecDeque::new(), panics };
        let mut early = VecDeque::new();
        let line = program.read_log("server started", |line| early.push_back(line)).await;
        program.early = early;
        let field = |name: &str| {
            let json = format!("\"{name}\":");
            let rest = line.split(&json).nth(1).or_else(|| line.split(&format!("{name}=")).nth(1));
            let value = rest.and_then(|rest| rest.split([' ', ',']).next());
            value.map_or(String::new(), |text| text.trim_matches('"').to_owned())
        };
        program.address = field("address").parse().expect("an address");
        program.sockets_max = field("sockets_max").parse().expect("a number of sockets");
        program
    }

    /// Waits for a line of the log.
    pub async fn log_line(&mut self, part: &str) -> String {
        while let Some(line) = self.early.pop_front() {
            if line.contains(part) {
                return line;
            }
        }
        self.read_log(part, drop).await
    }

    /// Waits for a line of the log; all lines up to it.
    pub async fn log_up_to(&mut self, part: &str) -> Vec<String> {
        let mut lines: Vec<String> = self.early.drain(..).collect();
        let last = self.read_log(part, |line| lines.push(line)).await;
        lines.push(last);
        lines
    }

    async fn read_log(&mut self, part: &str, mut other: impl FnMut(String)) -> String {
        let found = async {
            while let Some(line) = self.log.recv().await {
                if line.contains(part) {
                    return line;
                }
                other(line);
            }
            panic!("the program ended without logging {part:?}");
        };
        within(part, found).await
    }

    /// How many lines were logged since the last look, which are then forgotten.
    pub fn lines_logged(&mut self) -> usize {
        std::iter::from_fn(|| self.log.try_recv().ok()).count()
    }

    /// How many panics were logged.
    pub fn panics(&self) -> usize {
        self.panics.load(Ordering::Relaxed)
    }

    /// Every line up to the end of the program, those of its start not included.
    pub async fn rest_of_log(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        within("the program to end", async {
            while let Some(line) = self.log.recv().await {
                lines.push(line);
            }
        })
        .await;
        lines
    }

    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name without "SIG".
    pub fn signal(&self, name: &str) {
        self.signals(&[name]);
    }

    /// Sends several, one right behind the other.
    pub fn signals(&self, names: &[&str]) {
        let pid = self.child.id();
        let kills: Vec<String> = names.iter().map(|name| format!("kill -{name} {pid}")).collect();
        let script = kills.join(" && ");
        assert!(Command::new("/bin/sh").args(["-c", &script]).status().unwrap().success());
    }

    /// Waits for the end; further lines of the log are dropped.
    pub async fn exit_code(mut self) -> Option<i32> {
        within("the program to end", async { while self.log.recv().await.is_some() {} }).await;
        self.child.wait().unwrap().code()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of the process, while another one may go on to write to the log.
    pub async fn ended(&mut self) -> Option<i32> {
        eventually("the program to end", async || self.has_ended()).await;
        self.child.wait().unwrap().code()
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Lowers the limit of open files to the lowest descriptor that is not in use.
    pub fn exhaust_descriptors(&self) {
        let pid = self.child.id();
        let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let open: Vec<String> =
            open.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let free = (0..).find(|number: &u32| !open.contains(&number.to_string())).unwrap();
        let limit = format!("--nofile={free}:");
        let done = Command::new("prlimit").args(["--pid", &pid.to_string(), &limit]).status();
        assert!(done.unwrap().success());
    }

    /// Resident bytes.
    pub fn resident(&self) -> u64 {
        self.memory().resident()
    }

    pub fn memory(&self) -> Memory {
        Memory { process: self.child.id() }
    }

    /// Processor time so far, in hundredths of a second.
    pub fn cpu_centiseconds(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Behind the name in brackets: state is field 3, utime 14, stime 15.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

/// The memory of a program that the reader does not own.
#[derive(Clone, Copy)]
pub struct Memory {
    process: u32,
}

impl Memory {
    /// Resident bytes.
    pub fn resident(self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
