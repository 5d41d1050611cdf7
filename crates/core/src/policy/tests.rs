//! The policy as a whole: one policy, its users, and every door into [`super::decide`].

mod api_key;
mod basic;
mod cases;
mod client;
mod decision;
mod explanation;
mod file;
mod permit;
mod properties;
mod target;

use std::sync::Arc;
use std::time::Duration;

use crate::access_token::Claims;
use crate::id::{Incarnation, SessionId, TokenId, UserId};
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::session::Session;
use crate::time::Timestamp;
use crate::user::{KnownUser, RoleName, Status, User, Username};

use super::{Ask, Caller, Decision, Evidence, Permit, Policy, Proof, decide};

const POLICY: &str = r#"
default = "deny"

[roles]
analyst = ["reports:read"]
editor = ["reports:read", "reports:write"]
root = ["users:admin"]

[[routes]]
path = "/news"
methods = ["GET"]
public = true

[[routes]]
path = "/reports/{*rest}"
methods = ["GET"]
require = ["reports:read"]
websocket = true

[[routes]]
path = "/reports/{*rest}"
methods = ["POST", "PUT"]
require = ["reports:read", "reports:write"]
forward-authorization = true

[[routes]]
path = "/users/{id}/{*rest}"
owner = "id"
or-scope = "users:admin"

[[routes]]
path = "/people/{name}"
owner-username = "name"

[[routes]]
path = "/either"
any-of = ["reports:write", "users:admin"]

[[routes]]
path = "/me"
signed-in = true

[[routes]]
path = "/secret"
require = ["users:admin"]
deny = 404

[[routes]]
path = "/files/{name}"
signed-in = true
encoded-slash = true
"#;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const LEEWAY: Duration = Duration::from_secs(30);
const ALICE: [u8; 16] = [0xA1; 16];

fn policy() -> Policy {
    Policy::parse(POLICY, 7).expect("the policy of these tests")
}

fn scope(text: &str) -> Scope {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The user alice with these roles, as `policy` knows her.
fn alice(policy: &Policy, roles: &[&str]) -> KnownUser {
    policy.know(User {
        id: UserId::from_bytes(ALICE),
        username: Username::parse("alice").expect("a username"),
        status: Status::Active,
        roles: roles.iter().map(|role| RoleName::parse(role).expect("a role")).collect(),
        auth_version: 3,
        created_at: NOW - Duration::from_hours(24),
    })
}

/// A good proof of alice with these roles; her token carries `carried`, or all she is granted.
fn proof(policy: &Policy, roles: &[&str], carried: Option<&str>) -> Proof {
    let user = alice(policy, roles);
    let claims = Claims {
        subject: user.user.id,
        session: SessionId::from_bytes([0x5E; 16]),
        token_id: TokenId::from_bytes([0x70; 16]),
        client_id: "keyfob".into(),
        scope: carried.map_or_else(|| user.grant.scope.clone(), scope).into(),
        issued_at: NOW - Duration::from_mins(1),
        expires_at: NOW + Duration::from_mins(10),
        incarnation: Incarnation([9; 16]),
    };
    let session = Session {
        id: claims.session,
        user: claims.subject,
        created_at: claims.issued_at,
        expires_at: NOW + Duration::from_hours(1),
        ended_at: None,
    };
    Proof { claims: Arc::new(claims), session, user: Arc::new(user), incarnation: Incarnation([9; 16]), leeway: LEEWAY }
}

fn token(policy: &Policy, roles: &[&str]) -> Evidence {
    Evidence::Token(proof(policy, roles, None))
}

fn ask(request: &str) -> Ask {
    let (method, target) = request.split_once(' ').expect("METHOD target");
    Ask::parse(method, "api.example.com", target.as_bytes()).expect(request)
}

fn permit(policy: &Policy, request: &str, evidence: &Evidence) -> Permit {
    match decide(policy, ask(request), evidence, NOW) {
        Decision::Allow(permit) => permit,
        Decision::Refuse(refusal) => panic!("{request}: {refusal:?}"),
    }
}

fn refusal(policy: &Policy, request: &str, evidence: &Evidence) -> Refusal {
    match decide(policy, ask(request), evidence, NOW) {
        Decision::Allow(_permit) => panic!("{request} was let through"),
        Decision::Refuse(refusal) => refusal,
    }
}

fn allows(policy: &Policy, request: &str, evidence: &Evidence) -> bool {
    matches!(decide(policy, ask(request), evidence, NOW), Decision::Allow(_))
}
