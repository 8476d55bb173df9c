//! What packages are made with: version, completions, manual pages, and the list of exit codes.

use std::fs;
use std::process::{Command, Output, Stdio};

use super::{APP, check, folder, line_with, resound, terminate, text};

const COMMANDS: [&str; 8] =
    ["serve", "check", "upgrade", "trigger", "bench", "healthcheck", "completions", "man"];

fn output(arguments: &[&str]) -> Output {
    resound(&folder("packaging"), arguments).output().unwrap()
}

/// The text that a call prints, which succeeds.
fn printed(arguments: &[&str]) -> String {
    let output = output(arguments);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{arguments:?}");
    text(&output.stdout).to_owned()
}

#[test]
fn the_version_names_commit_and_target() {
    let line = printed(&["--version"]);
    let build = line.strip_prefix(concat!("resound ", env!("CARGO_PKG_VERSION"), " (commit "));
    let (commit, target) = build.unwrap().split_once(", ").unwrap();
    let is_hexadecimal = commit.len() == 12 && commit.chars().all(|c| c.is_ascii_hexdigit());
    assert!(is_hexadecimal || commit == "unknown", "{line}");
    assert!(target.starts_with(std::env::consts::ARCH) && target.ends_with(")\n"), "{line}");
}

#[test]
fn every_shell_gets_a_script_with_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    assert_eq!(output(&["completions", "csh"]).status.code(), Some(2));
}

#[test]
fn bash_completes_commands_and_flags() {
    for (line, expected) in [
        ("resound se", "serve"),
        ("resound serve --po", "--port"),
        ("resound completions z", "zsh"),
    ] {
        let script = printed(&["completions", "bash"]);
        let ask = "COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); \
                   _resound resound \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
                   echo \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-c", &format!("{script}\n{ask}"), "bash", line]);
        check(&bash.output().unwrap(), 0, &format!("{expected}\n"), "");
    }
}

#[test]
fn the_program_and_each_command_have_a_manual_page() {
    let main = printed(&["man"]);
    assert!(main.starts_with(".ie \\n(.g"), "{main}");
    for command in COMMANDS {
        assert!(main.contains(&format!("\nresound\\-{command}(1)\n")), "{command}:\n{main}");
        let page = printed(&["man", command]);
        let title = format!(".TH resound-{command} 1  \"resound {}\"", env!("CARGO_PKG_VERSION"));
        assert!(page.contains(&title), "{page}");
    }
    let start = "error: argument COMMAND is \"start\", but the commands are serve, check, ";
    let refused = output(&["man", "start"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).starts_with(start), "{refused:?}");
}

/// The rows of the guide's table, as code and meaning.
fn documented_exit_codes() -> Vec<(String, String)> {
    let guide = fs::read_to_string("docker/README.md").unwrap();
    let (_, section) = guide.split_once("\n## Exit codes\n").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let pairs = rows.filter_map(|row| row.split_once(" | "));
    pairs.skip(1).map(|(code, meaning)| (code.to_owned(), meaning.to_owned())).collect()
}

#[test]
fn the_guide_and_the_manual_list_the_same_exit_codes() {
    let page = printed(&["man"]);
    let (_, section) = page.split_once(".SH \"EXIT STATUS\"\n").unwrap();
    let (section, _) = section.split_once(".SH").unwrap();
    let entries = section.split(".TP\n").skip(1);
    let entries = entries.map(|entry| entry.trim().replace("\\fB", "").replace("\\fR", ""));
    let listed: Vec<_> = entries
        .map(|entry| entry.split_once('\n').map(|(code, text)| (code.into(), text.into())).unwrap())
        .collect();
    assert_eq!(listed, documented_exit_codes());
}

#[test]
fn the_codes_of_the_guide_are_those_of_the_program() {
    let here = folder("codes");
    fs::write(here.join("a.toml"), APP).unwrap();
    let serve = |port: &str| {
        let arguments = ["serve", "--config", "a.toml", "--host", "127.0.0.1", "--port", port];
        let mut command = resound(&here, &arguments);
        command.stderr(Stdio::piped());
        command
    };
    let mut server = serve("0").spawn().unwrap();
    let started = line_with(server.stderr.take().unwrap(), "server started");
    let (_, address) = started.split_once("address=\"127.0.0.1:").unwrap();
    let port = address.split('"').next().unwrap();
    let taken = serve(port).output().unwrap().status.code();
    let wrong = serve("no port").output().unwrap().status.code();
    terminate(&server);
    let drained = server.wait().unwrap().code();
    let codes = [drained, taken, wrong].map(|code| code.unwrap().to_string());
    let documented: Vec<String> = documented_exit_codes().into_iter().map(|row| row.0).collect();
    assert_eq!(documented, codes);
}
