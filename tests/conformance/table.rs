//! README.md's table of every behaviour: made from the headers of the transcripts.

use std::fmt::Write;

use crate::transcript::Transcript;
use crate::{folder, transcripts};

const BEGIN: &str = "<!-- generated: begin -->\n";
const END: &str = "<!-- generated: end -->\n";

/// One row per transcript. Where a header does not name a server, a case in that server's own suite
/// means that it does the same; "–" means that its behaviour is undocumented.
fn table(transcripts: &[Transcript]) -> String {
    let mut table = "| behaviour | Pusher (documented) | Reverb | soketi | ours |\n\
                     | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for Transcript { name, title, others, .. } in transcripts {
        let does = |documented: &Option<String>, tests_it: bool| {
            let otherwise = if tests_it { "same" } else { "–" };
            cell(documented.as_deref().unwrap_or(otherwise))
        };
        let pusher = does(&others.pusher, false);
        let reverb = does(&others.reverb, others.reverb_tests_it);
        let soketi = does(&others.soketi, others.soketi_tests_it);
        let (title, short) = (cell(title), name.trim_end_matches(".txt"));
        let ours = format!("[{short}](transcripts/{name})");
        writeln!(table, "| {title} | {pusher} | {reverb} | {soketi} | {ours} |").unwrap();
    }
    table
}

/// Text as it may stand in a cell: neither a new column nor the start of a tag or of emphasis.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for c in text.chars() {
        if "|<*_[]`".contains(c) {
            cell.push('\\');
        }
        cell.push(c);
    }
    cell
}

#[test]
fn the_table_of_the_readme_is_the_one_of_the_transcripts() {
    let path = folder().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("README.md has the generated part");
    let (generated, after) = rest.split_once(END).expect("the generated part has an end");
    let table = table(&transcripts());
    #[allow(clippy::disallowed_methods, reason = "no configuration: it asks for a new table")]
    let update = std::env::var_os("UPDATE_TABLE").is_some();
    if update {
        return std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (ours, theirs) = (lines(&table), lines(generated));
    let new: Vec<_> = ours.iter().filter(|line| !theirs.contains(line)).collect();
    let old: Vec<_> = theirs.iter().filter(|line| !ours.contains(line)).collect();
    assert!(
        generated == table,
        "README.md is behind the transcripts; UPDATE_TABLE=1 cargo test --test conformance table \
         brings it up to date\nnew: {new:#?}\nold: {old:#?}"
    );
}

#[test]
fn the_table_has_a_cell_for_every_server() {
    let header = "# title: A | b\n# reverb: ServerTest\n# soketi-does: x_y\nA connects";
    let row = table(&[Transcript::parse("t/n.txt", header).unwrap()]);
    let row = row.lines().last().unwrap();
    assert_eq!(row, r"| A \| b | – | same | x\_y | [t/n](transcripts/t/n.txt) |");
}
