//! The table of what is near, and the order of what is.

use super::{Likeness, NearMiss, likeness, nearest};

use Likeness::{Case, DoubledPrefix, Prefix, Segments, Separators, Spelling};

/// A missed channel, an occupied one, what tells them apart, and what to change.
const NEAR: &[(&str, &str, Likeness, &str)] = &[
    (
        "organization.1.capacity",
        "private-organization.1.capacity",
        Prefix,
        "publish on `PrivateChannel`",
    ),
    ("room.1", "presence-room.1", Prefix, "publish on `PresenceChannel`"),
    ("private-room.1", "presence-room.1", Prefix, "publish on `PresenceChannel`"),
    ("private-room.1", "room.1", Prefix, "publish on `Channel`"),
    ("private-x", "private-encrypted-x", Prefix, "publish on `EncryptedPrivateChannel`"),
    ("private-x", "private-cache-x", Prefix, "publish on `new PrivateChannel('cache-x')`"),
    ("cache-x", "x", Prefix, "publish on `new Channel('x')`"),
    (
        "private-private-orders.1",
        "private-orders.1",
        DoubledPrefix,
        "the prefix is there twice; publish on `new PrivateChannel('orders.1')`, which adds it",
    ),
    (
        "presence-private-orders.1",
        "private-orders.1",
        DoubledPrefix,
        "the prefix is there twice; publish on `new PrivateChannel('orders.1')`, which adds it",
    ),
    (
        "private-orders.1",
        "private-private-orders.1",
        DoubledPrefix,
        "the page has a prefix twice; subscribe with `Echo.private('orders.1')`, which adds it",
    ),
    (
        "private-Orders.1",
        "private-orders.1",
        Case,
        "upper and lower case differ; publish on `new PrivateChannel('orders.1')`",
    ),
    (
        "orders-1",
        "orders.1",
        Separators,
        "the separators differ; publish on `new Channel('orders.1')`",
    ),
    (
        "orders/1",
        "orders.1",
        Separators,
        "the separators differ; publish on `new Channel('orders.1')`",
    ),
    (
        ".orders.1",
        "orders.1",
        Separators,
        "the separators differ; publish on `new Channel('orders.1')`",
    ),
    ("order.1", "orders.1", Spelling, "the spelling differs; publish on `new Channel('orders.1')`"),
    (
        "ordres.1",
        "orders.1",
        Spelling,
        "the spelling differs; publish on `new Channel('orders.1')`",
    ),
    (
        "private-User.7",
        "private-App.Models.User.7",
        Segments,
        "one name has more segments; publish on `new PrivateChannel('App.Models.User.7')`",
    ),
];

#[test]
fn what_is_near_has_its_cause_and_its_change() {
    for &(missed, occupied, expected, change) in NEAR {
        let near = NearMiss::new(missed, occupied, 1);
        let near = near.unwrap_or_else(|| panic!("{missed} is near to {occupied}"));
        assert_eq!((near.likeness, &*near.change), (expected, change), "{missed} {occupied}");
    }
}

#[test]
fn other_ids_and_other_words_are_not_near() {
    for (missed, occupied) in [
        ("orders.1", "orders.1"),
        ("orders.1", "orders.2"),
        ("orders.1", "orders.11"),
        ("private-orders.1", "private-orders.2"),
        ("cat", "car"),
        ("orders", "invoices"),
        ("private-", "presence-"),
        ("x", "private-"),
        ("user", "App.Models.user"),
    ] {
        assert_eq!(likeness(missed, occupied), None, "{missed} {occupied}");
    }
}

#[test]
fn the_nearest_come_first_and_five_at_most() {
    let missed = "private-orders.1";
    let near = |name: &str, sockets| NearMiss::new(missed, name, sockets).unwrap();
    let all = vec![
        near("private-order.1", 9),
        near("private-Orders.1", 1),
        near("private-ordersx.1", 2),
        near("presence-orders.1", 1),
        near("orders.1", 4),
        near("private-private-orders.1", 1),
        near("private-encrypted-orders.1", 0),
    ];
    let nearest = nearest(missed, all);
    let names: Vec<&str> = nearest.iter().map(|near| &*near.channel).collect();
    assert_eq!(
        names,
        [
            "orders.1",
            "presence-orders.1",
            "private-private-orders.1",
            "private-Orders.1",
            "private-order.1"
        ]
    );
}
