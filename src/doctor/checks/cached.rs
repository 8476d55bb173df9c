//! The check of cached configuration, which Laravel reads instead of `.env`.

use crate::app::fingerprint;
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::env_file::{LaravelEnv, is_shown};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::laravel_app::LaravelApp;
use crate::doctor::setup::Setup;
use crate::php_config::{PhpData, PhpValue};

pub(super) const CHECKS: [SetupCheck; 1] = [SetupCheck {
    id: "R015",
    title: "Cached configuration has the values of .env.",
    looks_at: "`bootstrap/cache/config.php`: connection, credentials, host, port, scheme, queue",
    says: &[
        "Laravel reads cached configuration, in which … is ….",
        "Laravel reads cached configuration, which is older than .env.",
    ],
    change: "`php artisan config:clear`, or `config:cache` again",
    needs: &["R003", "R005", "R006", "R008", "R010", "R011"],
    method: Method::Look(cached),
}];

fn cached(setup: &Setup) -> CheckOutcome {
    let (Some(app), Some(env)) = (&setup.app, setup.env()) else {
        return CheckOutcome::Inapplicable("there is no .env".to_owned());
    };
    let Some(file) = &app.cached else {
        return CheckOutcome::Inapplicable("no configuration is cached".to_owned());
    };
    let values = app.cached_values();
    let mut differences: Vec<(String, String)> = Vec::new();
    for (path, variable) in compared(app) {
        let Some(value) = values.as_ref().and_then(|values| values.at(&path)) else { continue };
        let Some(written) = env.text(&variable) else { continue };
        let Some(cached) = scalar(value) else { continue };
        if cached != written {
            let shown =
                if is_shown(&variable) { format!("{cached:?}") } else { fingerprint(&cached) };
            differences.push((variable, shown));
        }
    }
    let is_older =
        matches!((file.modified, env.modified), (Some(cached), Some(env)) if cached < env);
    let clear = Remedy::run("php artisan config:clear");
    if let Some((variable, shown)) = differences.first() {
        let says = format!("Laravel reads cached configuration, in which {variable} is {shown}.");
        let seen = differences.iter().flat_map(|(variable, shown)| {
            [format!("{}: {variable} is {shown}", file.name), env.seen(variable)]
        });
        let finding = seen.fold(Finding::fail(says), Finding::seen);
        return CheckOutcome::Found(vec![finding.change(clear)]);
    }
    if is_older {
        let says = "Laravel reads cached configuration, which is older than .env.";
        let finding = match values {
            Some(_) => Finding::warn(says).seen("the values that Resound needs are the same"),
            None => Finding::fail(says).seen(format!("{} cannot be read here", file.name)),
        };
        return CheckOutcome::Found(vec![finding.change(clear)]);
    }
    CheckOutcome::Passed(vec![format!("{}: the same values", file.name)])
}

/// The places of the cached values, and the variable of each. One that a file below `config` sets otherwise is
/// left out.
fn compared(app: &LaravelApp) -> Vec<(String, String)> {
    let connection = app.connection().unwrap_or("reverb");
    let of = |path: &str| format!("broadcasting.connections.{connection}.{path}");
    let all = [
        ("broadcasting.default".to_owned(), app.driver_variable().to_owned()),
        (of("key"), app.name("APP_KEY")),
        (of("secret"), app.name("APP_SECRET")),
        (of("app_id"), app.name("APP_ID")),
        (of("options.host"), app.name("HOST")),
        (of("options.port"), app.name("PORT")),
        (of("options.scheme"), app.name("SCHEME")),
    ];
    let reads = |variable: &str| {
        app.broadcasting.as_ref().is_none_or(|file| file.text.contains(&format!("'{variable}'")))
    };
    let mut compared: Vec<_> = all.into_iter().filter(|(_, variable)| reads(variable)).collect();
    if app.queue.as_ref().is_none_or(|file| file.text.contains("'QUEUE_CONNECTION'")) {
        compared.push(("queue.default".to_owned(), "QUEUE_CONNECTION".to_owned()));
    }
    compared
}

/// As `.env` has it.
fn scalar(value: &PhpValue) -> Option<String> {
    match &value.data {
        PhpData::Null => Some("null".to_owned()),
        PhpData::Truth(truth) => Some(truth.to_string()),
        _ => value.text(),
    }
}

/// The connection for jobs: cached, else that of `.env`.
pub(super) fn queue_connection(app: &LaravelApp) -> Option<String> {
    let cached = app.cached_values();
    let cached = cached.and_then(|values| match &values.at("queue.default")?.data {
        PhpData::Text(name) => Some(name.clone()),
        _ => None,
    });
    let of_env =
        || app.env().and_then(|env: &LaravelEnv| env.text("QUEUE_CONNECTION")).map(str::to_owned);
    cached.or_else(of_env)
}
