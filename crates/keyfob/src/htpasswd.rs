//! Reads a file as Apache's `htpasswd` writes it and nginx's `auth_basic_user_file` takes it: `name:hash` on each line.
//! Everything that is wrong with it is found before anything is done. Never repeats a hash: it may be a password.

use std::collections::HashMap;

use keyfob_core::password::{LegacyForm, LegacyHash, LegacyProblem};
use keyfob_core::secret::Secret;
use keyfob_core::user::Username;
use serde::Serialize;

/// Longest file, in bytes: some 200,000 users.
pub(crate) const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Another way for a user whose hash is of no use.
const ANEW: &str =
    "give the user a new hash with `htpasswd -B`, or remove the line and make the user with `keyfob user add`";

/// One user of the file.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The canonical name.
    pub(crate) username: Username,
    /// The text of the hash, which parses.
    pub(crate) hash: Secret,
    /// What kind of hash.
    pub(crate) form: LegacyForm,
}

/// A line that cannot be taken.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LineProblem {
    /// Counted from one.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) why: String,
    /// What to do.
    pub(crate) hint: String,
}

/// All users of the file, or all that is wrong with it.
///
/// # Errors
/// The lines that cannot be taken, in order; at least one.
pub(crate) fn read(file: &[u8]) -> Result<Vec<Entry>, Vec<LineProblem>> {
    let (mut entries, mut problems, mut seen) = (Vec::new(), Vec::new(), HashMap::new());
    for (line, bytes) in (1..).zip(file.split(|byte| *byte == b'\n')) {
        match entry(bytes) {
            Ok(None) => {}
            Ok(Some(entry)) => match seen.insert(entry.username.clone(), line) {
                None => entries.push(entry),
                Some(first) => problems.push(LineProblem {
                    line,
                    why: format!("line {first} has the user `{}` already", entry.username),
                    hint: "keep one of the two lines: names that differ only in case are one user".to_owned(),
                }),
            },
            Err((why, hint)) => problems.push(LineProblem { line, why, hint }),
        }
    }
    if problems.is_empty() { Ok(entries) } else { Err(problems) }
}

/// The user of a line; none on an empty one and on a comment. The error says what is wrong, and what to do.
fn entry(line: &[u8]) -> Result<Option<Entry>, (String, String)> {
    let wrong = |why: &str, hint: &str| (why.to_owned(), hint.to_owned());
    let line = std::str::from_utf8(line).map_err(|_| wrong("this is not UTF-8", "save the file as UTF-8"))?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let format = || wrong("this is not `name:hash`", "each line is as `htpasswd` writes it");
    let (name, rest) = line.split_once(':').ok_or_else(format)?;
    // nginx and Apache take what follows a second colon for a comment.
    let hash = rest.split(':').next().unwrap_or_default();
    let username = Username::parse(name).map_err(|problem| {
        (problem.to_string(), "rename the user in the file; the name will be part of tokens and logs".to_owned())
    })?;
    let legacy = LegacyHash::parse(hash).map_err(|problem| (format!("{username}: {problem}"), hint(problem)))?;
    Ok(Some(Entry { username, hash: Secret::new(hash.to_owned()), form: legacy.form() }))
}

fn hint(problem: LegacyProblem) -> String {
    match problem {
        LegacyProblem::Damaged => "copy the line anew from where it came".to_owned(),
        LegacyProblem::Unsupported => {
            format!("bcrypt ($2y$, $2b$), $apr1$, $5$, $6$ and {{SHA}} are; {ANEW}")
        }
        LegacyProblem::Des | LegacyProblem::NoHash | LegacyProblem::TooDear => ANEW.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APR1: &str = "$apr1$abc$.kub6C9IpUJdLZraWLyC4.";

    #[test]
    fn comments_empty_lines_line_ends_of_windows_and_second_colons_are_taken_as_others_take_them() {
        let file = format!("# staff\n\nalice:{APR1}\r\n   \nbob:{APR1}:Bob Smith\nCarol:{APR1}");
        let entries = read(file.as_bytes()).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| entry.username.as_str()).collect();
        assert_eq!(names, ["alice", "bob", "carol"]);
        assert!(entries.iter().all(|entry| entry.hash.expose() == APR1));
        assert!(read(b"").unwrap().is_empty());
    }

    #[test]
    fn every_line_that_is_wrong_is_told_with_its_number_and_a_way_out_and_no_hash() {
        let des = "QBUaGf1ED8BLE";
        let file = format!(
            "alice:{APR1}\nno colon\nbob smith:{APR1}\ndan:{des}\nALICE:{APR1}\neve:correct horse\nfay:{{SSHA}}abcd\n\
             gus:$2y$15$BOZ70DPTco3fDqiD8G/tqu8uWUbUJt9IlrhuRP.5vPveX.8abGzQ6\nhal:$apr1$abc\nida:$1$abc$OGyl6dDvZCDiGmIVbeuCq/"
        );
        let problems = read(&[file.as_bytes(), b"\n\xff:x"].concat()).unwrap_err();
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert!(problems[3].why.contains("line 1 has the user `alice`"), "{:?}", problems[3]);
        let said = format!("{problems:?}");
        for secret in [des, "correct horse", "OGyl6dDvZCDiGmIVbeuCq", "no colon"] {
            assert!(!said.contains(secret), "{said}");
        }
        assert!(problems.iter().all(|problem| !problem.hint.is_empty()));
    }
}
