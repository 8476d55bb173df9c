//! Checks of Laravel's broadcasting: which connection is in use, whether it exists, whether channels have routes.

use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::laravel_app::LaravelApp;
use crate::doctor::listeners::{Subscribed, find};
use crate::doctor::setup::Setup;
use crate::doctor::source_text::{behind, quoted, without_comments};

pub(super) const CHECKS: [SetupCheck; 3] = [
    SetupCheck {
        id: "R008",
        title: "Laravel broadcasts to Resound.",
        looks_at: "`BROADCAST_CONNECTION` (Laravel 11 and later) or `BROADCAST_DRIVER` (up to 10), the version in `composer.lock`, `PUSHER_HOST`",
        says: &[
            "This Laravel reads …, but .env sets …: events go nowhere.",
            "… is not set, so events go nowhere.",
            "… is …, so Laravel writes events to its log.",
            "… is …, so events go nowhere.",
            "… is redis, and Resound is not configured to read Laravel's Redis.",
            "… is pusher without PUSHER_HOST, so Laravel sends events to pusher.com.",
            "… is ably, so Laravel sends events to Ably.",
        ],
        change: "the line",
        needs: &["R002"],
        method: Method::Look(driver),
    },
    SetupCheck {
        id: "R009",
        title: "The connection is in config/broadcasting.php.",
        looks_at: "`config/broadcasting.php`, the version in `composer.lock`",
        says: &["… names the connection …, which config/broadcasting.php does not have."],
        change: "`config/broadcasting.php`, or the name",
        needs: &["R008"],
        method: Method::Look(connection_exists),
    },
    SetupCheck {
        id: "R020",
        title: "Private channels can be authorised.",
        looks_at: "`bootstrap/app.php`, `app/Providers`, `routes`, what pages subscribe to",
        says: &[
            "Pages subscribe to private channels, but nothing registers the route /broadcasting/auth.",
        ],
        change: "`bootstrap/app.php`",
        needs: &["R008"],
        method: Method::Look(channels_have_routes),
    },
];

fn driver(setup: &Setup) -> CheckOutcome {
    let (Some(app), Some(env)) = (&setup.app, setup.env()) else {
        return CheckOutcome::Inapplicable("there is no .env".to_owned());
    };
    let variable = app.driver_variable();
    let other =
        if variable == "BROADCAST_DRIVER" { "BROADCAST_CONNECTION" } else { "BROADCAST_DRIVER" };
    let wanted = if app.prefix() == "PUSHER" { "pusher" } else { "reverb" };
    let found = |says: String| {
        let version =
            app.version.map(|version| format!("laravel/framework {version} in composer.lock"));
        let finding = Finding::fail(says).seen(env.seen(variable));
        let finding = version.into_iter().fold(finding, Finding::seen);
        CheckOutcome::Found(vec![finding.change(env.set(variable, wanted))])
    };
    let Some(value) = app.connection() else {
        if default_connection(app).is_some_and(|name| !matches!(name.as_str(), "null" | "log")) {
            return CheckOutcome::Passed(vec![env.seen(variable)]);
        }
        return match env.text(other) {
            Some(_) => found(format!(
                "This Laravel reads {variable}, but .env sets {other}: events go nowhere."
            )),
            // `null` is written on purpose.
            None if env.value(variable).is_some() => {
                found(format!("{variable} is null, so events go nowhere."))
            }
            None => found(format!("{variable} is not set, so events go nowhere.")),
        };
    };
    match value {
        "log" => found(format!("{variable} is log, so Laravel writes events to its log.")),
        "null" => found(format!("{variable} is null, so events go nowhere.")),
        "ably" => found(format!("{variable} is ably, so Laravel sends events to Ably.")),
        "redis" if !reads_laravel_redis(setup) => found(format!(
            "{variable} is redis, and Resound is not configured to read Laravel's Redis."
        )),
        "pusher" if env.text("PUSHER_HOST").is_none_or(|host| host.ends_with("pusher.com")) => {
            found(format!(
                "{variable} is pusher without PUSHER_HOST, so Laravel sends events to pusher.com."
            ))
        }
        _ => CheckOutcome::Passed(vec![env.seen(variable)]),
    }
}

/// What `env('BROADCAST_CONNECTION', …)` falls back to.
fn default_connection(app: &LaravelApp) -> Option<String> {
    let text = without_comments(&app.broadcasting.as_ref()?.text);
    let at = text.find(app.driver_variable())? + app.driver_variable().len();
    let rest = text[at..].trim_start_matches(['"', '\'']).trim_start().strip_prefix(',')?;
    Some(quoted(rest.trim_start())?.0.to_owned())
}

fn reads_laravel_redis(setup: &Setup) -> bool {
    let Some(Ok(config)) = &setup.config else { return false };
    config.resolved.keys().any(|key| key.key.starts_with("laravel_redis") && !key.is_default)
}

fn connection_exists(setup: &Setup) -> CheckOutcome {
    let Some((app, name)) = setup.app.as_ref().and_then(|app| Some((app, app.connection()?)))
    else {
        return CheckOutcome::Inapplicable("no connection is named in .env".to_owned());
    };
    let Some(file) = &app.broadcasting else {
        return CheckOutcome::Inapplicable("there is no config/broadcasting.php".to_owned());
    };
    let text = without_comments(&file.text);
    let is_there = [format!("'{name}'"), format!("\"{name}\"")]
        .iter()
        .any(|key| behind(&text, key).any(|(_, rest)| rest.trim_start().starts_with("=>")));
    // From version 11 on, the framework adds the connections that it has itself.
    let is_built_in = ["reverb", "pusher", "ably", "log", "null"].contains(&name);
    if is_there || (is_built_in && app.version.is_none_or(|version| version >= 11)) {
        return CheckOutcome::Passed(vec![format!("{}: {name}", file.name)]);
    }
    let variable = app.driver_variable();
    let says = format!(
        "{variable} names the connection {name}, which config/broadcasting.php does not have."
    );
    let finding = Finding::fail(says);
    let finding = app.env().map(|env| env.seen(variable)).into_iter().fold(finding, Finding::seen);
    let remedy = Remedy::advice(format!(
        "the connection {name} in config/broadcasting.php, as `php artisan install:broadcasting` writes it"
    ));
    CheckOutcome::Found(vec![finding.change(remedy)])
}

fn channels_have_routes(setup: &Setup) -> CheckOutcome {
    let Some((app, bootstrap)) =
        setup.app.as_ref().and_then(|app| Some((app, app.bootstrap.as_ref()?)))
    else {
        return CheckOutcome::Inapplicable("there is no bootstrap/app.php".to_owned());
    };
    let subscribed = app.scripts.iter().flat_map(|file| find(&file.name, &file.text).0);
    let Some(private) = subscribed.into_iter().find(|one| one.kind != Subscribed::Public) else {
        return CheckOutcome::Inapplicable("no page subscribes to a private channel".to_owned());
    };
    let text = without_comments(&bootstrap.text);
    let is_modern = text.contains("withRouting");
    let in_bootstrap =
        text.contains("withBroadcasting") || behind(&text, "channels:").next().is_some();
    let registers = |file: &crate::doctor::laravel_app::TextFile| {
        let text = without_comments(&file.text);
        ["Broadcast::routes", "broadcasting/auth"].iter().any(|call| text.contains(call))
    };
    if in_bootstrap || app.registrations.iter().any(registers) {
        return CheckOutcome::Passed(vec![bootstrap.name.clone()]);
    }
    let says =
        "Pages subscribe to private channels, but nothing registers the route /broadcasting/auth.";
    let remedy = match is_modern {
        true => "channels: __DIR__.'/../routes/channels.php' in withRouting() of bootstrap/app.php",
        false => "App\\Providers\\BroadcastServiceProvider::class in config/app.php",
    };
    CheckOutcome::Found(vec![
        Finding::fail(says)
            .seen(format!("{} line {}: {}", private.file, private.line, private.pattern))
            .seen(format!("{}: neither channels: nor withBroadcasting()", bootstrap.name))
            .change(Remedy::advice(remedy)),
    ])
}
