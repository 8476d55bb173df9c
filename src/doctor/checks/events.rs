//! Checks of names: what events are sent as, and what pages listen to.

use crate::doctor::broadcast_events::{BroadcastEvent, EventName};
use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::laravel_app::LaravelApp;
use crate::doctor::listeners::{EchoNamespace, ListenedEvent, Subscribed, SubscribedChannel, find};
use crate::doctor::page_target::page_targets;
use crate::doctor::setup::Setup;

pub(super) const CHECKS: [SetupCheck; 2] = [
    SetupCheck {
        id: "R021",
        title: "Pages listen to the names that events have.",
        looks_at: "`.listen(…)` and the `namespace` of Echo below `resources`, `broadcastAs` of the classes with `ShouldBroadcast`",
        says: &[
            "The page listens to …, but the event is sent as …, for it has no broadcastAs.",
            "The page listens to …, but the event is sent as …, the name that broadcastAs gives it.",
            "The page listens to …, but the event is sent as …: Echo's namespace is another one.",
        ],
        change: "the dot: `.listen('Name')` for a class, `.listen('.name')` for `broadcastAs`; `.listen('\\\\Class')` for another namespace",
        needs: &[],
        method: Method::Look(names_match),
    },
    SetupCheck {
        id: "R022",
        title: "Pages subscribe to the kind of channel that events are sent on.",
        looks_at: "`Echo.private(…)` and the like below `resources`, `broadcastOn` of the events",
        says: &["… sends on the … channel …, but pages subscribe to the … channel of this name."],
        change: "`Channel`, `PrivateChannel` or `PresenceChannel` in the event, or the call of Echo",
        needs: &[],
        method: Method::Look(kinds_match),
    },
];

fn listened(app: &LaravelApp) -> (Vec<SubscribedChannel>, Vec<ListenedEvent>) {
    let (mut channels, mut events) = (Vec::new(), Vec::new());
    for file in &app.scripts {
        let (subscribed, listened) = find(&file.name, &file.text);
        channels.extend(subscribed);
        events.extend(listened);
    }
    (channels, events)
}

fn names_match(setup: &Setup) -> CheckOutcome {
    let Some(app) = setup.app.as_ref().filter(|app| !app.events.is_empty()) else {
        return CheckOutcome::Inapplicable("no class has ShouldBroadcast".to_owned());
    };
    let (_, listened) = listened(app);
    let namespace = namespace(app, setup);
    let mut findings = Vec::new();
    for one in &listened {
        let wire = one.wire_name(&namespace);
        let is_sent = |event: &BroadcastEvent| match &event.name {
            EventName::Class => wire.as_ref() == Some(&event.class),
            EventName::Given(given) => wire.as_ref() == Some(given),
            EventName::Unknown => false,
        };
        if app.events.iter().any(is_sent) {
            continue;
        }
        let found = match one.name.strip_prefix('.') {
            Some(name) => class_with_a_dot(app, one, name),
            None => alias_without_a_dot(app, one)
                .or_else(|| wire.and_then(|wire| other_namespace(app, one, &wire))),
        };
        findings.extend(found);
    }
    CheckOutcome::of(findings, listened.iter().map(|one| one.name.clone()).collect())
}

fn namespace(app: &LaravelApp, setup: &Setup) -> EchoNamespace {
    let starts = setup.env().map(|env| page_targets(app, env)).unwrap_or_default();
    let options = starts.iter().filter_map(|target| target.options.as_ref());
    EchoNamespace::of(options.map(|options| &options.fields))
}

/// `.listen('OrderShipped')`, to which Echo adds a namespace that the class does not have.
fn other_namespace(app: &LaravelApp, one: &ListenedEvent, wire: &str) -> Option<Finding> {
    let short = wire.rsplit('\\').next()?;
    let is_class =
        |event: &&BroadcastEvent| event.name == EventName::Class && event.short_name() == short;
    let event = app.events.iter().find(is_class)?;
    let class = &event.class;
    let says = format!(
        "The page listens to {wire}, but the event is sent as {class}: Echo's namespace is another one."
    );
    let escaped = class.replace('\\', "\\\\");
    let remedy = format!(
        ".listen('\\\\{escaped}') in {} line {}, or the namespace option of Echo",
        one.file, one.line
    );
    Some(
        Finding::fail(says)
            .seen(format!("{} line {}: .listen('{}')", one.file, one.line, one.name))
            .seen(format!("{}: no broadcastAs", event.file))
            .change(Remedy::advice(remedy)),
    )
}

/// `.listen('.ServerUpdated')` while the name on the wire is that of the class.
fn class_with_a_dot(app: &LaravelApp, one: &ListenedEvent, name: &str) -> Option<Finding> {
    let is_class =
        |event: &&BroadcastEvent| event.name == EventName::Class && event.short_name() == name;
    let event = app.events.iter().find(is_class)?;
    let (listened, class) = (&one.name, &event.class);
    let says = format!(
        "The page listens to {listened}, but the event is sent as {class}, for it has no broadcastAs."
    );
    Some(
        Finding::fail(says)
            .seen(format!("{} line {}: .listen('{listened}')", one.file, one.line))
            .seen(format!("{}: no broadcastAs", event.file))
            .change(Remedy::advice(format!(
                ".listen('{}') in {} line {}, without the dot",
                event.short_name(),
                one.file,
                one.line
            ))),
    )
}

/// `.listen('ServerUpdated')` or `.listen('server.updated')` while `broadcastAs` gives the event a name.
fn alias_without_a_dot(app: &LaravelApp, one: &ListenedEvent) -> Option<Finding> {
    let (event, given) = app.events.iter().find_map(|event| match &event.name {
        EventName::Given(given) if event.short_name() == one.name || *given == one.name => {
            Some((event, given))
        }
        _ => None,
    })?;
    let says = format!(
        "The page listens to {}, but the event is sent as {given}, the name that broadcastAs gives it.",
        one.name
    );
    Some(
        Finding::fail(says)
            .seen(format!("{} line {}: .listen('{}')", one.file, one.line, one.name))
            .seen(format!("{}: broadcastAs returns '{given}'", event.file))
            .change(Remedy::advice(format!(
                ".listen('.{given}') in {} line {}, with the dot",
                one.file, one.line
            ))),
    )
}

fn kinds_match(setup: &Setup) -> CheckOutcome {
    let Some(app) = setup.app.as_ref().filter(|app| !app.events.is_empty()) else {
        return CheckOutcome::Inapplicable("no class has ShouldBroadcast".to_owned());
    };
    let (subscribed, _) = listened(app);
    let mut findings = Vec::new();
    for event in &app.events {
        for channel in &event.channels {
            let of_name = || subscribed.iter().filter(|one| one.pattern == channel.pattern);
            let is_received = of_name().any(|one| one.kind == channel.kind);
            // The event may go to several channels of one name, one for each kind.
            let is_sent = |kind: Subscribed| {
                let mut sent = event.channels.iter();
                sent.any(|other| other.kind == kind && other.pattern == channel.pattern)
            };
            let Some(page) = of_name().find(|one| !is_sent(one.kind)).filter(|_| !is_received)
            else {
                continue;
            };
            let (sent, wanted) = (word(channel.kind), word(page.kind));
            let pattern = &channel.pattern;
            let says = format!(
                "{} sends on the {sent} channel {pattern}, but pages subscribe to the {wanted} channel of this \
                 name.",
                event.class
            );
            // A star stands for what only the running code has, so two stars may be two different things.
            let finding = if pattern == "*" { Finding::warn(says) } else { Finding::fail(says) };
            findings.push(
                finding
                    .seen(format!("{} line {}: {}", event.file, channel.line, class(channel.kind)))
                    .seen(format!("{} line {}: {}", page.file, page.line, call(page.kind)))
                    .change(Remedy::advice(format!(
                        "new {}(…) in {} line {}",
                        class(page.kind),
                        event.file,
                        channel.line
                    ))),
            );
        }
    }
    CheckOutcome::of(findings, subscribed.iter().map(|one| one.pattern.clone()).collect())
}

fn word(kind: Subscribed) -> &'static str {
    match kind {
        Subscribed::Public => "public",
        Subscribed::Private => "private",
        Subscribed::Presence => "presence",
    }
}

fn class(kind: Subscribed) -> &'static str {
    match kind {
        Subscribed::Public => "Channel",
        Subscribed::Private => "PrivateChannel",
        Subscribed::Presence => "PresenceChannel",
    }
}

fn call(kind: Subscribed) -> &'static str {
    match kind {
        Subscribed::Public => "Echo.channel(…)",
        Subscribed::Private => "Echo.private(…)",
        Subscribed::Presence => "Echo.join(…)",
    }
}
