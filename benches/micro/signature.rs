//! Question: what do signatures cost: of a subscription, and of a request with 128 bytes and with
//! 10 KB of body? Exercises the query, HMAC-SHA256 and the MD5 of the body. The floor is SHA-256 of
//! what is signed (2 to 4 blocks) and MD5 of the body, about 2 µs/KB.

use criterion::{Criterion, Throughput};
use resound::app::App;
use resound::protocol::SocketId;
use resound::protocol::signature::{self, SignedQuery};
use resound_load::Credentials;

use crate::fixture::app;

/// The clock of all of it.
const NOW: u64 = 1_700_000_000;

/// Where requests go.
const PATH: &str = "/apps/1/events";

pub(crate) fn measure(criterion: &mut Criterion) {
    let app = app();
    let mut group = criterion.benchmark_group("signature");
    let socket = SocketId::parse("123456.7890").unwrap();
    let channel = "private-orders.42";
    let backend = Credentials::new(&app.id, &app.key, app.secret.reveal());
    let auth = backend.channel_auth(&socket.to_string(), channel, None);
    let check = || signature::check_channel(&app, socket, channel, Some(&auth), None);
    assert_eq!(check(), Ok(()), "the subscription is signed");
    group.bench_function("of a subscription", |bencher| bencher.iter(check));

    for (size, bytes) in [("128 B", 128), ("10 KB", 10_240)] {
        let body = vec![b'x'; bytes];
        let query = backend.signed_query(PATH, &body, NOW);
        assert!(is_signed(&app, &query, &body), "the request is signed");
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("of a request, {size} of body"), |bencher| {
            bencher.iter(|| is_signed(&app, &query, &body));
        });
    }
    group.finish();
}

/// What the HTTP API asks of a request, from its query string on.
fn is_signed(app: &App, query: &str, body: &[u8]) -> bool {
    let query = SignedQuery::parse(query).unwrap();
    signature::check_request(app, "POST", &[PATH], &query, NOW).is_ok()
        && signature::check_body(&query, body).is_ok()
}
