//! A drain ends when no socket is left: each counts from when it opens until it is forgotten.

use std::sync::Arc;

use resound::hub::HubId;
use resound::metrics::Metrics;
use resound::protocol::CloseCode;

use crate::fixture;
use crate::received::DEFLATE_MIN_BYTES;
use crate::received::{Memory, Wire};

#[test]
fn a_socket_counts_from_when_it_opens_until_it_is_forgotten() {
    let (shards, mut all) = fixture::shards(&Arc::new(Metrics::default()), DEFLATE_MIN_BYTES);
    let (first, second) = (shards.new_socket_id(0), shards.new_socket_id(1));
    for socket in [first, second] {
        let wire = Arc::new(Wire::default());
        let memory = Arc::new(Memory { wire, reads_deflated: false });
        shards.open(HubId::default(), socket, memory, None);
    }
    assert_eq!(shards.socket_count(), 2, "before a shard has looked");
    shards.settle(&mut all);
    shards.end(first, CloseCode::ReconnectNow);
    shards.settle(&mut all);
    assert_eq!(shards.socket_count(), 2, "it is closing");
    shards.forget(first);
    assert_eq!(shards.socket_count(), 1);
}

/// Each step closes as many sockets as it was asked for, however they are spread over the shards.
#[test]
fn a_step_of_a_drain_closes_no_more_than_its_count_and_leaves_none_for_later() {
    for spread in [[7, 21], [28, 0], [1, 27]] {
        let (shards, mut all) = fixture::shards(&Arc::new(Metrics::default()), DEFLATE_MIN_BYTES);
        let mut open = Vec::new();
        for (shard, sockets) in spread.into_iter().enumerate() {
            for _ in 0..sockets {
                let (socket, wire) = (shards.new_socket_id(shard), Arc::new(Wire::default()));
                shards.open(
                    HubId::default(),
                    socket,
                    Arc::new(Memory { wire: wire.clone(), reads_deflated: false }),
                    None,
                );
                open.push((socket, wire));
            }
        }
        for left in [25, 22, 19, 16, 13, 10, 7, 4, 1, 0] {
            shards.end_some(3, CloseCode::ReconnectNow);
            shards.settle(&mut all);
            open.retain(|(socket, wire)| {
                if wire.is_ending() {
                    shards.forget(*socket);
                }
                !wire.is_ending()
            });
            assert_eq!(open.len(), left, "{spread:?}");
        }
    }
}
