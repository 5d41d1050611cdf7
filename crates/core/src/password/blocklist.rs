//! The list of passwords that are refused whole (SP 800-63B-4 §3.1.1.2; ASVS 6.2.4: at least 3,000 entries that the
//! length rule would let through). Sources and licences: `blocklist.md` beside this file. Takes no memory of its own:
//! a sorted text inside the program, searched in place.

/// One entry a line, each 15 characters or more, lower case ASCII, sorted by bytes, the last line ended too.
pub(super) const ENTRIES: &str = include_str!("blocklist.txt");

/// Whether `folded`, a password in lower case, is an entry.
pub(super) fn contains(folded: &str) -> bool {
    // A line feed would let a password be a piece of the list that spans lines; no entry has one.
    !folded.contains('\n') && find_line(ENTRIES.as_bytes(), folded.as_bytes())
}

/// Binary search among the lines of `text`. `low` and `high` are always starts of lines (or the end).
fn find_line(text: &[u8], wanted: &[u8]) -> bool {
    let (mut low, mut high) = (0, text.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = text[low..middle].iter().rposition(|&byte| byte == b'\n').map_or(low, |at| low + at + 1);
        let end = text[start..high].iter().position(|&byte| byte == b'\n').map_or(high, |at| start + at);
        match text[start..end].cmp(wanted) {
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
            std::cmp::Ordering::Equal => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{ENTRIES, contains, find_line};

    #[test]
    fn the_list_is_long_sorted_and_of_policy_length() {
        let lines: Vec<&str> = ENTRIES.lines().collect();
        assert!(lines.len() >= 3_000, "ASVS 6.2.4 asks for 3,000, the list has {}", lines.len());
        assert!(lines.is_sorted_by(|a, b| a < b), "sorted, without duplicates");
        for line in lines {
            assert!(line.len() >= crate::password::CODE_POINTS_MIN, "{line} is refused for its length already");
            assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~') && !byte.is_ascii_uppercase()), "{line}");
        }
        assert!(ENTRIES.ends_with('\n'));
    }

    #[test]
    fn every_line_is_found_and_its_neighbours_are_not() {
        for line in ENTRIES.lines() {
            assert!(contains(line), "{line}");
            assert!(!contains(&format!("{line}~\u{2602}")), "{line}");
        }
        assert!(!contains(""));
        assert!(!contains("\n"));
        assert!(!contains(&ENTRIES[..40]), "a stretch of two lines is no entry");
    }

    #[test]
    fn a_search_in_a_small_text_finds_exactly_its_lines() {
        let text = b"ant\nbee\ncat\n";
        for wanted in ["ant", "bee", "cat"] {
            assert!(find_line(text, wanted.as_bytes()), "{wanted}");
        }
        for absent in ["", "an", "ants", "bat", "cats", "zebra", "ant\nbee"] {
            assert!(!find_line(text, absent.as_bytes()), "{absent}");
        }
        assert!(!find_line(b"", b"ant"));
    }
}
