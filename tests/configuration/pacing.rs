//! The pace of events on channels: as written, and what it refuses.

use std::time::Duration;

use resound::app::PacingRule;

use crate::{APP, check_refused, load, only_app};

const NAME: &str = "it must be the name of a channel as clients subscribe to it, with * for any run of \
                    characters, such as private-servers.*";

fn file(keys: &str) -> String {
    format!("{APP}[[apps.pacing]]\n{keys}\n")
}

fn rule(latest: u64, spread: u64) -> PacingRule {
    PacingRule {
        latest_within: Duration::from_millis(latest),
        spread_over: Duration::from_millis(spread),
    }
}

#[test]
fn the_first_entry_that_covers_a_channel_counts() {
    let second = "[[apps.pacing]]\nchannels = \"*\"\nspread_over_ms = 60000";
    let first = "channels = \"private-servers.*\"\nlatest_within_ms = 300";
    let app = only_app(&file(&format!("{first}\n{second}")), &[]);
    for (channel, expected) in [
        ("private-servers.5", rule(300, 0)),
        ("private-servers.", rule(300, 0)),
        ("private-servers", rule(0, 60_000)),
        ("servers.5", rule(0, 60_000)),
    ] {
        assert_eq!(app.pacing_of(channel), Some(expected), "{channel}");
    }
    assert_eq!(only_app(APP, &[]).pacing_of("private-servers.5"), None);
    let of_all = "[[app.pacing]]\nchannels = \"a\"\nspread_over_ms = 1\n";
    assert_eq!(only_app(&format!("{APP}{of_all}"), &[]).pacing_of("a"), Some(rule(0, 1)));
}

#[test]
fn an_entry_without_a_channel_or_an_effect_is_refused() {
    for (keys, flaw) in [
        ("spread_over_ms = 1", format!(".channels is missing; {NAME}")),
        ("channels = \"a b\"\nspread_over_ms = 1", format!(".channels is \"a b\"; {NAME}")),
        (
            "channels = \"a\"",
            " has no effect; set latest_within_ms, spread_over_ms or both".to_owned(),
        ),
        (
            "channels = \"a\"\nlatest_within_ms = 60001",
            ".latest_within_ms is 60001; allowed are 0 to 60000".to_owned(),
        ),
    ] {
        check_refused(&file(keys), &[], &format!("config/reverb.toml: apps[0].pacing[0]{flaw}"));
    }
    let unknown = load(&file("channel = \"a\""), &[]).unwrap_err().to_string();
    assert!(unknown.ends_with("channel is not known; did you mean channels?"), "{unknown}");
}
