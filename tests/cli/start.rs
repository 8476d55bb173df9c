//! What a start says of its surroundings: variables, files beside it, terminals, addresses.

use std::path::Path;
use std::process::Stdio;

use super::{APP, check, folder, line_with, resound, terminate};

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
    let (_, said) = line.split_once("serve: ").unwrap();
    assert_eq!(
        said,
        "variables that Kubernetes or Docker set for a service of this name are ignored \
         variables=RESOUND_PORT, RESOUND_SERVICE_HOST, RESOUND_SERVICE_PORT_HTTP, REVERB_SERVER_PORT"
    );
}

#[test]
fn a_setting_without_effect_is_a_warning_of_serve_and_check() {
    let here = folder("unused");
    let said = "environment variable REVERB_APP_KEYY has no effect; did you mean REVERB_APP_KEY?";
    let variables = [("REVERB_APP_KEYY", "hidden")];
    let line = logged(&here, &variables, "has no effect");
    assert!(line.contains("WARN resound::cli::serve: ") && line.ends_with(said), "{line}");
    let mut command = resound(&here, &["check", "--config", "a.toml"]);
    let output = command.envs(variables).output().unwrap();
    let app = "app 7: key k, any number of connections, messages up to 10000 bytes";
    check(&output, 0, &format!("{app}\nwarning: {said}\nok\n"), "");
}
