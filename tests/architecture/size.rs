//! How long files may be and how many of them a room has. Clippy bounds functions: 70 lines, 5 parameters.

use crate::assert_none;
use crate::source::sources;

/// Lines of one file, its unit tests included.
const LINES_MAX: usize = 400;
const CLUSTER_FILES_MAX: usize = 27;

#[test]
fn files_are_short_and_begin_with_their_purpose() {
    let mut problems = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for source in sources(folder) {
            let lines = source.text.lines().count();
            if lines > LINES_MAX {
                problems.push(format!("{}: {lines} lines, at most {LINES_MAX}", source.name()));
            }
            if !source.text.starts_with("//!") && !source.text.starts_with("#![doc") {
                problems.push(format!("{}: no //! at its top", source.name()));
            }
        }
    }
    assert_none(
        &problems,
        "give a part with a noun of its own a file of its own (unit tests: `tests.rs` in its folder), \
         and write at the top what the file owns",
    );
}

#[test]
fn the_cluster_is_a_room_that_can_be_read() {
    let files = sources("src/cluster");
    let count = files.iter().filter(|source| !source.path.ends_with("tests.rs")).count();
    assert!(
        count <= CLUSTER_FILES_MAX,
        "src/cluster has {count} Rust files without tests.rs, at most {CLUSTER_FILES_MAX}; join those that change together"
    );
}

#[test]
fn clippy_bounds_functions() {
    let clippy = std::fs::read_to_string(".clippy.toml").unwrap();
    let cargo = std::fs::read_to_string("Cargo.toml").unwrap();
    for bound in ["too-many-lines-threshold = 70", "too-many-arguments-threshold = 6"] {
        assert!(clippy.contains(bound), ".clippy.toml lost `{bound}`");
    }
    for lint in ["too_many_lines", "too_many_arguments", "fn_params_excessive_bools"] {
        assert!(cargo.contains(&format!("{lint} = \"warn\"")), "Cargo.toml lost the lint {lint}");
    }
}
