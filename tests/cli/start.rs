//! What a start logs of its surroundings: variables, files beside it, terminals, addresses.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use super::{APP, check, folder, keys_of_app, line_with, resound, terminate, text};

/// The first line of the log with `part`, of a server with one app and these variables.
fn logged(here: &Path, variables: &[(&str, &str)], part: &str) -> String {
    std::fs::write(here.join("a.toml"), APP).unwrap();
    let arguments = ["serve", "--config", "a.toml", "--host", "localhost", "--port", "0"];
    let mut command = resound(here, &arguments);
    command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let line = line_with(child.stderr.take().unwrap(), part);
    terminate(&child);
    check(&child.wait_with_output().unwrap(), 0, "", "");
    line
}

#[test]
fn injected_variables_do_not_stop_a_start_and_are_named() {
    let variables = [
        ("RESOUND_PORT", "tcp://10.0.0.1:8080"),
        ("RESOUND_SERVICE_HOST", "10.0.0.1"),
        ("RESOUND_SERVICE_PORT_HTTP", "8080"),
        ("REVERB_SERVER_PORT", "tcp://10.0.0.1:8080"),
    ];
    let line = logged(&folder("injected"), &variables, "are ignored");
    let (_, message) = line.split_once("serve: ").unwrap();
    assert_eq!(
        message,
        "variables that Kubernetes or Docker set for a service of this name are ignored \
         variables=RESOUND_PORT, RESOUND_SERVICE_HOST, RESOUND_SERVICE_PORT_HTTP, REVERB_SERVER_PORT"
    );
}

#[test]
fn a_setting_without_effect_is_a_warning_of_serve_and_check() {
    let here = folder("unused");
    let message =
        "environment variable REVERB_APP_KEYY has no effect; did you mean REVERB_APP_KEY?";
    let variables = [("REVERB_APP_KEYY", "hidden")];
    let line = logged(&here, &variables, "has no effect");
    assert!(line.contains("WARN resound::cli::serve: ") && line.ends_with(message), "{line}");
    let mut command = resound(&here, &["check", "--config", "a.toml"]);
    let output = command.envs(variables).output().unwrap();
    let app = "app 7: key k, any number of connections, messages up to 10000 bytes";
    let keys = keys_of_app("k", "a.toml");
    check(&output, 0, &format!("{app}\nwarning: {message}\n{keys}ok\n"), "");
}

/// The complete stderr of `serve` with one app, which ends with 1.
fn check_refused(arguments: &[&str], variables: &[(&str, &str)], message: &str) {
    let here = folder(&format!("listen-{}", message.len()));
    std::fs::write(here.join("a.toml"), APP).unwrap();
    let mut command = resound(&here, &[&["serve", "--config", "a.toml"], arguments].concat());
    let output = command.envs(variables.iter().copied()).output().unwrap();
    check(&output, 1, "", &format!("error: {message}\n"));
}

#[test]
fn an_address_that_cannot_be_listened_on_ends_with_1_and_names_key_and_cause() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    let in_use = "another process listens there; stop it, or choose another port";
    check_refused(
        &["--host", "127.0.0.1", "--port", &port],
        &[],
        &format!("cannot listen on {address} (server.port from flag --port): {in_use}"),
    );
    check_refused(
        &["--host", "127.0.0.1", "--port", "0"],
        &[("RESOUND_METRICS_LISTEN", &address)],
        &format!(
            "cannot listen on {address} (metrics.listen from environment variable \
             RESOUND_METRICS_LISTEN): {in_use}"
        ),
    );
    // An address of the block for documentation, which no machine has.
    check_refused(
        &["--port", "8080"],
        &[("REVERB_SERVER_HOST", "192.0.2.1")],
        "cannot listen on 192.0.2.1:8080 (server.host from environment variable \
         REVERB_SERVER_HOST): no network interface of this machine has that address; choose one \
         that it has, or 0.0.0.0 for all of them",
    );
}

#[test]
fn the_log_has_colours_only_where_they_are_forced() {
    let here = folder("colours");
    for (variables, coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let line = logged(&here, variables, "server started");
        assert_eq!(line.contains('\u{1b}'), coloured, "{variables:?} {line}");
        let output = resound(&here, &["--help"]).envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.stdout.contains(&b'\x1b'), coloured, "{variables:?}");
    }
}

/// The address of the console that a server without apps prints, and its whole log.
fn console_of_development(here: &Path) -> (String, String) {
    let mut command = resound(here, &["serve", "--port", "0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let url = line_with(&mut stdout, "/console/");
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    (url, text(&output.stderr).to_owned())
}

#[test]
fn a_server_without_apps_prints_where_its_console_is_and_logs_no_token() {
    // Another test may have the port instead.
    let taken = TcpListener::bind("127.0.0.1:9600");
    let here = folder("console");
    let tokens = [0, 1].map(|_| {
        let (url, log) = console_of_development(&here);
        let (address, token) = url.split_once("/console/#token=").unwrap();
        let port = address.strip_prefix("http://127.0.0.1:").unwrap();
        let is_other = taken.is_err() || port != "9600";
        assert!(port.parse::<u16>().is_ok() && is_other, "{url}");
        assert!(token.len() == 32 && token.bytes().all(|digit| digit.is_ascii_hexdigit()), "{url}");
        assert!(
            log.contains(&format!("internal=\"127.0.0.1:{port}\"")) && !log.contains(token),
            "{log}"
        );
        token.to_owned()
    });
    assert_ne!(tokens[0], tokens[1], "each start has another token");
    drop(taken);
}
