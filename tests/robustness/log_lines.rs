//! A condition that stands is logged once in a while, not with each event that shows it.

use crate::bystander::backend;
use crate::harness::Program;

#[tokio::test]
async fn oversized_events_are_logged_once_for_each_name() {
    let mut program = Program::start(&[]).await;
    program.lines_logged();
    let mut backend = backend(program.address);
    for _ in 0..50 {
        for event in ["built", "deployed"] {
            backend.trigger("builds", event, &"x".repeat(12_000)).await;
        }
    }
    let lines =
        [program.log_line("event=\"built\"").await, program.log_line("event=\"deployed\"").await];
    for line in lines {
        assert!(line.contains("event data is larger than hosted Pusher accepts"), "{line}");
        assert!(line.contains("bytes=12000 limit=10240"), "{line}");
    }
    assert!(program.lines_logged() < 20, "the others of an interval are counted");
}
