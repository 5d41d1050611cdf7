//! What the documentation tells people to type, typed. In README.md and docs/*.md a block that opens with ```` ```sh test ````
//! is run by bash, all blocks of a page in one shell, against a keyfob in front of httpbin; a line `#=> text` says what
//! the commands since the last such line print somewhere. ```` ```toml policy ```` blocks must be policies, and
//! ```` ```toml config ```` blocks configurations.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::support::canary;
use super::support::house::House;
use super::support::keyfob::{Keyfob, must};
use super::support::postgres::Database;
use super::support::root;
use super::support::upstream::httpbin;

/// A fenced block of a page.
pub struct Block {
    /// What stands after the fence, such as `sh test`.
    pub kind: String,
    /// What stands in it.
    pub text: String,
}

/// The policy that the pages' examples live under.
const POLICY: &str = "docs/example/policy.toml";
/// The database of the pages' examples; a fresh one stands for it.
const DATABASE: &str = "postgres://keyfob@db.example.com/keyfob";
/// Ends what a group of commands has printed; ASCII's record separator, which no command prints.
const MARK: &str = "\u{1e}";

/// The fenced blocks of a page.
pub fn blocks(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some(Block { kind: kind.trim().to_owned(), text: String::new() }),
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block that does not end");
    blocks
}

/// README.md and every page of docs/.
fn pages() -> Vec<String> {
    let folder = fs::read_dir(root().join("docs")).expect("docs/ can be read");
    let names = folder.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let pages = names.filter(|name| name.ends_with("md")).map(|name| format!("docs/{name}"));
    let mut pages: Vec<String> = pages.chain(["README.md".to_owned()]).collect();
    pages.sort();
    pages
}

fn of_kind(kind: &str) -> Vec<(String, Vec<Block>)> {
    let of = |page: String| {
        let found: Vec<Block> = blocks(&page).into_iter().filter(|block| block.kind == kind).collect();
        (page, found)
    };
    let found: Vec<_> = pages().into_iter().map(of).filter(|(_, found)| !found.is_empty()).collect();
    assert!(!found.is_empty(), "no page has a block of kind `{kind}`");
    found
}

#[test]
fn every_command_of_the_documentation_does_what_the_page_says() {
    for (page, blocks) in of_kind("sh test") {
        type_in(&page, &blocks);
    }
}

#[test]
fn every_policy_of_the_documentation_is_one() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for (page, blocks) in of_kind("toml policy") {
        for block in blocks {
            let file = folder.path().join("policy.toml");
            fs::write(&file, &block.text).expect("a file can be written");
            let said = super::support::keyfob::command(
                &folder.path().join("data"),
                &["policy", "check", &file.display().to_string()],
                "",
            );
            assert!(said.status.success(), "{page}: {}\n{}", String::from_utf8_lossy(&said.stderr), block.text);
        }
    }
    must(&folder.path().join("data"), &["policy", "check", &root().join(POLICY).display().to_string()], "");
}

#[test]
fn every_configuration_of_the_documentation_starts_a_keyfob() {
    let database = Database::own();
    for (page, blocks) in of_kind("toml config") {
        for block in blocks {
            let folder = tempfile::tempdir().expect("a temporary directory");
            let file = folder.path().join("keyfob.toml");
            let password = folder.path().join("database-password");
            fs::write(&password, "none is asked for here\n").expect("a file can be written");
            let text = block.text.replace("/etc/keyfob/database-password", &password.display().to_string());
            fs::write(&file, text.replace(DATABASE, &database.url)).expect("a file can be written");
            fs::copy(root().join(POLICY), folder.path().join("policy.toml")).expect("a policy");
            let file = file.display().to_string();
            if let Err(problem) = Keyfob::try_serve(&folder.path().join("data"), &["--config", &file], &[]) {
                panic!("{page}: {problem}\n{}", block.text);
            }
        }
    }
}

/// Run all blocks of a page in one shell.
fn type_in(page: &str, blocks: &[Block]) {
    let policy = fs::read_to_string(root().join(POLICY)).expect("the example policy");
    let house = House::empty(&httpbin().origin(), &policy);
    let text: String = blocks.iter().map(|block| block.text.as_str()).collect();
    let (script, expected) = script(&text);
    assert!(!expected.is_empty(), "{page}: nothing is expected of its commands");
    let script = script
        .replace("127.0.0.1:8080", &house.public().to_string())
        .replace("127.0.0.1:8081", &house.keyfob().internal.to_string());
    let database = script.contains(DATABASE).then(Database::own);
    let script = database.as_ref().map_or(script.clone(), |database| script.replace(DATABASE, &database.url));
    let output = shell(&house, &script);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    let groups: Vec<&str> = printed.split(MARK).collect();
    for (number, lines) in expected.iter().enumerate() {
        let got = groups.get(number).copied().unwrap_or_default();
        for line in lines {
            assert!(got.contains(line), "{page}: `{line}` is not in what was printed:\n{got}\n--- stderr ---\n{said}");
        }
    }
    assert!(output.status.success(), "{page}: {}\n{printed}\n--- stderr ---\n{said}", output.status);
}

/// The commands, with a mark after each group, and what is expected of each group.
fn script(text: &str) -> (String, Vec<Vec<String>>) {
    let mut script = "set -eu -o pipefail\n".to_owned();
    let mut expected: Vec<Vec<String>> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("#=> ") {
            if !open {
                script.extend(["printf '", MARK, "'\n"]);
                expected.push(Vec::new());
            }
            open = true;
            if let Some(group) = expected.last_mut() {
                group.push(line.to_owned());
            }
        } else {
            open = false;
            script.extend([line, "\n"]);
        }
    }
    (script, expected)
}

fn shell(house: &House, script: &str) -> std::process::Output {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_keyfob"));
    let folder = binary.parent().expect("the binary is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let data = house.data();
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(script).env("PATH", format!("{}:{path}", folder.display())).env("KEYFOB_DATA", &data);
    bash.env("KEYFOB_LOG_LEVEL", "trace").current_dir(data.parent().expect("the house's folder"));
    let output = bash.output().expect("bash can be run");
    canary::shown(&output.stdout);
    output
}

#[test]
fn what_a_page_expects_belongs_to_the_commands_before_it() {
    let (script, expected) = script("one\ntwo\n#=> first\n#=> second\nthree\n#=> third\nfour\n");
    assert_eq!(expected, [vec!["first".to_owned(), "second".to_owned()], vec!["third".to_owned()]]);
    assert_eq!(script.matches(MARK).count(), 2);
    assert!(script.ends_with("three\nprintf '\u{1e}'\nfour\n"), "{script}");
}
