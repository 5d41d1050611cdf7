//! Moves and restores of one directory, one at a time.

use super::*;
use crate::config::Database;

/// Two moves at once could leave a source that is marked as moved, and a target that was emptied for the second.
#[tokio::test]
async fn a_store_that_is_being_moved_is_neither_moved_nor_restored_by_another() {
    let (_home, mut settings) = place();
    carry_out(&settings, add("ada")).await.expect("added");
    // Nobody listens there: a move that begins fails otherwise.
    let url = "postgres://keyfob@127.0.0.1:1/keyfob".to_owned();
    settings.database = Some(Database { url, direct: None, password: None, connections: 1 });
    let moving = Hold::of_moves(&settings.data).expect("the first");
    let refused = |problem: Problem| {
        assert!(problem.message.contains(&format!("being moved, or restored, by process {}", std::process::id())));
        assert!(problem.hint.is_some());
    };
    refused(to_postgres(&settings, &mut |_, _| {}).await.expect_err("the second"));
    refused(to_sqlite(&settings, &mut |_, _| {}).await.expect_err("the second"));
    refused(restore(&settings.data, None).expect_err("beside it"));
    drop(moving);
    let problem = to_postgres(&settings, &mut |_, _| {}).await.expect_err("there is no database");
    assert!(!problem.message.contains("being moved"), "{}", problem.message);
}
