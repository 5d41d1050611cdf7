//! After a restore: what is accepted again, and what is not.

use std::path::PathBuf;

use super::*;

/// A desk after a restore of a backup that was made with what `before` did; and what must outlive it.
async fn restored<const N: usize>(before: [Intention; N]) -> (TempDir, OpenStore, Desk) {
    let (home, settings) = place();
    let (open, desk) = desk(&settings).await;
    for intention in before {
        done(&desk, intention).await;
    }
    let file: PathBuf = home.path().join("backup.db");
    done(&desk, Intention::Backup { file: file.clone() }).await;
    drop((open, desk));
    restore(&settings.data, Some(&file)).expect("restored");
    let (open, desk) = super::desk(&settings).await;
    (home, open, desk)
}

async fn done(desk: &Desk, intention: Intention) -> Outcome {
    apply(desk, "cli:test", intention).await.expect("done")
}

async fn resumed(desk: &Desk, intention: Intention) -> Vec<String> {
    match done(desk, intention).await {
        Outcome::Resumed(names) => names,
        other => panic!("{other:?}"),
    }
}

fn key(name: &str) -> Intention {
    Intention::KeyCreate { user: "ada".to_owned(), name: name.to_owned(), scope: None, life: None }
}

fn client(name: &str) -> Intention {
    Intention::ClientAdd { name: name.to_owned(), scope: String::new() }
}

fn status(client: &str, status: ClientStatus) -> Intention {
    Intention::ClientStatus { client: client.to_owned(), status }
}

async fn keys(desk: &Desk) -> Vec<ApiKeyView> {
    match done(desk, Intention::KeyList { user: "ada".to_owned() }).await {
        Outcome::ApiKeys(keys) => keys,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_resumed_stops_all() {
    let (_home, _open, desk) = restored([add("ada"), key("one"), key("two")]).await;
    let ids: Vec<String> = keys(&desk).await.into_iter().map(|key| key.id).collect();
    done(&desk, Intention::KeyRevoke { id: ids[1].clone() }).await;
    for (wrong, why) in [
        (ids[1].as_str(), "is revoked; nothing was done"),
        ("0193a1f0-5c2e-7a11-9d40-3f8a5b6c7d8e", "there is no API key"),
        ("fob_key_AAAA", "`fob_…`"),
    ] {
        let named = Intention::KeyResume { ids: vec![ids[0].clone(), wrong.to_owned()] };
        let problem = apply(&desk, "cli:test", named).await.expect_err(wrong);
        assert!(problem.message.contains(why), "{problem}");
        assert!(keys(&desk).await[0].suspended, "nothing was done");
    }
    assert_eq!(resumed(&desk, Intention::KeyResume { ids: Vec::new() }).await, ids[..1]);
}

#[tokio::test]
async fn all_clients_are_those_that_a_restore_suspended_and_no_others() {
    let before = [client("robot"), client("hacked"), status("hacked", ClientStatus::Suspended), client("idle")];
    let (_home, _open, desk) = restored(before).await;
    // Suspended by both: the operator's word counts.
    done(&desk, status("idle", ClientStatus::Suspended)).await;
    assert_eq!(resumed(&desk, Intention::ClientResume { clients: Vec::new() }).await, ["robot"]);
    assert_eq!(resumed(&desk, Intention::ClientResume { clients: Vec::new() }).await, [""; 0]);
    let named = vec!["robot".to_owned(), "hacked".to_owned()];
    assert_eq!(resumed(&desk, Intention::ClientResume { clients: named }).await, ["hacked"], "by name, any");
}
