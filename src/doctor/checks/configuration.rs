//! Checks of Resound's own configuration, and of the app in it beside that of `.env`.

use crate::app::{App, fingerprint};
use crate::config::Config;
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::env_file::LaravelEnv;
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::setup::{DoctorReach, Setup};

pub(super) const CHECKS: [SetupCheck; 2] = [
    SetupCheck {
        id: "R001",
        title: "Resound accepts its configuration.",
        looks_at: "the file of `--config`, `REVERB_*` and `RESOUND_*` of the environment",
        says: &["Resound does not start with this configuration: …"],
        change: "the line or variable that the sentence names",
        needs: &[],
        method: Method::Look(accepted),
    },
    SetupCheck {
        id: "R012",
        title: "Laravel and Resound have the same app.",
        looks_at: "`REVERB_APP_ID`, `_KEY`, `_SECRET` in `.env`; `[[apps]]` of `--config`, with `--offline`",
        says: &[
            "Resound has no app with the key … of .env.",
            "The app with the key … has the id … in .env, but … in Resound.",
            "The secret of app … in .env is not the one that Resound has.",
        ],
        change: "`.env`, or the app in the configuration of Resound",
        needs: &["R001", "R005"],
        method: Method::Look(same_app),
    },
];

fn accepted(setup: &Setup) -> CheckOutcome {
    match &setup.config {
        None => CheckOutcome::Inapplicable("no --config was given".to_owned()),
        Some(Ok(config)) => CheckOutcome::Passed(config.notes.clone()),
        Some(Err(error)) => CheckOutcome::Found(vec![Finding::fail(format!(
            "Resound does not start with this configuration: {error}"
        ))]),
    }
}

fn same_app(setup: &Setup) -> CheckOutcome {
    let (Some(Ok(config)), Some(app), Some(env)) = (&setup.config, &setup.app, setup.env()) else {
        return CheckOutcome::Inapplicable("there is no .env, or no --config".to_owned());
    };
    if setup.reach == DoctorReach::Network {
        return CheckOutcome::Inapplicable("the server itself is asked (R052, R057)".to_owned());
    }
    if config.development.is_some() {
        return CheckOutcome::Inapplicable("no app is configured for Resound".to_owned());
    }
    let names = ["APP_ID", "APP_KEY", "APP_SECRET"].map(|name| app.name(name));
    let [id, key, secret] = names.each_ref().map(|name| env.text(name));
    let (Some(id), Some(key), Some(secret)) = (id, key, secret) else {
        return CheckOutcome::Inapplicable("the .env has no app".to_owned());
    };
    let Some(served) = config.apps.iter().find(|app| app.key == key) else {
        return unknown_key(config, env, &names[1], key);
    };
    let mut findings = Vec::new();
    if served.id != id {
        let ours = &served.id;
        findings.push(
            Finding::fail(format!(
                "The app with the key {key} has the id {id} in .env, but {ours} in Resound."
            ))
            .seen(env.seen(&names[0]))
            .change(env.set(&names[0], ours)),
        );
    }
    if served.secrets().all(|known| known.reveal() != secret) {
        let (ours, theirs) = (served.secret.fingerprint(), fingerprint(secret));
        findings.push(
            Finding::fail(format!(
                "The secret of app {} in .env is not the one that Resound has.",
                served.id
            ))
            .seen(format!("{}: fingerprint {theirs}; in Resound: {ours}", names[2]))
            .change(env.set(&names[2], "<the secret of Resound>")),
        );
    }
    CheckOutcome::of(findings, vec![format!("app {id}, key {key}")])
}

fn unknown_key(config: &Config, env: &LaravelEnv, name: &str, key: &str) -> CheckOutcome {
    let apps: Vec<&App> = config.apps.iter().map(|app| &**app).collect();
    let keys = apps.iter().map(|app| app.key.as_str()).collect::<Vec<_>>().join(", ");
    let finding = Finding::fail(format!("Resound has no app with the key {key} of .env."))
        .seen(env.seen(name))
        .seen(format!("the keys of Resound: {keys}"));
    let remedy = match apps.as_slice() {
        [only] => env.set(name, &only.key),
        _ => Remedy::advice("one of these keys in .env, or an app with this key in Resound"),
    };
    CheckOutcome::Found(vec![finding.change(remedy)])
}
