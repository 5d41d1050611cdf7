//! Legacy password hashes and the uses of HTTP Basic.

use keyfob_core::change::Revision;
use keyfob_core::password::{LegacyForm, PasswordHash};
use keyfob_core::user::{Status, User};

use super::races::together;
use super::sample::*;
use crate::{Attempt, BasicUse, Made, NewUser, ProvenAttempt, ProvenBasic, Reservation, Saved};

const CHEAP: &str = "legacy:apr1md-000001000:$apr1$abc$:";
const DEAR: &str = "legacy:bcrypt-000000010:$2b$10$......................:";

fn imported(text: &str, wrapped: &str) -> NewUser {
    NewUser { password: PasswordHash::from_phc(format!("{wrapped}{PHC}")), ..new_user(text) }
}

async fn import(store: &Shared, users: &[NewUser]) -> Vec<Made> {
    let by = |user: &NewUser| (user.clone(), audit("user.imported", START));
    store.import_users(&users.iter().map(by).collect::<Vec<_>>()).await.unwrap()
}

async fn forms(store: &Shared) -> Vec<String> {
    store.legacy_forms().await.unwrap().iter().map(ToString::to_string).collect()
}

fn proof(attempt: &Attempt, user: &User) -> ProvenBasic {
    ProvenBasic {
        proof: ProvenAttempt { attempt: attempt.id, account: attempt.account, address: attempt.address },
        user: user.id,
        auth_version: user.auth_version,
        rehash: Some(PasswordHash::from_phc(PHC.to_owned())),
        at: attempt.at,
    }
}

async fn events(store: &Shared) -> Vec<String> {
    store.audit(100).await.unwrap().into_iter().map(|row| row.event).collect()
}

pub(crate) async fn users_are_imported_all_at_once_and_taken_names_are_passed_over(store: Shared) {
    let known = made(&store, "bob").await;
    let new = [imported("alice", CHEAP), imported("bob", CHEAP), imported("carol", DEAR)];
    assert_eq!(import(&store, &new).await, [Made::Made, Made::Exists, Made::Made]);
    assert_eq!(store.user_by_name(&name("bob")).await.unwrap().unwrap().id, known.id);
    assert_eq!(store.user_by_name(&name("carol")).await.unwrap(), Some(new[2].user.clone()));
    assert_eq!(events(&store).await, ["user.imported", "user.imported", "user.created"]);
    assert_eq!(store.revision().await.unwrap(), Revision(0), "new facts raise nothing");
    assert_eq!(import(&store, &new).await, [Made::Exists; 3], "it can be done again");
}

pub(crate) async fn of_many_imports_at_once_each_name_is_made_once(store: Shared) {
    let import_all = |number: usize| {
        let store = store.clone();
        async move {
            let mut names = ["a", "b", "c", "d", "e"].map(|text| imported(text, CHEAP));
            names.rotate_left(number % 5);
            import(&store, &names).await.into_iter().filter(|made| *made == Made::Made).count()
        }
    };
    let made: Vec<usize> = together(8, import_all).await;
    assert_eq!(made.iter().sum::<usize>(), 5);
    assert_eq!(store.counts().await.unwrap().users, 5);
}

pub(crate) async fn the_forms_of_legacy_hashes_are_known_until_the_last_is_gone(store: Shared) {
    assert!(forms(&store).await.is_empty());
    let new = [imported("alice", CHEAP), imported("bob", CHEAP), imported("carol", DEAR)];
    import(&store, &new).await;
    made(&store, "dave").await;
    assert_eq!(forms(&store).await, ["apr1md-000001000", "bcrypt-000000010"]);
    let by = audit("user.changed", START);
    store.delete_user(new[0].user.id, &by).await.unwrap();
    store.set_password(&password_change(&new[2].user), &by).await.unwrap();
    assert_eq!(forms(&store).await, ["apr1md-000001000"]);
    store.set_password(&password_change(&new[1].user), &by).await.unwrap();
    assert!(forms(&store).await.is_empty());
}

pub(crate) async fn the_first_sign_in_ends_a_legacy_hash_with_an_audit_row_and_the_second_adds_none(store: Shared) {
    let new = imported("alice", DEAR);
    import(&store, std::slice::from_ref(&new)).await;
    for _ in 0..2 {
        let attempt = reserved(&store, "alice", START).await;
        let rehash = Some(PasswordHash::from_phc(PHC.to_owned()));
        let login = crate::Login { rehash, ..login(&attempt, &new.user) };
        assert_eq!(store.record_login(&login).await.unwrap(), Saved::Saved);
    }
    assert!(forms(&store).await.is_empty());
    assert_eq!(current(&store, &new.user).await.auth_version, new.user.auth_version, "it is the same password");
    let rows = store.audit(10).await.unwrap();
    let upgraded: Vec<_> = rows.iter().filter(|row| row.event == "password.upgraded").collect();
    assert_eq!(upgraded.len(), 1, "{rows:?}");
    assert_eq!((&*upgraded[0].subject, &*upgraded[0].detail), (&*new.user.id.to_string(), "was bcrypt of cost 10"));
}

pub(crate) async fn a_basic_proof_settles_its_attempt_upgrades_and_starts_nothing(store: Shared) {
    let new = imported("alice", CHEAP);
    import(&store, std::slice::from_ref(&new)).await;
    for _ in 0..9 {
        guess(&store, "alice", START).await;
    }
    let attempt = reserved(&store, "alice", START).await;
    assert_eq!(store.record_basic_proof(&proof(&attempt, &new.user)).await.unwrap(), Saved::Saved);
    assert!(forms(&store).await.is_empty());
    assert_eq!(events(&store).await, ["password.upgraded", "user.imported"]);
    assert!(store.sessions_of(new.user.id, START).await.unwrap().is_empty());
    assert_eq!(store.revision().await.unwrap(), Revision(0));
    // Its own reservation is gone, and other people's guesses are not forgiven: one is left.
    guess(&store, "alice", START).await;
    let refused = store.reserve_attempt(&self::attempt("alice", START)).await.unwrap();
    assert!(matches!(refused, Reservation::Refused { .. }), "{refused:?}");
}

pub(crate) async fn a_basic_proof_judged_on_an_older_user_is_stale_and_a_failure(store: Shared) {
    let by = audit("user.changed", START);
    let new = ["alice", "bob", "carol"].map(|text| imported(text, CHEAP));
    import(&store, &new).await;
    let mut proofs = Vec::new();
    for new in &new {
        proofs.push(proof(&reserved(&store, new.user.username.as_str(), START).await, &new.user));
    }
    store.set_roles(new[0].user.id, &roles(&["editor"]), &by).await.unwrap();
    store.set_status(new[1].user.id, Status::Disabled, &by).await.unwrap();
    store.delete_user(new[2].user.id, &by).await.unwrap();
    for proof in &proofs {
        assert_eq!(store.record_basic_proof(proof).await.unwrap(), Saved::Stale);
    }
    assert_eq!(forms(&store).await, ["apr1md-000001000"], "what is stale changes nothing");
    for _ in 0..9 {
        guess(&store, "alice", START).await;
    }
    let refused = store.reserve_attempt(&attempt("alice", START)).await.unwrap();
    assert!(matches!(refused, Reservation::Refused { .. }), "the stale one was a failure: {refused:?}");
}

pub(crate) async fn the_uses_of_basic_are_kept_by_user_and_go_with_it(store: Shared) {
    let (alice, bob) = (made(&store, "alice").await, imported("bob", DEAR));
    import(&store, std::slice::from_ref(&bob)).await;
    made(&store, "carol").await;
    let used = |id, at, network: &str| BasicUse { user: id, at, network: network.to_owned() };
    let nobody = new_user("nobody").user.id;
    store.record_basic_uses(&[]).await.unwrap();
    store.record_basic_uses(&[used(alice.id, START, "192.0.2.0/24"), used(nobody, START, "")]).await.unwrap();
    store.record_basic_uses(&[used(alice.id, START + seconds(9), "198.51.100.0/24")]).await.unwrap();
    store.record_basic_uses(&[used(alice.id, START - seconds(9), "203.0.113.0/24")]).await.unwrap();
    let found = store.basic_users(None).await.unwrap();
    let names: Vec<_> = found.iter().map(|user| user.username.as_str()).collect();
    assert_eq!(names, ["alice", "bob"], "those who are done with Basic are not in it");
    let uses = found[0].uses.clone().unwrap();
    assert_eq!((uses.first_at, uses.last_at), (START - seconds(9), START + seconds(9)));
    assert_eq!(uses.network, "198.51.100.0/24", "that of the last use, not that of the last report");
    assert_eq!(found[0].legacy, None);
    assert_eq!((found[1].legacy.map(LegacyForm::words), &found[1].uses), (Some("bcrypt of cost 10".to_owned()), &None));
    assert_eq!(store.basic_users(Some(&name("alice"))).await.unwrap().len(), 1);
    assert_eq!(store.revision().await.unwrap(), Revision(0));

    store.delete_user(alice.id, &audit("user.deleted", START)).await.unwrap();
    made(&store, "alice").await;
    assert_eq!(store.basic_users(None).await.unwrap().len(), 1, "a name made again is another user");
}
