//! The order of the checks, and what a failure and the deadline do to those that wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Diagnosis, diagnose};
use crate::doctor::check::{Answer, Method, SetupCheck};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::fix_hints::fix_hints;
use crate::doctor::json_report::{WithHints, json_report};
use crate::doctor::setup::Setup;
use crate::doctor::text_report::{Paint, text_report};

fn check(id: &'static str, needs: &'static [&'static str], method: Method) -> SetupCheck {
    SetupCheck { id, title: "It holds.", looks_at: "", says: &[], change: "", needs, method }
}

fn passes(_: &Setup) -> CheckOutcome {
    CheckOutcome::Passed(vec!["port 8080".to_owned()])
}

fn is_absent(_: &Setup) -> CheckOutcome {
    CheckOutcome::Inapplicable("there is no .env".to_owned())
}

fn warns(_: &Setup) -> CheckOutcome {
    CheckOutcome::Found(vec![Finding::warn("It may be meant.").seen("a.php line 3")])
}

fn fails(_: &Setup) -> CheckOutcome {
    let line = |number, old: Option<&str>, new: Option<&str>| Remedy::Line {
        file: ".env".to_owned(),
        number,
        old: old.map(str::to_owned),
        new: new.map(str::to_owned),
    };
    let finding = Finding::fail("It is wrong.").seen("REVERB_PORT=1 in .env line 7").seen("and b");
    CheckOutcome::Found(vec![
        finding
            .change(line(None, None, Some("REVERB_SCHEME=http")))
            .change(line(Some(7), Some("REVERB_PORT=1"), Some("REVERB_PORT=8080")))
            .change(line(Some(3), Some("A=1"), None))
            .change(Remedy::run("npm run build")),
    ])
}

fn panics(_: &Setup) -> CheckOutcome {
    panic!("a mistake")
}

fn never(_: Arc<Setup>) -> Answer {
    Box::pin(std::future::pending())
}

async fn run(checks: &[SetupCheck]) -> Diagnosis {
    let deadline = Instant::now() + Duration::from_secs(10);
    diagnose(Arc::new(Setup::default()), checks, deadline).await
}

#[tokio::test]
async fn a_check_that_the_list_leaves_out_is_not_waited_for() {
    let checks = [check("R002", &["R001"], Method::Look(passes))];
    let diagnosis = run(&checks).await;
    assert!(matches!(diagnosis.examined[0].outcome, Ok(CheckOutcome::Passed(_))));
}

#[tokio::test]
async fn what_a_failure_explains_is_not_tried() {
    let checks = [
        check("R001", &[], Method::Look(passes)),
        check("R002", &["R001"], Method::Look(fails)),
        check("R003", &["R002"], Method::Look(fails)),
        check("R004", &["R003", "R001"], Method::Ask(never)),
        check("R005", &["R001"], Method::Look(warns)),
        check("R006", &["R005"], Method::Look(is_absent)),
        check("R007", &["R006"], Method::Look(passes)),
    ];
    let diagnosis = run(&checks).await;
    assert_eq!(diagnosis.headline().unwrap().check.id, "R002");
    assert_eq!(
        text_report(&diagnosis, Paint::Plain),
        "✗ R002  It is wrong.\n\
        \x20 seen    REVERB_PORT=1 in .env line 7\n\
        \x20         and b\n\
        \x20 change  REVERB_SCHEME=http, REVERB_PORT=8080, without A=1 in .env; npm run build\n\
         ! R005  It may be meant.\n\
        \x20 seen    a.php line 3\n\
         2 passed · 1 failed · 1 warning · 2 not tried (they need R002) · 1 not applicable\n"
    );
    assert_eq!(
        fix_hints(&diagnosis),
        "--- .env\n+++ .env\n@@ line 3 @@\n-A=1\n@@ line 7 @@\n-REVERB_PORT=1\n+REVERB_PORT=8080\n\
         @@ add @@\n+REVERB_SCHEME=http\n$ npm run build\n"
    );
}

#[tokio::test]
async fn the_report_for_programs_has_every_check() {
    let checks = [
        check("R001", &[], Method::Look(passes)),
        check("R002", &["R001"], Method::Look(fails)),
        check("R003", &["R002"], Method::Look(fails)),
    ];
    let diagnosis = run(&checks).await;
    let report: serde_json::Value =
        serde_json::from_str(&json_report(&diagnosis, WithHints::No)).unwrap();
    for (pointer, expected) in [
        ("/schema_version", serde_json::json!(1)),
        ("/outcome", "fail".into()),
        ("/headline", "R002".into()),
        ("/summary", "1 passed · 1 failed · 1 not tried (they need R002)".into()),
        ("/checks/0/outcome", "pass".into()),
        ("/checks/0/seen/0", "port 8080".into()),
        ("/checks/1/findings/0/change/1/line", 7.into()),
        ("/checks/1/findings/0/change/3/command", "npm run build".into()),
        ("/checks/2/blocked_by", "R002".into()),
        ("/checks/2/outcome", "not_tried".into()),
    ] {
        assert_eq!(report.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(report.get("fix_hints"), None);
    let hints = json_report(&diagnosis, WithHints::Yes);
    assert!(hints.contains(r#""fix_hints": "--- .env\n"#), "{hints}");
}

#[tokio::test]
async fn all_checks_end_with_the_deadline() {
    let checks = [
        check("R001", &[], Method::Ask(never)),
        check("R002", &[], Method::Ask(never)),
        check("R003", &["R001"], Method::Ask(never)),
    ];
    let over = Instant::now();
    let diagnosis = diagnose(Arc::new(Setup::default()), &checks, over).await;
    assert_eq!(
        text_report(&diagnosis, Paint::Plain),
        "! R001  R001 was not finished in the 10 seconds that all checks have.\n\
         ! R002  R002 was not finished in the 10 seconds that all checks have.\n\
         ! R003  R003 was not finished in the 10 seconds that all checks have.\n\
         0 passed · 3 warnings\n"
    );
}

#[tokio::test]
async fn a_mistake_in_a_check_is_a_warning() {
    let diagnosis = run(&[check("R001", &[], Method::Look(panics))]).await;
    let text = text_report(&diagnosis, Paint::Colours);
    assert!(
        text.starts_with(
            "\u{1b}[33m!\u{1b}[0m R001  \u{1b}[1mR001 could not be tried, by a mistake in Resound."
        ),
        "{text}"
    );
}
