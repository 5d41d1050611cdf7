//! The mark tells an older database from the one that was served, whatever a power cut did to it.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key.mark");
    (folder, path)
}

fn reached(life: u8, revision: u64) -> Reached {
    Reached { incarnation: Incarnation([life; 16]), revision: Revision(revision) }
}

fn refusal(path: &Path, here: Reached) -> StoreError {
    Mark::admit(path, here).map(|_| ()).unwrap_err()
}

#[test]
fn what_is_behind_or_another_life_is_refused_and_what_is_ahead_lifts_the_mark() {
    let (_folder, path) = place();
    let mut mark = Mark::admit(&path, reached(1, 5)).unwrap();
    mark.raise(Revision(9)).unwrap();
    drop(mark);
    assert!(matches!(refusal(&path, reached(1, 8)), StoreError::RolledBack { found: 8, mark: 9 }));
    assert!(matches!(refusal(&path, reached(2, 100)), StoreError::OtherLife));
    Mark::admit(&path, reached(1, 9)).unwrap();
    Mark::admit(&path, reached(1, 12)).unwrap();
    assert_eq!(HighWater::read(&path).unwrap(), Some(HighWater { at: reached(1, 12), next: None }));
}

#[test]
fn a_torn_slot_leaves_the_one_before() {
    for torn in 0..2 {
        let (_folder, path) = place();
        let mut mark = Mark::admit(&path, reached(1, 1)).unwrap();
        for revision in 2..=7 + torn {
            mark.raise(Revision(revision)).unwrap();
        }
        let mut bytes = fs::read(&path).unwrap();
        let newest = parse(&bytes[..SLOT_BYTES]).unwrap().0 < parse(&bytes[SLOT_BYTES..]).unwrap().0;
        let at = if newest { SLOT_BYTES } else { 0 };
        bytes[at + 10..at + SLOT_BYTES].fill(0);
        fs::write(&path, bytes).unwrap();
        assert_eq!(HighWater::read(&path).unwrap().unwrap().at, reached(1, 6 + torn));
    }
}

#[test]
fn a_mark_with_no_whole_slot_is_damage_and_not_absence() {
    let (_folder, path) = place();
    for text in ["", "keyfob-high-water-1 0 zz 1 - 0 00", "\u{0}"] {
        fs::write(&path, text).unwrap();
        assert!(matches!(refusal(&path, reached(1, 1)), StoreError::HighWater(_)), "{text:?}");
    }
}

#[test]
fn a_restore_under_way_admits_the_old_life_and_the_new_one_and_whichever_opens_ends_it() {
    for (opens, other) in [(reached(1, 5), reached(2, 9)), (reached(2, 9), reached(1, 5))] {
        let (_folder, path) = place();
        HighWater { at: reached(1, 5), next: Some(reached(2, 9)) }.replace(&path).unwrap();
        assert!(matches!(refusal(&path, reached(2, 8)), StoreError::RolledBack { .. }));
        assert!(matches!(refusal(&path, reached(3, 99)), StoreError::OtherLife));
        Mark::admit(&path, opens).unwrap();
        assert!(matches!(refusal(&path, other), StoreError::OtherLife));
    }
}
