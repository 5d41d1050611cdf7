//! Moves that were cut off, and targets that are no place to go.

use super::*;
use crate::high_water::{HighWater, Reached};

#[tokio::test]
async fn a_move_that_was_cut_off_at_any_step_is_run_again_and_ends_right() {
    for step in 0..5 {
        let place = Place::new();
        let (store, facts) = filled(&place.path).await;
        let (mut moving, _) = begin(&place, false).await.unwrap();
        if step > 0 {
            moving.copy(&mut |_, _| {}).await.unwrap();
        }
        if step > 1 {
            moving.hand_over().await.unwrap();
        }
        if step > 2 {
            moving.complete().await.unwrap();
        }
        drop(moving);
        let opens = postgres_at(&place.database.url).await;
        if step > 2 {
            assert!(opens.is_ok());
        } else {
            assert!(matches!(opens, Err(StoreError::Arriving)), "step {step}: half a store is none");
        }
        if step < 2 {
            made(&store, "since").await;
        }
        let (mut moving, begun) = begin(&place, false).await.unwrap();
        match step {
            0 | 1 => {
                assert_eq!(begun, Begun::Fresh);
                moving.copy(&mut |_, _| {}).await.unwrap();
                assert_eq!(rows_of(&moving.hand_over().await.unwrap(), "users"), 3);
                moving.complete().await.unwrap();
            }
            2 => {
                assert_eq!(begun, Begun::Marked);
                moving.complete().await.unwrap();
            }
            _ => assert_eq!(begun, Begun::Done),
        }
        let after = postgres_at(&place.database.url).await.unwrap();
        assert_eq!(after.session(facts.live.id).await.unwrap(), Some(facts.live));
    }
}

#[tokio::test]
async fn a_move_back_that_was_cut_off_at_any_step_is_run_again_and_ends_right() {
    let place = Place::new();
    drop(filled(&place.path).await);
    moved(&place, true).await;
    let (moving, _) = back(&place, &place.path).await;
    drop(moving);
    // Cut off while it held the tables: the database is as it was.
    let shared = postgres_at(&place.database.url).await.unwrap();
    made(&shared, "since").await;
    let (moving, begun) = back(&place, &place.path).await;
    assert_eq!(begun, Begun::Fresh);
    moving.hand_over(&mut |_, _| {}).await.unwrap();
    drop(moving);
    let (moving, begun) = back(&place, &place.path).await;
    assert_eq!(begun, Begun::Marked);
    moving.complete(&root_key(), &place.mark, "20260102T030405Z").unwrap();
    drop(moving);
    assert_eq!(back(&place, &place.path).await.1, Begun::Done);
    let home = sqlite_at(&place.path).unwrap();
    assert!(home.user_by_name(&name("since")).await.unwrap().is_some());
}

/// Whoever starts keyfob there too early would begin a second store, and the move could not be finished.
#[tokio::test]
async fn no_new_store_is_begun_where_one_is_arriving() {
    let place = Place::new();
    let (store, facts) = filled(&place.path).await;
    drop(store);
    moved(&place, true).await;
    let elsewhere = place.folder.path().join("elsewhere.db");
    let (moving, _) = back(&place, &elsewhere).await;
    moving.hand_over(&mut |_, _| {}).await.unwrap();
    drop(moving);
    assert!(matches!(sqlite_at(&elsewhere).err(), Some(StoreError::Arriving)));
    assert!(!elsewhere.exists(), "nothing was begun");
    let (moving, begun) = back(&place, &elsewhere).await;
    assert_eq!(begun, Begun::Marked);
    moving.complete(&root_key(), &place.mark, "20260102T030405Z").unwrap();
    let home = sqlite_at(&elsewhere).unwrap();
    assert_eq!(home.session(facts.live.id).await.unwrap(), Some(facts.live));
}

#[tokio::test]
async fn another_store_or_another_program_in_the_target_is_refused() {
    let place = Place::new();
    drop(filled(&place.path).await);
    let refusal = async |place: &Place| begin(place, true).await.err().map(|error| error.to_string()).unwrap();
    drop(postgres_at(&place.database.url).await.unwrap());
    assert!(refusal(&place).await.contains("there is a keyfob store in it"));
    // Half of another store.
    let other = Place { database: Database::own(), ..Place::new() };
    drop(sqlite_at(&other.path).unwrap());
    let elsewhere = Place { path: place.path.clone(), ..other };
    let mut half = begin(&elsewhere, true).await.unwrap().0;
    half.copy(&mut |_, _| {}).await.unwrap();
    drop(half);
    let options = sqlite::Options { root_key: root_key(), fresh_incarnation: [7; 16], mark: None, rng: rng() };
    let third = elsewhere.folder.path().join("third.db");
    drop(sqlite::open(&third, options).unwrap());
    let third = Place { path: third, ..elsewhere };
    assert!(refusal(&third).await.contains("what is left of another"));
    // Not from a database that is no store either.
    let leaving = ToSqlite::begin(&third.database.url, &third.path, &root_key(), plan(&third.mark, &by())).await;
    assert!(leaving.err().unwrap().to_string().contains("not finished"));
}

/// Whoever comes into the target is an administrator there.
const PROMOTES: &str = "CREATE FUNCTION promote() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN NEW.roles = 'keyfob-admin'; RETURN NEW; END $$; \
    CREATE TRIGGER promote BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION promote()";

#[tokio::test]
async fn a_store_that_differs_from_what_was_sent_is_not_handed_over() {
    for late in [false, true] {
        let place = Place::new();
        let (store, _) = filled(&place.path).await;
        let (mut moving, _) = begin(&place, false).await.unwrap();
        let (client, connection) = tokio_postgres::connect(&place.database.url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let refusal = if late {
            moving.copy(&mut |_, _| {}).await.unwrap();
            client.batch_execute(PROMOTES).await.unwrap();
            made(&store, "eve").await;
            moving.hand_over().await.unwrap_err()
        } else {
            client.batch_execute(PROMOTES).await.unwrap();
            moving.copy(&mut |_, _| {}).await.unwrap_err()
        };
        let refusal = refusal.to_string();
        assert!(refusal.contains("not what was sent") && refusal.contains("users"), "{refusal}");
        store.set_policy("goes on", &audit("policy.set", START)).await.unwrap();
        store.stand_down().await.unwrap();
    }
}

#[tokio::test]
async fn a_rollback_that_is_accepted_makes_a_store_of_what_was_left_behind() {
    let place = Place::new();
    let (store, facts) = filled(&place.path).await;
    moved(&place, false).await;
    drop(store);
    let mark = place.folder.path().join("mark");
    let life = sqlite::NewLife {
        root_key: &root_key(),
        incarnation: [5; 16],
        mark: &mark,
        date: "20260102T030405Z",
        by: &audit("store.restored", START),
    };
    sqlite::accept_rollback(&place.path, &life).unwrap();
    let again = sqlite_at(&place.path).unwrap();
    assert_eq!(again.incarnation().0, [5; 16]);
    assert!(!is_live(&again, facts.live.id).await, "what was issued before is worth nothing here");
}

#[tokio::test]
async fn a_store_that_is_behind_its_high_water_mark_does_not_move() {
    let place = Place::new();
    let (store, _) = filled(&place.path).await;
    let at = Reached { incarnation: store.incarnation(), revision: store.revision().await.unwrap() };
    drop(store);
    let beyond = Reached { revision: Revision(at.revision.0 + 1), ..at };
    HighWater { at: beyond, next: None }.replace(&place.mark).unwrap();
    assert!(matches!(begin(&place, true).await.err(), Some(StoreError::RolledBack { .. })));
    HighWater { at, next: None }.replace(&place.mark).unwrap();
    moved(&place, true).await;
    HighWater { at: beyond, next: None }.replace(&place.mark).unwrap();
    let back = ToSqlite::begin(&place.database.url, &place.path, &root_key(), plan(&place.mark, &by())).await;
    assert!(matches!(back.err(), Some(StoreError::RolledBack { .. })));
}

/// The owner of a database need not be more than that.
#[tokio::test]
async fn a_database_whose_owner_is_nobody_special_is_moved_to_and_from() {
    let place = Place::new();
    let (store, _) = filled(&place.path).await;
    let (client, connection) = tokio_postgres::connect(&place.database.url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let owner = "CREATE ROLE plain LOGIN; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO plain', current_database()); END $$";
    client.batch_execute(owner).await.unwrap();
    let url = place.database.url.replace("//keyfob@", "//plain@");
    let begun = ToPostgres::begin((&place.path, false), &url, &root_key(), plan(&place.mark, &by())).await;
    let (mut moving, _) = begun.unwrap();
    moving.copy(&mut |_, _| {}).await.unwrap();
    made(&store, "since").await;
    moving.hand_over().await.unwrap();
    moving.complete().await.unwrap();
    let (moving, _) = ToSqlite::begin(&url, &place.path, &root_key(), plan(&place.mark, &by())).await.unwrap();
    moving.hand_over(&mut |_, _| {}).await.unwrap();
    assert!(moving.all_left().await.unwrap());
    moving.complete(&root_key(), &place.mark, "20260102T030405Z").unwrap();
    drop(store);
    assert!(sqlite_at(&place.path).unwrap().user_by_name(&name("since")).await.unwrap().is_some());
}
