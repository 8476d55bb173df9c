//! The namespaces in which the whole suite runs: nothing it makes is seen outside, clashes with
//! another run, or is left behind when it is killed.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio, exit};
use std::sync::OnceLock;
use std::{env, io};

/// Set in the process that runs inside.
const INSIDE: &str = "NETWORK_SANDBOX";

/// What makes tap devices.
const TAPS: &str = "/dev/net/tun";

/// Programs the suite runs, and the Debian packages they are in.
const TOOLS: [(&str, &str, &str); 6] = [
    ("unshare", "--version", "util-linux"),
    ("setpriv", "--version", "util-linux"),
    ("mount", "--version", "mount"),
    ("ip", "-V", "iproute2"),
    ("tc", "-V", "iproute2"),
    ("redis-server", "--version", "redis-server"),
];

const NOT_PERMITTED: &str = "the network suite needs network namespaces, which are not permitted \
     here: run it as root, or permit them to users (sysctl kernel.unprivileged_userns_clone=1, on \
     Ubuntu sysctl kernel.apparmor_restrict_unprivileged_userns=0, in a container --privileged)";

/// Starts this program again inside; returns only there.
#[allow(clippy::disallowed_methods, reason = "no configuration: it marks where the process is")]
pub(crate) fn enter() {
    if env::var_os(INSIDE).is_some() {
        prepare();
        return;
    }
    for (tool, version, package) in TOOLS {
        if quietly(Command::new(tool).arg(version)).is_err() {
            give_up(&format!("{tool} is missing: install the package {package}"));
        }
    }
    if !matches!(quietly(unshare().arg("true")), Ok(true)) {
        give_up(NOT_PERMITTED);
    }
    let own = env::current_exe().expect("the path of this program");
    let failed = unshare().arg(own).args(env::args_os().skip(1)).env(INSIDE, "1").exec();
    give_up(&format!("unshare: {failed}"));
}

/// As root without a namespace of users: a container may permit the one and not the other.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--"]);
    command
}

/// `ip netns` keeps its names in /run, and the others must not see them.
fn prepare() {
    run("mount -t tmpfs tmpfs /run");
    run("ip link set lo up");
    if has_netem() {
        say("links are shaped by tc netem");
        return;
    }
    say("links are shaped in user space: this kernel has no netem");
    if let Err(error) = File::options().read(true).write(true).open(TAPS) {
        give_up(&format!("{TAPS}, which is needed for that: {error}"));
    }
}

/// Whether the kernel delays, limits and drops packets by itself.
pub(crate) fn has_netem() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let words = "qdisc add dev lo root netem delay 1ms".split(' ');
        let found = matches!(quietly(Command::new("tc").args(words)), Ok(true));
        if found {
            run("tc qdisc del dev lo root");
        }
        found
    })
}

/// Runs a command that must succeed.
pub(crate) fn run(line: &str) {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().expect("a command"));
    let output = command.args(words).output().unwrap_or_else(|error| panic!("{line}: {error}"));
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {problem}");
}

/// Runs a command that cleans up, perhaps while a test fails.
pub(crate) fn try_run(line: &str) {
    let mut words = line.split_whitespace();
    let _ = quietly(Command::new(words.next().expect("a command")).args(words));
}

fn quietly(command: &mut Command) -> io::Result<bool> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status()?.success())
}

fn give_up(why: &str) -> ! {
    say(why);
    exit(1);
}

/// Past the test runner, which shows nothing of a test that passes.
fn say(text: &str) {
    let _ = io::stderr().write_all(format!("network: {text}\n").as_bytes());
}
