//! A database of an earlier version, with data in it, after the steps that came since.

use rusqlite::Connection;

use super::{STEPS, run};

/// A database after the first `steps`, with `rows`, brought up to date. In `rows`, `I1` stands for an id, `D1` for a digest.
fn upgraded(steps: usize, rows: &[&str]) -> Connection {
    let db = Connection::open_in_memory().unwrap();
    run(&db, &STEPS[..steps]).unwrap();
    for row in rows {
        let sql = (1..5).fold((*row).to_owned(), |sql, number| {
            let blob = |bytes: usize| format!("x'{number:0>width$}'", width = 2 * bytes);
            sql.replace(&format!("I{number}"), &blob(16)).replace(&format!("D{number}"), &blob(32))
        });
        db.execute_batch(&format!("INSERT INTO {sql}")).unwrap();
    }
    run(&db, STEPS).unwrap();
    db
}

fn text(db: &Connection, sql: &str) -> String {
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

const ADA: &str = "users VALUES (I1, 'ada', D1, '', 'active', '', 0, 0)";

#[test]
fn attempts_and_failures_in_a_row_from_before_are_told_apart_by_whether_somebody_has_the_name() {
    let rows =
        [ADA, "attempts VALUES (I1, D1, D3, 1, 1), (I2, D2, D3, 1, 0)", "throttles VALUES (D1, 7, 1), (D2, 8, 1)"];
    let db = upgraded(6, &rows);
    let attempts = "SELECT group_concat(coalesce(unknown, 'ada') || failed) FROM (SELECT * FROM attempts ORDER BY id)";
    assert_eq!(text(&db, attempts), "ada1,00");
    let throttles = "SELECT group_concat(coalesce(unknown, 'ada') || consecutive || coalesce(locked_at, '-')) \
        FROM (SELECT * FROM throttles ORDER BY account)";
    assert_eq!(text(&db, throttles), "ada7-,08-");
}

#[test]
fn a_session_from_before_was_last_used_when_it_was_last_refreshed() {
    let rows = [
        ADA,
        "sessions VALUES (I1, I1, 10, 99, NULL, '', '', NULL), (I2, I1, 10, 99, NULL, '', '', NULL), \
            (I3, I1, 10, 99, NULL, '', '', NULL)",
        "refresh_tokens VALUES (D1, I1, 20, D2, zeroblob(52)), (D2, I1, 30, D3, zeroblob(52)), \
            (D3, I1, NULL, NULL, NULL), (D4, I2, NULL, NULL, NULL)",
    ];
    let db = upgraded(6, &rows);
    assert_eq!(text(&db, "SELECT group_concat(used_at) FROM (SELECT * FROM sessions ORDER BY id)"), "30,10,10");
}

#[test]
fn of_clients_that_were_suspended_before_nobody_says_that_a_restore_did_it() {
    let db = upgraded(8, &["clients VALUES (I1, 'robot', D1, '', 'suspended', I2, 1)"]);
    assert_eq!(text(&db, "SELECT status || by_restore FROM clients"), "suspended0");
}
