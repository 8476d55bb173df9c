//! The check of built JavaScript: what the pages that visitors load now will connect to.

use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::echo_options::{DialledKey, DialledUrl, find_in_all};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::laravel_app::LaravelApp;
use crate::doctor::page_target::{PageTarget, page_targets};
use crate::doctor::setup::Setup;

pub(super) const CHECKS: [SetupCheck; 1] = [SetupCheck {
    id: "R019",
    title: "The built pages connect to where .env says.",
    looks_at: "`public/build/**` (the files of Vite's manifest), `public/js/*.js`: key, host, port, cluster and TLS of Echo; the time of the files",
    says: &[
        "The built page has no key: it was built without ….",
        "The built page dials …, which is Pusher's own service.",
        "The built page dials …, but .env has ….",
        "The built page has the key …, but .env has ….",
        "The built pages are older than .env, and what they connect to cannot be read.",
    ],
    change: "`npm run build`",
    needs: &["R013", "R017", "R018"],
    method: Method::Look(current),
}];

fn current(setup: &Setup) -> CheckOutcome {
    let Some(app) = setup.app.as_ref().filter(|app| !app.bundles.is_empty()) else {
        return CheckOutcome::Inapplicable("there is no built JavaScript".to_owned());
    };
    if app.is_hot {
        return CheckOutcome::Inapplicable(
            "public/hot: pages load their sources from Vite".to_owned(),
        );
    }
    let expected = setup.env().map(|env| page_targets(app, env)).unwrap_or_default();
    let texts: Vec<&str> = app.bundles.iter().map(|bundle| bundle.text.as_str()).collect();
    let built = find_in_all(&texts, &|_| None).into_iter();
    let built: Vec<(String, DialledUrl)> = built
        .map(|(place, options)| (app.bundles[place].name.clone(), options.dialled()))
        .collect();
    if built.is_empty() {
        return unreadable(setup, app, !expected.is_empty());
    }
    let mut seen = Vec::new();
    for (name, dialled) in &built {
        let evidence = format!("{name}: {}", written(dialled));
        if let Some(says) = flaw(dialled, &expected, app) {
            let finding = Finding::fail(says).seen(evidence);
            let finding = expected.iter().fold(finding, |finding, target| {
                finding.seen(format!("{}: {}", target.place, written(&target.dialled)))
            });
            return CheckOutcome::Found(vec![finding.change(Remedy::run("npm run build"))]);
        }
        seen.push(evidence);
    }
    CheckOutcome::Passed(seen)
}

fn written(dialled: &DialledUrl) -> String {
    let key = match &dialled.key {
        Some(DialledKey::Text(key)) => key.clone(),
        Some(DialledKey::Missing) => "none".to_owned(),
        None => "…".to_owned(),
    };
    format!("{}, key {key}", dialled.shown())
}

/// What is wrong with one start of Echo.
fn flaw(dialled: &DialledUrl, expected: &[PageTarget], app: &LaravelApp) -> Option<String> {
    if dialled.key == Some(DialledKey::Missing) {
        let name = format!("VITE_{}", app.name("APP_KEY"));
        return Some(format!("The built page has no key: it was built without {name}."));
    }
    if expected.iter().any(|target| target.dialled.agrees(dialled)) {
        return None;
    }
    let url = dialled.shown();
    if dialled.is_pusher() {
        return Some(format!("The built page dials {url}, which is Pusher's own service."));
    }
    let target = expected.first()?;
    let without_key = DialledUrl { key: None, ..dialled.clone() };
    if expected.iter().any(|target| target.dialled.agrees(&without_key))
        && let (Some(DialledKey::Text(built)), Some(DialledKey::Text(wanted))) =
            (&dialled.key, &target.dialled.key)
    {
        return Some(format!("The built page has the key {built}, but .env has {wanted}."));
    }
    Some(format!("The built page dials {url}, but .env has {}.", target.dialled.shown()))
}

fn unreadable(setup: &Setup, app: &LaravelApp, uses_echo: bool) -> CheckOutcome {
    let newest = app.bundles.iter().filter_map(|bundle| bundle.modified).max();
    let changed = setup.env().and_then(|env| env.modified);
    if uses_echo && matches!((newest, changed), (Some(built), Some(changed)) if built < changed) {
        let says = "The built pages are older than .env, and what they connect to cannot be read.";
        let finding = Finding::warn(says).seen(app.bundles[0].name.clone());
        return CheckOutcome::Found(vec![finding.change(Remedy::run("npm run build"))]);
    }
    CheckOutcome::Inapplicable("no start of Echo was found in built JavaScript".to_owned())
}
