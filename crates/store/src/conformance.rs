//! What every backend must do, races included: one list of cases, run by each backend's tests on stores of its own
//! making. Says nothing of how a backend does it. Each case gets a new, empty store.

pub(crate) mod api_keys;
pub(crate) mod attempts;
pub(crate) mod clients;
pub(crate) mod installation;
pub(crate) mod legacy;
pub(crate) mod races;
pub(crate) mod refresh_tokens;
pub(crate) mod sample;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod strangers;
pub(crate) mod users;

/// One test per case. `$open` is an async function that gives a new store and what must outlive it.
macro_rules! conformance_suite {
    ($open:path) => {
        $crate::conformance::conformance_suite! { $open,
            users::a_made_user_is_found_by_id_and_by_name,
            users::a_name_is_taken_once,
            users::users_come_in_order_of_name_after_the_one_given,
            users::roles_are_kept_sorted_and_once,
            users::every_change_of_an_account_raises_its_version_and_the_revision,
            users::a_change_that_changes_nothing_says_so_and_leaves_no_trace,
            users::a_change_of_nobody_is_not_found,
            users::disabling_ends_every_session,
            users::deleting_ends_every_session_and_keeps_the_audit,
            users::a_password_of_an_administrator_ends_every_session,
            users::an_own_new_password_keeps_the_session_that_set_it,
            users::a_password_judged_on_an_older_version_is_stale,
            users::new_roles_leave_sessions_alone,
            users::a_name_made_again_is_another_user,
            sessions::a_login_starts_a_session,
            sessions::a_session_and_a_user_come_in_one_read,
            sessions::a_login_judged_on_an_older_version_is_stale,
            sessions::a_login_of_a_disabled_or_deleted_user_is_stale,
            sessions::a_rehash_leaves_the_version_alone,
            sessions::ending_a_session_twice_changes_it_once,
            sessions::a_session_of_somebody_else_is_not_found,
            sessions::ending_all_sessions_spares_the_one_excepted,
            sessions::live_sessions_are_listed_newest_first_until_the_instant_they_expire,
            sessions::the_session_that_is_one_too_many_ends_the_least_recently_used,
            sessions::a_lowered_limit_of_sessions_holds_from_the_next_sign_in_on,
            api_keys::a_made_key_is_found_by_id_and_by_digest,
            api_keys::a_key_judged_on_older_facts_is_stale,
            api_keys::a_user_has_so_many_live_keys_and_no_more,
            api_keys::revoking_a_key_twice_changes_it_once,
            api_keys::a_key_of_an_earlier_life_is_resumed_once_and_a_revoked_one_never,
            api_keys::a_key_of_somebody_else_is_not_found,
            api_keys::disabling_and_deleting_kill_every_key,
            api_keys::a_new_password_and_new_roles_leave_keys_alone,
            api_keys::live_keys_are_listed_newest_first_until_the_instant_they_expire,
            api_keys::the_last_use_is_kept_and_raises_nothing,
            api_keys::dead_keys_are_swept,
            attempts::an_account_is_read_with_its_reservation,
            attempts::the_eleventh_guess_is_refused_and_says_for_how_long,
            attempts::an_unknown_account_is_throttled_like_a_known_one,
            attempts::a_failure_leaves_the_window_at_its_instant,
            attempts::a_success_forgives_the_failures_of_its_own_address,
            attempts::a_success_forgives_nobody_elses_guesses,
            attempts::changing_the_password_settles_the_attempt_that_proved_the_current_one,
            attempts::pending_attempts_hold_back_the_next_until_one_settles,
            attempts::a_reservation_that_lapsed_is_a_failure_counted_once,
            attempts::an_account_is_locked_after_a_hundred_failures_in_a_row,
            attempts::unsettled_attempts_count_in_a_row_even_after_the_window,
            attempts::enabling_and_a_new_password_lift_the_throttle,
            attempts::an_address_has_a_budget_over_all_accounts,
            attempts::sweeping_forgives_no_failure,
            strangers::failures_at_names_that_nobody_has_fill_a_fixed_room,
            strangers::a_smaller_room_is_emptied_a_little_at_a_time,
            strangers::strangers_names_never_push_out_the_failures_of_a_user,
            strangers::failures_of_a_user_are_counted_by_the_hour_and_the_network,
            strangers::the_begin_of_a_lock_is_one_audit_row,
            strangers::the_counts_of_a_user_go_with_it,
            refresh_tokens::a_refresh_token_rotates_and_its_session_lives_on,
            refresh_tokens::a_used_token_gives_its_successor_until_that_is_used_or_ten_seconds,
            refresh_tokens::a_replay_ends_the_family,
            refresh_tokens::of_many_uses_at_once_one_makes_the_successor,
            refresh_tokens::a_refresh_and_the_end_of_its_session_are_one_order,
            refresh_tokens::a_refresh_judged_on_an_older_user_is_stale,
            refresh_tokens::the_tokens_of_a_session_go_with_it,
            clients::a_registered_client_is_found_by_id_and_by_name,
            clients::a_client_name_is_taken_once,
            clients::clients_come_in_order_of_name_after_the_one_given,
            clients::a_rotated_secret_takes_the_session_with_it,
            clients::a_client_that_is_suspended_and_resumed_has_another_session,
            clients::the_session_of_a_client_ends_once,
            clients::a_new_scope_leaves_the_session_alone,
            clients::a_deleted_client_is_gone_and_its_audit_stays,
            clients::every_change_of_a_client_is_in_the_feed_and_the_audit,
            clients::a_change_of_no_client_is_not_found,
            clients::of_many_rotations_at_once_the_last_one_holds,
            legacy::users_are_imported_all_at_once_and_taken_names_are_passed_over,
            legacy::of_many_imports_at_once_each_name_is_made_once,
            legacy::the_forms_of_legacy_hashes_are_known_until_the_last_is_gone,
            legacy::the_first_sign_in_ends_a_legacy_hash_with_an_audit_row_and_the_second_adds_none,
            legacy::a_basic_proof_settles_its_attempt_upgrades_and_starts_nothing,
            legacy::a_basic_proof_judged_on_an_older_user_is_stale_and_a_failure,
            legacy::the_uses_of_basic_are_kept_by_user_and_go_with_it,
            installation::the_incarnation_is_the_one_given_at_first,
            installation::a_public_url_is_kept,
            installation::of_many_first_starts_one_keeps_its_public_url,
            installation::a_policy_gets_a_new_version_only_when_it_differs,
            installation::audit_rows_come_newest_first_and_are_cut,
            installation::the_feed_names_each_fact_at_its_own_revision,
            installation::the_feed_comes_in_pages,
            installation::the_doorbell_rings_after_each_change_and_only_then,
            installation::sweeping_removes_what_ended_and_nothing_else,
            installation::a_sound_store_passes_its_check,
            signing_keys::signing_keys_come_back_and_sign,
            signing_keys::a_key_step_that_lacks_a_key_or_has_nothing_to_do_leaves_no_trace,
            signing_keys::a_rotated_key_is_kept_until_nothing_it_signed_is_alive,
            signing_keys::retiring_the_key_that_signs_makes_the_next_one_sign,
            signing_keys::of_many_rotations_at_once_one_takes_place,
            signing_keys::a_retirement_wins_over_a_rotation_it_races_with,
            races::of_many_makers_of_one_name_one_makes_it,
            races::no_login_outlives_a_password_change_it_raced_with,
            races::fifty_right_logins_at_once_all_succeed,
            races::parallel_sign_ins_never_pass_the_limit_of_sessions,
            races::a_thousand_guesses_at_once_get_ten_tries,
            races::of_many_ends_of_one_session_one_counts,
            races::no_key_outlives_a_disable_or_a_logout_it_raced_with,
            races::of_many_makers_at_the_limit_of_keys_none_passes_it,
            races::of_many_revokes_of_one_key_one_counts,
            races::the_revision_has_no_gap_under_load,
            races::a_caller_that_went_away_does_not_stop_its_change,
        }
    };
    ($open:path, $($area:ident::$case:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (store, _keep) = $open().await;
                $crate::conformance::$area::$case(store).await;
            }
        )+
    };
}

pub(crate) use conformance_suite;
