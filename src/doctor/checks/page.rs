//! Checks of what pages will connect to when they are built: the variables for them, and the options of Echo.

use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::echo_options::{DialledKey, find};
use crate::doctor::env_file::LaravelEnv;
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::laravel_app::LaravelApp;
use crate::doctor::page_target::{PageTarget, build_prefix, page_targets};
use crate::doctor::server_ports::{ServedTls, ServerPorts};
use crate::doctor::setup::Setup;
use crate::doctor::source_text::without_comments;

pub(super) const CHECKS: [SetupCheck; 3] = [
    SetupCheck {
        id: "R013",
        title: "Pages get the same app and a working address.",
        looks_at: "`VITE_REVERB_*` and the like, the options of Echo below `resources`",
        says: &[
            "… is …, but … is …: pages would connect to another app.",
            "Pages would have no key, for … is not set.",
            "Pages would connect to pusher.com, for … is not set.",
            "Pages would connect to pusher.com, for Echo's options have no wsHost.",
            "Pages would use … on port …, but ….",
        ],
        change: "the lines with `VITE_`, then build the pages",
        needs: &["R005", "R010", "R011"],
        method: Method::Look(variables_agree),
    },
    SetupCheck {
        id: "R017",
        title: "An https page connects with TLS.",
        looks_at: "`APP_URL`, `VITE_REVERB_SCHEME`, `forceTLS` of Echo",
        says: &["The page would dial … without TLS, but is itself https."],
        change: "`VITE_REVERB_PORT` and `VITE_REVERB_SCHEME`, then build the pages",
        needs: &["R013"],
        method: Method::Look(no_mixed_content),
    },
    SetupCheck {
        id: "R018",
        title: "pusher-js reads every option that Echo is given.",
        looks_at: "the options of Echo below `resources`, and in built JavaScript",
        says: &["pusher-js ignores the … of Echo's options, so the page dials …."],
        change: "`wsHost`, `wsPort`, `wssPort` and `forceTLS` instead of `host`, `port` and `scheme`",
        needs: &[],
        method: Method::Look(options_are_read),
    },
];

fn without_env() -> CheckOutcome {
    CheckOutcome::Inapplicable("there is no .env".to_owned())
}

fn variables_agree(setup: &Setup) -> CheckOutcome {
    let (Some(app), Some(env)) = (&setup.app, setup.env()) else { return without_env() };
    let prefix = build_prefix(env);
    let key = app.name("APP_KEY");
    let page_key = format!("{prefix}{key}");
    if let (Some(of_page), Some(of_php)) =
        (env.vite(&page_key).filter(|key| !key.is_empty()), env.text(&key))
        && of_page != of_php
    {
        let says = format!(
            "{page_key} is {of_page}, but {key} is {of_php}: pages would connect to another app."
        );
        let finding = Finding::fail(says).seen(env.seen(&page_key)).seen(env.seen(&key));
        return CheckOutcome::Found(vec![
            finding.change(env.set(&page_key, &format!("\"${{{key}}}\""))),
        ]);
    }
    let targets = page_targets(app, env);
    if targets.is_empty() {
        return CheckOutcome::Inapplicable("nothing says what pages connect to".to_owned());
    }
    let listening = ServerPorts::of(setup);
    if let Some(target) = targets.first()
        && targets.iter().all(|target| target.dialled.is_pusher() && !target.has_host())
        && !is_empty(env, &format!("{prefix}{}", app.name("HOST")))
    {
        return CheckOutcome::Found(vec![without_host(app, target, prefix)]);
    }
    let findings = targets.iter().filter_map(|target| incomplete(app, env, target, &listening));
    let seen = targets.iter().map(|target| format!("{}: {}", target.place, target.dialled.shown()));
    CheckOutcome::of(findings.take(1).collect(), seen.collect())
}

fn is_empty(env: &LaravelEnv, name: &str) -> bool {
    env.vite(name).is_none_or(|value| value.is_empty())
}

/// The options of Pusher's own service, in a page whose variables name another host.
fn without_host(app: &LaravelApp, target: &PageTarget, prefix: &str) -> Finding {
    let says = "Pages would connect to pusher.com, for Echo's options have no wsHost.";
    let read = |setting: &str| format!("import.meta.env.{prefix}{}", app.name(setting));
    let (host, port) = (read("HOST"), read("PORT"));
    let remedy = format!(
        "wsHost: {host}, wsPort: {port}, wssPort: {port} where Echo starts, and broadcaster: 'reverb'"
    );
    Finding::fail(says)
        .seen(format!("{}: {}", target.place, target.dialled.shown()))
        .change(Remedy::advice(remedy))
        .change(Remedy::run("npm run build"))
}

/// What keeps a page from reaching the server.
fn incomplete(
    app: &LaravelApp,
    env: &LaravelEnv,
    target: &PageTarget,
    listening: &ServerPorts,
) -> Option<Finding> {
    let name = |setting: &str| format!("{}{}", build_prefix(env), app.name(setting));
    let of_php = |setting: &str| format!("\"${{{}}}\"", app.name(setting));
    let dialled = &target.dialled;
    if dialled.key == Some(DialledKey::Missing) {
        let name = name("APP_KEY");
        let finding = Finding::fail(format!("Pages would have no key, for {name} is not set."));
        return Some(
            finding
                .seen(&target.place)
                .seen(env.seen(&name))
                .change(env.set(&name, &of_php("APP_KEY"))),
        );
    }
    let host = name("HOST");
    let reads_host = target.options.as_ref().is_some_and(|options| options.ignored().is_empty());
    if dialled.is_pusher() && reads_host && is_empty(env, &host) {
        let finding =
            Finding::fail(format!("Pages would connect to pusher.com, for {host} is not set."));
        return Some(
            finding
                .seen(&target.place)
                .seen(env.seen(&host))
                .change(env.set(&host, &of_php("HOST"))),
        );
    }
    let port = dialled.port.as_ref().and_then(|port| port.parse().ok())?;
    let scheme = if dialled.tls? { "https" } else { "http" };
    let flaw = listening.flaw(scheme, port)?;
    let says = format!("Pages would use {scheme} on port {port}, but {}.", flaw.says);
    let (scheme_name, port_name) = (name("SCHEME"), name("PORT"));
    let finding = Finding::fail(says).seen(format!("{}: {}", target.place, dialled.shown()));
    Some(
        finding
            .seen(env.seen(&scheme_name))
            .seen(env.seen(&port_name))
            .change(env.set(&scheme_name, flaw.scheme))
            .change(Remedy::run("npm run build")),
    )
}

fn no_mixed_content(setup: &Setup) -> CheckOutcome {
    let (Some(app), Some(env)) = (&setup.app, setup.env()) else { return without_env() };
    if !env.text("APP_URL").is_some_and(|url| url.starts_with("https://")) {
        return CheckOutcome::Inapplicable("APP_URL is no https address".to_owned());
    }
    let listening = ServerPorts::of(setup);
    let targets = page_targets(app, env);
    let Some(target) = targets.iter().find(|target| is_mixed(target, &listening)) else {
        return CheckOutcome::Passed(vec![env.seen("APP_URL")]);
    };
    let dialled = &target.dialled;
    let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "…".to_owned());
    let says = format!(
        "The page would dial {}:{} without TLS, but is itself https.",
        part(&dialled.host),
        part(&dialled.port)
    );
    let name = |setting: &str| format!("{}{}", build_prefix(env), app.name(setting));
    let finding = Finding::fail(says)
        .seen(env.seen("APP_URL"))
        .seen(format!("{}: {}", target.place, dialled.shown()))
        .seen(format!(
            "browsers refuse ws:// on an https page, so pusher-js tries wss:// on port {}",
            part(&dialled.tls_port)
        ));
    CheckOutcome::Found(vec![
        finding
            .change(env.set(&name("PORT"), "443"))
            .change(env.set(&name("SCHEME"), "https"))
            .change(Remedy::run("npm run build")),
    ])
}

/// Whether an https page has no TLS where it connects to.
fn is_mixed(target: &PageTarget, listening: &ServerPorts) -> bool {
    let dialled = &target.dialled;
    if dialled.tls != Some(false) {
        return false;
    }
    let port = |port: &Option<String>| port.as_ref().and_then(|port| port.parse::<u16>().ok());
    let (Some(plain), Some(with_tls)) = (port(&dialled.port), port(&dialled.tls_port)) else {
        return false;
    };
    let serves_tls = listening.ports.contains(&with_tls) && listening.tls != ServedTls::Without;
    !serves_tls && (plain == with_tls || listening.flaw("https", with_tls).is_some())
}

fn options_are_read(setup: &Setup) -> CheckOutcome {
    let Some(app) = &setup.app else {
        return CheckOutcome::Inapplicable("there is no application".to_owned());
    };
    let variables = |name: &str| setup.env().and_then(|env| env.vite(name));
    let sources = app.scripts.iter().map(|file| (&file.name, without_comments(&file.text)));
    let bundles = app.bundles.iter().map(|file| (&file.name, file.text.clone()));
    let mut seen = Vec::new();
    for (name, text) in sources.chain(bundles) {
        for options in find(&text, &variables) {
            let ignored = options.ignored();
            if !ignored.is_empty() {
                let ignored = ignored.join(", ");
                let says = format!(
                    "pusher-js ignores the {ignored} of Echo's options, so the page dials {}.",
                    options.dialled().shown()
                );
                return CheckOutcome::Found(vec![
                    Finding::fail(says)
                        .seen(format!("{name} line {}: {ignored}", options.line))
                        .change(Remedy::advice(
                            "wsHost, wsPort, wssPort and forceTLS instead of host, port and scheme where Echo \
                             starts",
                        ))
                        .change(Remedy::run("npm run build")),
                ]);
            }
            seen.push(format!("{name} line {}", options.line));
        }
    }
    if seen.is_empty() {
        return CheckOutcome::Inapplicable("no start of Echo was found".to_owned());
    }
    CheckOutcome::Passed(seen)
}
