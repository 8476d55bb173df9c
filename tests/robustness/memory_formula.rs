//! What channels, subscriptions, members and cached events take in fact, beside the formula of config/memory.md.

use std::fs;

use serde_json::json;

use crate::bystander::backend;
use crate::harness::program::{Memory, Program};
use crate::harness::wire::{TEXT, Wire, frame};

/// Real memory is at most so many times the formula. Its tables grow by doubling, and pages are counted whole.
const FACTOR: u64 = 2;

/// A number of the table in config/memory.md: the first one of the row that begins so.
fn formula(row: &str) -> u64 {
    let paper = fs::read_to_string("config/memory.md").unwrap();
    let line = paper.lines().find_map(|line| line.strip_prefix(&format!("| {row} | ")));
    let cell = line.unwrap_or_else(|| panic!("config/memory.md has no row {row:?}"));
    let digits: String = cell.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// What a step adds, and how much the formula says: both are printed, and the first is no more than [`FACTOR`] of the second,
/// and no less than an eighth of it, below which the formula would say nothing.
struct Growth {
    memory: Memory,
    before: u64,
}

impl Growth {
    fn of(program: &Program) -> Self {
        Self { memory: program.memory(), before: program.resident() }
    }

    fn is_within(&mut self, what: &str, formula: u64) {
        let now = self.memory.resident();
        let grown = now.saturating_sub(self.before);
        self.before = now;
        println!("memory of {what}: {grown} bytes, formula {formula}");
        assert!(grown <= formula * FACTOR, "{what}: {grown} bytes, formula {formula}");
        assert!(grown >= formula / 8, "{what}: {grown} bytes, formula {formula}");
    }
}

async fn subscribe_all(wire: &mut Wire, prefix: &str, count: usize) {
    let message = |n: usize| json!({ "event": "pusher:subscribe", "data": { "channel": format!("{prefix}-{n:04}") } });
    let all: Vec<u8> = (0..count).flat_map(|n| frame(TEXT, message(n).to_string())).collect();
    wire.send(all).await;
    for _ in 0..count {
        assert!(wire.text().await.contains("subscription_succeeded"));
    }
}

#[tokio::test]
async fn real_memory_is_within_the_formula() {
    const CHANNELS: u64 = 1000;
    const CACHE: u64 = 32 << 20;
    let cache = CACHE.to_string();
    let variables = [("RESOUND_SERVER_WORKERS", "1"), ("RESOUND_CACHE_BYTES", &*cache)];
    let program = Program::start(&variables).await;
    let mut wires = Vec::new();
    for _ in 0..16 {
        wires.push(Wire::socket(program.address).await);
    }
    // Buffers and tables that one use makes and no later one makes again.
    subscribe_all(&mut wires[0], "first-use-with-as-long-a-name", 1000).await;
    let mut growth = Growth::of(&program);
    for (index, wire) in wires[1..6].iter_mut().enumerate() {
        subscribe_all(wire, &format!("channel-of-thirty-bytes-{index}"), 1000).await;
    }
    let channel = formula("channel with a subscriber on this node") + 3 * 30;
    growth.is_within("5 000 channels", 5 * CHANNELS * channel);
    for wire in &mut wires[6..16] {
        subscribe_all(wire, "channel-of-thirty-bytes-0", 1000).await;
    }
    let subscription = formula("subscription beyond the first, of a channel that others have too");
    growth.is_within("10 000 further subscriptions", 10 * CHANNELS * subscription);
    let mut backend = backend(program.address);
    for number in 0..400 {
        backend.trigger(&format!("cache-{number}"), "event", &"x".repeat(100_000)).await;
    }
    growth.is_within("a full cache", CACHE);
}
