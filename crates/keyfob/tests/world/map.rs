//! The maps are true: every path that ARCHITECTURE.md and docs/standards.md name exists, and every link of
//! the documentation leads somewhere.

use std::fs;

use super::support::root;

/// ARCHITECTURE.md is read in one sitting or not at all.
const ARCHITECTURE_LINES_MAX: usize = 150;
const README_LINES_MAX: usize = 150;
/// What a path of this repository begins with.
const TOPS: &[&str] = &["crates/", "docs/", "xtask/", "packaging/", "postman/", "campaigns/", "deploy/", ".ci/"];

#[test]
fn every_path_of_the_maps_exists() {
    for page in ["ARCHITECTURE.md", "docs/standards.md"] {
        let text = read(page);
        let paths: Vec<&str> = text.split('`').skip(1).step_by(2).filter(|word| is_path(word)).collect();
        assert!(paths.len() > 10, "{page} names only {} paths", paths.len());
        let gone: Vec<&&str> = paths.iter().filter(|path| !root().join(path).exists()).collect();
        assert!(gone.is_empty(), "{page} names what is not there: {gone:?}");
    }
}

#[test]
fn every_test_that_the_standards_name_exists() {
    let text = read("docs/standards.md");
    let tests = text.split('`').skip(1).step_by(2).filter(|word| is_test(word));
    // A claim is worth what it can be looked up by: each row names its code and its test.
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| text")).collect();
    for row in &rows {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        assert!(cells.len() == 6 && is_path(cells[3]) && is_test(cells[4]), "{row}");
    }
    for rfc in ["9068", "7009", "7662", "8414", "9728"] {
        assert!(rows.iter().any(|row| row.starts_with(&format!("| RFC {rfc}"))), "no row is of RFC {rfc}");
    }
    let sources = sources();
    let mut named = 0;
    for test in tests {
        named += 1;
        assert!(sources.contains(&format!("fn {test}(")), "docs/standards.md names a test that is not there: {test}");
    }
    assert!(named > 10, "docs/standards.md names only {named} tests");
}

#[test]
fn the_map_and_the_readme_fit_on_their_pages() {
    for (page, most) in [("ARCHITECTURE.md", ARCHITECTURE_LINES_MAX), ("README.md", README_LINES_MAX)] {
        let lines = read(page).lines().count();
        assert!(lines <= most, "{page} has {lines} lines, {most} are the most");
    }
}

#[test]
fn every_link_within_the_documentation_leads_somewhere() {
    let mut pages = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned(), "ARCHITECTURE.md".to_owned()];
    let docs = fs::read_dir(root().join("docs")).expect("docs/ can be read");
    let names = docs.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    pages.extend(names.filter(|name| name.ends_with("md")).map(|name| format!("docs/{name}")));
    pages.push("deploy/README.md".to_owned());
    let doors = fs::read_dir(root().join("deploy")).expect("deploy/ can be read").map(|entry| entry.expect("an entry"));
    let doors =
        doors.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().to_string_lossy().into_owned());
    pages.extend(doors.map(|door| format!("deploy/{door}/README.md")));
    for page in pages {
        let text = read(&page);
        let here = root().join(&page);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap_or_default();
            let there = here.parent().expect("a page is in a folder").join(file);
            assert!(there.exists(), "{page} links to {link}, which is not there");
        }
    }
}

fn is_path(word: &str) -> bool {
    TOPS.iter().any(|top| word.starts_with(top)) && !word.contains([' ', '{', '*'])
}

fn is_test(word: &str) -> bool {
    word.matches('_').count() > 2 && word.chars().all(is_name)
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
}

/// Every Rust source of the workspace, one after another.
fn sources() -> String {
    let mut folders = vec![root().join("crates"), root().join("xtask")];
    let mut all = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|ending| ending == "rs") {
                all += &fs::read_to_string(&entry).expect("a source can be read");
            }
        }
    }
    all
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}
