//! Which known name somebody may have meant.
//!
//! Owns the edit distance. Knows nothing of what the names are.

/// The name that differs from `text` in the fewest letters, if they are few enough for a typo.
pub(super) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters: what differs in more is another name.
    let bound = text.len() / 3;
    let measured = names.map(|name| (distance(text.as_bytes(), name.as_bytes()), name));
    measured.min().filter(|(distance, _)| *distance <= bound).map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of two letters in a row, row by row.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (down, letter) in left.iter().enumerate() {
        let mut next = vec![down + 1];
        for (across, other) in right.iter().enumerate() {
            let replaced = row[across] + usize::from(letter != other);
            let mut edits = replaced.min(row[across + 1] + 1).min(next[across] + 1);
            let swapped = down > 0
                && across > 0
                && (left[down - 1], left[down]) == (right[across], right[across - 1]);
            if swapped {
                edits = edits.min(above[across - 1] + 1);
            }
            next.push(edits);
        }
        above = std::mem::replace(&mut row, next);
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distance_counts_single_letter_edits() {
        let table = [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("PROT", "PORT", 1),
            ("abc", "bca", 2),
            ("ab", "ab", 0),
        ];
        for (left, right, edits) in table {
            assert_eq!(distance(left.as_bytes(), right.as_bytes()), edits, "{left} {right}");
            assert_eq!(distance(right.as_bytes(), left.as_bytes()), edits, "{right} {left}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = || ["SERVER_PORT", "SERVER_HOST", "LOG_LEVEL"].into_iter();
        assert_eq!(nearest("SERVER_PROT", names()), Some("SERVER_PORT"));
        assert_eq!(nearest("LOGLEVEL", names()), Some("LOG_LEVEL"));
        assert_eq!(nearest("COLOUR", names()), None);
    }
}
