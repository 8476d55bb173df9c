//! The check of clocks: a signed request is refused 600 seconds from the server's time.

use std::time::{Duration, SystemTime};

use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::destinations::Place;
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::network::TimedAnswer;
use crate::doctor::setup::Setup;
use crate::probe::HttpAnswer;
use crate::protocol::signature::TIMESTAMP_SKEW_MAX_SECONDS;

/// From here on it is worth a word: clocks that are kept right differ by less than a second, and the field
/// Date has whole ones.
const SKEW_WARN_SECONDS: u64 = 60;

pub(super) const CHECKS: [SetupCheck; 1] = [SetupCheck {
    id: "R051",
    title: "The clocks of this machine and of the server agree.",
    looks_at: "the field `Date` of the server's answers, and the refusal of a signed request",
    says: &[
        "The server's clock is … s ahead of this machine's.",
        "The server's clock is … s behind this machine's.",
    ],
    change: "the clock of the machine that is wrong (`timedatectl set-ntp true`)",
    needs: &["R050"],
    method: Method::Ask(|setup| Box::pin(async move { clocks_agree(&setup).await })),
}];

async fn clocks_agree(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    if let Some(at) = network.destinations.at(Place::Server)
        && let Some(ahead) = by_date(network.up(Place::Server, at).await)
    {
        return judge(ahead);
    }
    // The field of a proxy has the clock of the proxy: only the server's refusal is about its own.
    if let (Some(at), Some(app)) = (network.destinations.at(Place::Public), network.app())
        && let Ok(answer) = network.channels(Place::Public, at, app).await
    {
        return judge(by_refusal(answer).unwrap_or(0));
    }
    CheckOutcome::Inapplicable("no answer of the server shows its clock".to_owned())
}

/// Seconds by which the server's clock is ahead.
fn by_date(timed: &TimedAnswer) -> Option<i64> {
    let date = timed.answer.as_ref().ok()?.date?;
    let seconds = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    };
    Some(seconds(date) - seconds(timed.now))
}

/// The same from the text of a refused signature; `None` if it was not refused for its time.
fn by_refusal(answer: &HttpAnswer) -> Option<i64> {
    let (_, rest) = answer.body.split_once("Authentication timestamp is ")?;
    let mut words = rest.split(' ');
    let seconds: i64 = words.next()?.parse().ok()?;
    match words.nth(1)? {
        // The timestamp is behind, so the server is ahead.
        "behind" => Some(seconds),
        "ahead" => Some(-seconds),
        _ => None,
    }
}

fn judge(ahead: i64) -> CheckOutcome {
    let seconds = ahead.unsigned_abs();
    if seconds < SKEW_WARN_SECONDS {
        return CheckOutcome::Passed(vec![format!("they differ by {seconds} s")]);
    }
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    let says = format!("The server's clock is {seconds} s {direction} this machine's.");
    let finding = if seconds > TIMESTAMP_SKEW_MAX_SECONDS {
        Finding::fail(says)
            .seen(format!("a signed request is refused beyond {TIMESTAMP_SKEW_MAX_SECONDS} s"))
    } else {
        Finding::warn(says)
    };
    let remedy = "timedatectl set-ntp true, on the machine whose clock is wrong";
    CheckOutcome::Found(vec![finding.change(Remedy::run(remedy))])
}

#[cfg(test)]
mod tests {
    use super::{CheckOutcome, HttpAnswer, by_refusal, judge};
    use std::time::Duration;

    fn refused(body: &str) -> Option<i64> {
        by_refusal(&HttpAnswer {
            status: 401,
            server: None,
            date: None,
            content_type: String::new(),
            body: body.to_owned(),
            took: Duration::ZERO,
        })
    }

    #[test]
    fn the_refusal_of_the_server_shows_its_clock() {
        use crate::protocol::signature::Unauthorized;
        assert_eq!(refused(&Unauthorized::Late { seconds: 3600 }.to_string()), Some(3600));
        assert_eq!(refused(&Unauthorized::Early { seconds: 601 }.to_string()), Some(-601));
        assert_eq!(refused(&Unauthorized::Signature.to_string()), None);
    }

    #[test]
    fn a_clock_fails_where_the_server_refuses_signatures() {
        let says = |ahead| match judge(ahead) {
            CheckOutcome::Found(findings) => {
                format!("{:?} {}", findings[0].gravity, findings[0].says)
            }
            other => format!("{other:?}"),
        };
        assert_eq!(says(3600), "Fail The server's clock is 3600 s ahead of this machine's.");
        assert_eq!(says(-601), "Fail The server's clock is 601 s behind this machine's.");
        assert_eq!(says(600), "Warn The server's clock is 600 s ahead of this machine's.");
        assert_eq!(says(-59), "Passed([\"they differ by 59 s\"])");
    }
}
