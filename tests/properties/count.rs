//! A drain ends when no socket is left: each counts from when it opens until it is forgotten.

use std::sync::Arc;

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
        shards.open(socket, Arc::new(Memory { wire, reads_deflated: false }));
    }
    assert_eq!(shards.socket_count(), 2, "before a shard has looked");
    shards.settle(&mut all);
    shards.end(first, CloseCode::ReconnectNow);
    shards.settle(&mut all);
    assert_eq!(shards.socket_count(), 2, "it is closing");
    shards.forget(first);
    assert_eq!(shards.socket_count(), 1);
}
