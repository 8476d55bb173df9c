//! Checks of `.env` as a file: whether Laravel reads it, and reads what its author wrote.

use std::collections::BTreeMap;

use crate::app::fingerprint;
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::env_file::{LaravelEnv, is_placeholder};
use crate::doctor::finding::{CheckOutcome, Finding, Gravity, Remedy};
use crate::doctor::setup::Setup;
use crate::dotenv::{DotenvVariable, LostCause, Quoting};

pub(super) const CHECKS: [SetupCheck; 5] = [
    SetupCheck {
        id: "R002",
        title: "Laravel can read .env.",
        looks_at: "`.env`, with the rules of phpdotenv",
        says: &["Laravel does not start with this .env: …"],
        change: "the line",
        needs: &[],
        method: Method::Look(readable),
    },
    SetupCheck {
        id: "R003",
        title: "Laravel reads the values that are written.",
        looks_at: "`REVERB_*`, `PUSHER_*`, `VITE_*`, `MIX_*`, `BROADCAST_*`, `QUEUE_*`, `REDIS_*`, `APP_URL`: `#`, quotes, blanks, references",
        says: &[
            "Lines … to … of .env have no effect: the quote that line … opens has no end.",
            "Lines … to … of .env have no effect: they are part of a comment with a quote.",
            "Laravel reads … only up to the # in it.",
            "… begins or ends with a blank, which is part of the value.",
            "… has quotes in its value.",
            "… refers to …, which .env does not set.",
        ],
        change: "the line",
        needs: &["R002"],
        method: Method::Look(as_written),
    },
    SetupCheck {
        id: "R004",
        title: "Each name stands in .env once.",
        looks_at: "the same names",
        says: &["… is set on lines …; the last one counts."],
        change: "the lines that do not count",
        needs: &["R002"],
        method: Method::Look(once),
    },
    SetupCheck {
        id: "R005",
        title: "The app in .env has an id, a key and a secret.",
        looks_at: "`REVERB_APP_ID`, `_KEY`, `_SECRET`, or the same with `PUSHER_`",
        says: &[
            "… is not set, so Laravel cannot sign for an app.",
            "… still has the placeholder …",
            "… has the value …, which guides use as an example.",
        ],
        change: "the line",
        needs: &["R002"],
        method: Method::Look(filled_in),
    },
    SetupCheck {
        id: "R014",
        title: "No page contains the secret.",
        looks_at: "`VITE_*`, `MIX_*`, built JavaScript",
        says: &[
            "… has the secret of the app, which every visitor can then read.",
            "The built page … contains the secret of the app, which every visitor can read.",
        ],
        change: "remove it, build again, and give the app another secret",
        needs: &["R005"],
        method: Method::Look(secret_kept),
    },
];

const NAMES: [&str; 7] = ["REVERB_", "PUSHER_", "VITE_", "MIX_", "BROADCAST_", "QUEUE_", "REDIS_"];

fn concerns(name: &str) -> bool {
    name == "APP_URL" || NAMES.iter().any(|prefix| name.starts_with(prefix))
}

fn without_env() -> CheckOutcome {
    CheckOutcome::Inapplicable("there is no .env".to_owned())
}

fn readable(setup: &Setup) -> CheckOutcome {
    match setup.app.as_ref().and_then(|app| app.env.as_ref()) {
        None => without_env(),
        Some(Ok(env)) => {
            let (name, number) = (&env.name, env.variables.all().len());
            CheckOutcome::Passed(vec![format!("{name}: {number} variables")])
        }
        Some(Err((name, error))) => CheckOutcome::Found(vec![
            Finding::fail(format!("Laravel does not start with this .env: {error}"))
                .seen(format!("{name} line {}", error.line)),
        ]),
    }
}

fn as_written(setup: &Setup) -> CheckOutcome {
    let Some(env) = setup.env() else { return without_env() };
    let mut findings: Vec<Finding> = Vec::new();
    for lost in &env.parsed.lost {
        let (first, last) = (lost.first, lost.last);
        let why = match lost.cause {
            LostCause::Unclosed => format!("the quote that line {first} opens has no end"),
            LostCause::Comment => "they are part of a comment with a quote".to_owned(),
        };
        let says = format!("Lines {first} to {last} of .env have no effect: {why}.");
        findings.push(
            Finding::fail(says)
                .change(Remedy::advice(format!("close the quote on line {first} of {}", env.name))),
        );
    }
    let concerned = env.variables.effective().filter(|variable| concerns(&variable.name));
    findings.extend(concerned.filter_map(|variable| misread(env, variable)));
    CheckOutcome::of(findings, Vec::new())
}

/// Why the value of a variable is not what its line seems to say.
fn misread(env: &LaravelEnv, variable: &DotenvVariable) -> Option<Finding> {
    let DotenvVariable { name, value, quoting, .. } = variable;
    let value = value.as_deref()?;
    let is_credential = name.contains("_APP_") || name.ends_with("_HOST");
    let gravity = if is_credential { Gravity::Fail } else { Gravity::Warn };
    let reference = value.split_once("${").and_then(|(_, rest)| rest.split('}').next());
    // Those of the app have checks of their own.
    let is_other = |name: &&str| !name.starts_with("REVERB_") && !name.starts_with("PUSHER_");
    let reference = reference.filter(|name| env.variables.get(name).is_none()).filter(is_other);
    let (says, new) = if *quoting == Quoting::Bare && env.is_cut_at_comment(variable) {
        (
            format!("Laravel reads {name} only up to the # in it."),
            format!("\"{}\"", env.written(variable)),
        )
    } else if value != value.trim() {
        (
            format!("{name} begins or ends with a blank, which is part of the value."),
            format!("\"{}\"", value.trim()),
        )
    } else if value.contains(['"', '\'', '“', '”', '‘', '’']) {
        let bare = value.replace(['"', '\'', '“', '”', '‘', '’'], "");
        (format!("{name} has quotes in its value."), format!("\"{bare}\""))
    } else if let Some(missing) = reference {
        (format!("{name} refers to {missing}, which .env does not set."), "<its value>".to_owned())
    } else {
        return None;
    };
    let finding = Finding { gravity, ..Finding::fail(says) }.seen(env.seen(name));
    let is_secret = env.seen(name).contains("=sha256:") && new != "<its value>";
    let new = if is_secret { "\"<the value, in double quotes>\"".to_owned() } else { new };
    Some(finding.change(env.set(name, &new)))
}

fn once(setup: &Setup) -> CheckOutcome {
    let Some(env) = setup.env() else { return without_env() };
    let mut lines: BTreeMap<&str, Vec<&DotenvVariable>> = BTreeMap::new();
    for variable in env.variables.all().iter().filter(|variable| concerns(&variable.name)) {
        lines.entry(&variable.name).or_default().push(variable);
    }
    let several = lines.into_iter().filter(|(_, all)| all.len() > 1);
    let findings = several.map(|(name, all)| {
        let numbers: Vec<String> = all.iter().map(|one| one.line.to_string()).collect();
        let says = format!("{name} is set on lines {}; the last one counts.", numbers.join(", "));
        let shown = all.iter().map(|one| format!("line {}: {}", one.line, env.shown(one)));
        let finding = shown.fold(Finding::warn(says), Finding::seen);
        let (_, useless) = all.split_last().unwrap_or((&all[0], &[]));
        useless.iter().fold(finding, |finding, one| finding.change(env.remove(one)))
    });
    CheckOutcome::of(findings.collect(), Vec::new())
}

fn filled_in(setup: &Setup) -> CheckOutcome {
    let (Some(app), Some(env)) = (&setup.app, setup.env()) else { return without_env() };
    let mut findings = Vec::new();
    for setting in ["APP_ID", "APP_KEY", "APP_SECRET"] {
        let name = app.name(setting);
        let what = setting.trim_start_matches("APP_").to_ascii_lowercase();
        let change = env.set(&name, &format!("<the {what} of the app>"));
        let shown = |value: &str| match setting {
            "APP_SECRET" => fingerprint(value),
            _ => format!("{value:?}"),
        };
        let finding = match env.text(&name) {
            None => Finding::fail(format!("{name} is not set, so Laravel cannot sign for an app.")),
            Some(value) if is_served(setup, value) || !is_placeholder(value) => continue,
            Some(value)
                if value.to_ascii_lowercase().starts_with("your") || value.starts_with('<') =>
            {
                Finding::fail(format!("{name} still has the placeholder {}.", shown(value)))
            }
            Some(value) => Finding::warn(format!(
                "{name} has the value {}, which guides use as an example.",
                shown(value)
            )),
        };
        findings.push(finding.seen(env.seen(&name)).change(change));
    }
    CheckOutcome::of(findings, vec![format!("{}_APP_*", app.prefix())])
}

/// Whether Resound has an app with this value, so that it is no placeholder.
fn is_served(setup: &Setup, value: &str) -> bool {
    let Some(Ok(config)) = &setup.config else { return false };
    let has = |app: &crate::app::App| {
        app.id == value || app.key == value || app.secrets().any(|secret| secret.reveal() == value)
    };
    config.development.is_none() && config.apps.iter().any(|app| has(app))
}

fn secret_kept(setup: &Setup) -> CheckOutcome {
    let (Some(app), Some(env)) = (&setup.app, setup.env()) else { return without_env() };
    let Some(secret) = env.text(&app.name("APP_SECRET")).filter(|secret| secret.len() >= 8) else {
        return CheckOutcome::Inapplicable("the secret has less than 8 letters".to_owned());
    };
    let is_public = |name: &str| name.starts_with("VITE_") || name.starts_with("MIX_");
    let variables = env.variables.effective().filter(|variable| is_public(&variable.name));
    let holds = |variable: &&DotenvVariable| {
        env.vite(&variable.name).is_some_and(|value| value.contains(secret))
    };
    let mut findings: Vec<Finding> = variables
        .filter(holds)
        .map(|variable| {
            let name = &variable.name;
            let says =
                format!("{name} has the secret of the app, which every visitor can then read.");
            Finding::warn(says)
                .seen(format!("{} line {}", env.name, variable.line))
                .change(env.remove(variable))
                .change(Remedy::run("npm run build"))
        })
        .collect();
    for bundle in app.bundles.iter().filter(|bundle| bundle.text.contains(secret)) {
        let name = &bundle.name;
        findings.push(
            Finding::warn(format!(
                "The built page {name} contains the secret of the app, which every visitor can read."
            ))
            .change(Remedy::advice("give the app another secret, and build the page without it")),
        );
    }
    CheckOutcome::of(findings, Vec::new())
}
