//! No file uses, directly or through others, a file that uses it.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::paths::{dependencies, named};

type Edges = BTreeMap<String, BTreeSet<String>>;

/// The files that a file uses, directly or through others.
fn reached(edges: &Edges, from: &str) -> BTreeSet<String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        for next in edges.get(file).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    reached
}

/// Each file of a circle with the files of the same circle that it uses.
fn circular(edges: &Edges) -> Edges {
    let reached: Edges = edges.keys().map(|file| (file.clone(), reached(edges, file))).collect();
    let mut circular = Edges::new();
    for (file, below) in edges {
        let back =
            below.iter().filter(|other| reached.get(*other).is_some_and(|all| all.contains(file)));
        let back: BTreeSet<String> = back.cloned().collect();
        if !back.is_empty() {
            circular.insert(file.clone(), back);
        }
    }
    circular
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut problems = Vec::new();
    for root in ["src", "benches/generator/src"] {
        for (file, below) in circular(&dependencies(&named(root))) {
            let below = below.into_iter().collect::<Vec<_>>().join(", ");
            problems.push(format!("{root}/{file}.rs is in a circle; it uses {below}"));
        }
    }
    assert_none(
        &problems,
        "move what both files need to a file of its own that uses neither, or pass it as an argument",
    );
}

#[test]
fn a_circle_is_found_and_what_leads_to_it_is_not_blamed() {
    let edges = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "")];
    let mut all = Edges::new();
    for (from, to) in edges {
        all.entry(from.to_owned()).or_default().insert(to.to_owned());
    }
    let found: Vec<String> = circular(&all).into_keys().collect();
    assert_eq!(found, ["b", "c"]);
}
