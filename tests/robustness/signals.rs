//! Signals of a process manager, of a terminal and its wrapper, and of a session that ends.

use std::net::Ipv4Addr;
use std::process::Command;

use crate::harness::Program;
use crate::harness::wire::Wire;
use crate::shutdown::half_a_request;

/// A program, and sockets that answer nothing.
///
/// `env` gives the program the default reaction to SIGHUP: a program inherits an ignored signal, and
/// so a run of the tests under nohup would start it with a SIGHUP that never arrives.
async fn with_sockets(count: usize, variables: &[(&str, &str)]) -> (Program, Vec<Wire>) {
    let mut env = Command::new("env");
    env.arg("--default-signal=HUP");
    let program = Program::start_by(env, Ipv4Addr::LOCALHOST.into(), variables).await;
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(Wire::socket(program.address).await);
    }
    (program, sockets)
}

async fn are_closed_with_4200(sockets: Vec<Wire>) {
    for mut socket in sockets {
        assert_eq!(socket.farewell().await.code, Some(4200));
    }
}

#[tokio::test]
async fn signals_that_stop_a_process_begin_a_drain() {
    for name in ["TERM", "INT", "QUIT"] {
        let (mut program, sockets) = with_sockets(50, &[]).await;
        program.signal(name);
        let line = program.log_line("stopping").await;
        assert!(line.contains(&format!("SIG{name}")), "{line}");
        are_closed_with_4200(sockets).await;
        assert_eq!(program.exit_code().await, Some(0), "SIG{name}");
    }
}

/// A terminal sends Ctrl-C to a program and to its wrapper, which forwards it; systemd sends SIGHUP
/// right after SIGTERM.
#[tokio::test]
async fn a_signal_that_comes_twice_is_one() {
    for (first, second) in [("INT", "INT"), ("TERM", "INT"), ("TERM", "HUP")] {
        let (mut program, sockets) = with_sockets(50, &[]).await;
        program.signals(&[first, second]);
        program.log_line("stopping").await;
        are_closed_with_4200(sockets).await;
        assert_eq!(program.exit_code().await, Some(0), "{first} and {second}");
    }
}

/// A drain closes a thousand sockets a second: most of these are open when the second signal comes.
#[tokio::test]
async fn a_second_signal_closes_every_socket_at_once() {
    let drain = ("RESOUND_SERVER_DRAIN_SECONDS", "3600");
    let (mut program, sockets) = with_sockets(1500, &[drain]).await;
    let _request = half_a_request(program.address, "never").await;
    program.signal("TERM");
    program.log_line("stopping").await;
    // Signals within half a second count as one.
    let mut line = String::new();
    while !line.contains("a second signal") {
        program.signal("INT");
        line = program.log_line("signal").await;
    }
    are_closed_with_4200(sockets).await;
    assert_eq!(program.exit_code().await, Some(1));
}

#[tokio::test]
async fn signals_without_a_purpose_are_logged_and_change_nothing() {
    let (mut program, sockets) = with_sockets(50, &[]).await;
    program.signal("USR1");
    let line = program.log_line("signal ignored").await;
    assert!(line.contains("SIGUSR1"), "{line}");
    program.signal("PIPE");
    let mut request = Wire::open(program.address).await;
    request.send("GET /ready HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(request.reply().await.status, 200);
    program.terminate();
    are_closed_with_4200(sockets).await;
    assert_eq!(program.exit_code().await, Some(0));
}

/// nohup starts a program with SIGHUP ignored, so that the end of its terminal does not stop it.
#[tokio::test]
async fn a_program_that_nohup_started_survives_its_terminal() {
    let host = Ipv4Addr::LOCALHOST.into();
    let mut program = Program::start_by(Command::new("nohup"), host, &[]).await;
    program.signal("HUP");
    program.log_line("the configuration is in use").await;
    program.terminate();
    let line = program.log_line("stopping").await;
    assert!(line.contains("SIGTERM"), "{line}");
    assert_eq!(program.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_drain_that_takes_all_its_time_is_exit_code_0_too() {
    let mut program = Program::start(&[("RESOUND_SERVER_DRAIN_SECONDS", "1")]).await;
    let _request = half_a_request(program.address, "never").await;
    program.terminate();
    program.log_line("stopping").await;
    assert_eq!(program.exit_code().await, Some(0));
}
