//! The steps of the flow, in the order of the text that started this project. Each is checked: a demo that shows
//! something else than it says fails.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyfob_core::secret::Secret;

use super::exchange::{Answer, exchange};
use crate::cli::failure::Failure;
use crate::cli::say;
use crate::control::decode;

/// The passwords of the two users.
pub(super) struct People {
    pub(super) alice: Secret,
    pub(super) bob: Secret,
}

/// Walk through the flow.
pub(super) async fn walk(to: SocketAddr, people: &People) -> Result<(), Failure> {
    title("1", "the client sends username and password, and the server sends a token back")?;
    let token = sign_in(to, "alice", &people.alice).await?;

    title("2", "the token holds what the server needs to retrieve the user: this is the same token, decoded")?;
    show_claims(&token)?;

    title(
        "3",
        "the client asks for an endpoint with the token; the server validates it, retrieves the user,\n   \
                checks that the user may do this, and the API answers with 200",
    )?;
    let answer = exchange(to, REPORT, &[bearer(&token)], "").await?;
    expect(&answer, 200, "\"read_by\":\"alice\"")?;

    title("4", "otherwise 401: a request without a token")?;
    challenge(&exchange(to, REPORT, &[], "").await?, "bearer realm=\"keyfob\"")?;

    title("5", "a token that was tampered with")?;
    challenge(&exchange(to, REPORT, &[bearer(&tampered(&token))], "").await?, "error=\"invalid_token\"")?;

    title("6", "a user who is signed in and may not read reports")?;
    let bobs = sign_in(to, "bob", &people.bob).await?;
    challenge(&exchange(to, REPORT, &[bearer(&bobs)], "").await?, "error=\"insufficient_scope\"")?;

    title("7", "a Basic header, with the right username and password, instead of a Bearer one")?;
    let pair = STANDARD.encode(format!("alice:{}", people.alice.expose()));
    challenge(&exchange(to, REPORT, &[format!("Authorization: Basic {pair}")], "").await?, "bearer realm=\"keyfob\"")?;

    title("8", "alice signs out, and the token of step 1 is dead at once")?;
    let answer = exchange(to, "POST /auth/logout", &[bearer(&token)], "").await?;
    if !(200..300).contains(&answer.status) {
        return Err(otherwise(&answer, "success"));
    }
    challenge(&exchange(to, REPORT, &[bearer(&token)], "").await?, "error=\"invalid_token\"")
}

const REPORT: &str = "GET /reports/7";

async fn sign_in(to: SocketAddr, name: &str, password: &Secret) -> Result<String, Failure> {
    let body = serde_json::json!({ "username": name, "password": password.expose() }).to_string();
    let headers = ["Content-Type: application/json".to_owned()];
    let answer = exchange(to, "POST /auth/login", &headers, &body).await?;
    expect(&answer, 200, "\"access_token\"")?;
    let value: serde_json::Value = serde_json::from_str(&answer.body).map_err(|_| otherwise(&answer, "JSON"))?;
    value["access_token"].as_str().map(str::to_owned).ok_or_else(|| otherwise(&answer, "a token"))
}

fn show_claims(token: &str) -> Result<(), Failure> {
    let (header, claims) = decode(token);
    let (Some(header), Some(claims)) = (header, claims) else {
        return Err(Failure::failed("the token is not readable"));
    };
    say::data(&format!("{}\n", say::indented(&format!("{header:#}\n{claims:#}"))))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// The token with one character of its claims changed.
fn tampered(token: &str) -> String {
    let at = token.find('.').map_or(0, |dot| dot + 10);
    let other = if token[at..].starts_with('A') { 'B' } else { 'A' };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

fn title(number: &str, text: &str) -> Result<(), Failure> {
    say::data(&format!("{number}. {text}\n\n"))
}

/// A refusal is 401 with a challenge (RFC 6750 §3), and nothing of the API behind.
fn challenge(answer: &Answer, says: &str) -> Result<(), Failure> {
    let challenged = answer.head.contains("www-authenticate: bearer") && answer.head.contains(says);
    if answer.status == 401 && challenged && !answer.body.contains("figures") {
        Ok(())
    } else {
        Err(otherwise(answer, &format!("401 with a challenge that says {says}")))
    }
}

fn expect(answer: &Answer, status: u16, part: &str) -> Result<(), Failure> {
    if answer.status == status && answer.body.contains(part) {
        Ok(())
    } else {
        Err(otherwise(answer, &format!("{status} with {part}")))
    }
}

fn otherwise(answer: &Answer, expected: &str) -> Failure {
    Failure::failed(format!("the answer should be {expected}, and is {}", answer.status))
        .hint("this is a fault of keyfob itself: please report it with the lines above")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tampered_token_differs_in_one_character_of_its_claims() {
        for token in ["aaaa.BBBBBBBBBBBBBBBB.cc", "aaaa.AAAAAAAAAAAAAAAA.cc"] {
            let changed = tampered(token);
            let differences: Vec<_> = (0..token.len()).filter(|at| token[*at..=*at] != changed[*at..=*at]).collect();
            assert_eq!(differences, [14]);
        }
    }

    #[test]
    fn a_refusal_without_a_challenge_fails_the_demo() {
        let answer = |status, head: &str, body: &str| Answer { status, head: head.to_owned(), body: body.to_owned() };
        let head = "http/1.1 401\r\nwww-authenticate: bearer realm=\"keyfob\"";
        assert!(challenge(&answer(401, head, "{}"), "realm").is_ok());
        assert!(challenge(&answer(200, head, "{}"), "realm").is_err());
        assert!(challenge(&answer(401, "http/1.1 401", "{}"), "realm").is_err());
        assert!(challenge(&answer(401, head, "quarterly figures"), "realm").is_err());
    }
}
