//! Runs this test program again for each break, and requires of every test named beside it that it fails, on each backend.
//! Without a break the sabotaged build passes all tests, these included.

use std::process::Command;

use super::*;

/// A break, and the cases of the conformance suite that must notice.
const BREAKS: &[(&str, &[&str])] = &[
    (
        TWO_WINNERS,
        &[
            "of_many_uses_at_once_one_makes_the_successor",
            "a_used_token_gives_its_successor_until_that_is_used_or_ten_seconds",
        ],
    ),
    (
        NO_RETRY,
        &[
            "of_many_uses_at_once_one_makes_the_successor",
            "a_used_token_gives_its_successor_until_that_is_used_or_ten_seconds",
        ],
    ),
    (REPLAY_FORGIVEN, &["a_replay_ends_the_family"]),
    (REVOKED_REFRESHES, &["a_refresh_and_the_end_of_its_session_are_one_order", "a_replay_ends_the_family"]),
    (EXPIRED_REFRESHES, &["a_refresh_token_rotates_and_its_session_lives_on"]),
    (
        STALE_USER,
        &[
            "a_refresh_judged_on_an_older_user_is_stale",
            "a_login_judged_on_an_older_version_is_stale",
            "a_login_of_a_disabled_or_deleted_user_is_stale",
            "no_login_outlives_a_password_change_it_raced_with",
        ],
    ),
    (
        UNPUBLISHED,
        &[
            "a_replay_ends_the_family",
            "every_change_of_an_account_raises_its_version_and_the_revision",
            "every_change_of_a_client_is_in_the_feed_and_the_audit",
            "the_feed_names_each_fact_at_its_own_revision",
            "the_doorbell_rings_after_each_change_and_only_then",
        ],
    ),
    (
        EARLY_ACK,
        &[
            "a_replay_ends_the_family",
            "disabling_ends_every_session",
            "deleting_ends_every_session_and_keeps_the_audit",
        ],
    ),
    (
        RETIRED_LIVES,
        &["retiring_the_key_that_signs_makes_the_next_one_sign", "a_retirement_wins_over_a_rotation_it_races_with"],
    ),
    (ROTATED_DIES, &["a_rotated_key_is_kept_until_nothing_it_signed_is_alive"]),
    (
        SAME_LIFE,
        &[
            "sqlite::restore::tests::a_restore_begins_a_new_life_above_every_revision_and_keeps_the_old_store",
            "postgres::tests::backwards::nodes_that_run_close_together_and_one_acceptance_opens_all_of_them",
        ],
    ),
    (
        BACKWARDS_UNSEEN,
        &[
            "postgres::tests::backwards::nodes_that_run_close_together_and_one_acceptance_opens_all_of_them",
            "postgres::tests::backwards::a_copy_that_went_on_to_the_same_numbers_is_known_by_its_last_change",
            "postgres::tests::backwards::a_new_connection_looks_before_anybody_uses_it",
        ],
    ),
];

#[test]
fn every_break_is_noticed() {
    for (name, cases) in BREAKS {
        let names: Vec<String> = cases.iter().flat_map(|case| places(case)).collect();
        let program = std::env::current_exe().unwrap();
        let run = Command::new(program).arg("--exact").args(&names).env("KEYFOB_SABOTAGE", name).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        for name_of_test in names {
            let noticed = said.lines().any(|line| line == format!("test {name_of_test} ... FAILED"));
            assert!(noticed, "{name_of_test} does not notice {name}:\n{said}");
        }
    }
}

/// A case of the conformance suite runs on each backend; any other test is named whole.
fn places(case: &str) -> Vec<String> {
    if case.contains("::") {
        return vec![case.to_owned()];
    }
    ["sqlite", "postgres"].map(|backend| format!("{backend}::tests::{case}")).into()
}
