//! A user: the subscriber of SP 800-63B. The username is PRECIS `UsernameCaseMapped` (RFC 8265 §3.3), one canonical
//! spelling for sign-in, throttling and audit. Never holds a password or its hash.

use std::fmt;

use bytes::Bytes;
use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::Profile;
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::policy::Grant;
use crate::time::Timestamp;

#[cfg(test)]
mod tests;

/// Longest username, in code points: enough for any e-mail address in use, and one row of a terminal.
const USERNAME_CODE_POINTS_MAX: usize = 64;

/// How often RFC 8264 §7 lets the rules be applied again before a text that keeps changing is refused.
const USERNAME_ROUNDS_MAX: usize = 3;

/// A canonical username: 1 to 64 code points, case mapped and NFC; never one that parses as a UUID.
///
/// ```
/// use keyfob_core::user::{Username, UsernameProblem};
///
/// assert_eq!(Username::parse("Alice@Example.org")?.as_str(), "alice@example.org");
/// assert_eq!(Username::parse("\u{ff21}lice")?, Username::parse("alice")?); // a full-width A
/// assert_eq!(Username::parse("alice smith"), Err(UsernameProblem::Character));
/// # Ok::<(), UsernameProblem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(String);

/// Why a text is no username.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsernameProblem {
    /// Nothing was given.
    #[error("a username cannot be empty")]
    Empty,
    /// Longer than 64 code points.
    #[error("a username has at most 64 characters")]
    TooLong,
    /// What the PRECIS `IdentifierClass` (RFC 8264 §4.2) does not allow: a space, a control character, a symbol or sign
    /// outside ASCII, an unassigned or ligature-like character; or letters of both directions (RFC 5893 §2).
    #[error(
        "a username has letters, digits and visible ASCII signs such as . _ - @ +, in one writing direction: no spaces, control characters or other symbols"
    )]
    Character,
    /// It looks like a subject id.
    #[error("a username cannot look like a UUID, which is how user ids look")]
    LooksLikeId,
}

impl Username {
    /// The canonical username for `raw`.
    ///
    /// # Errors
    /// [`UsernameProblem`] says what to change.
    pub fn parse(raw: &str) -> Result<Self, UsernameProblem> {
        if raw.is_empty() {
            return Err(UsernameProblem::Empty);
        }
        let name = canonical(raw)?;
        if uuid::Uuid::try_parse(&name).is_ok() {
            return Err(UsernameProblem::LooksLikeId);
        }
        Ok(Self(name))
    }

    /// The canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Apply the `UsernameCaseMapped` rules until they change nothing (RFC 8264 §7): the canonical form of a canonical form
/// is itself. Length is judged before each round, so that no rule works on more than 64 code points.
fn canonical(raw: &str) -> Result<String, UsernameProblem> {
    let profile = UsernameCaseMapped::new();
    let mut name = raw.to_owned();
    for _ in 0..=USERNAME_ROUNDS_MAX {
        if name.chars().nth(USERNAME_CODE_POINTS_MAX).is_some() {
            return Err(UsernameProblem::TooLong);
        }
        let mapped = profile.enforce(name.as_str()).map_err(|_| UsernameProblem::Character)?;
        if mapped == name {
            return Ok(name);
        }
        name = mapped.into_owned();
    }
    Err(UsernameProblem::Character)
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Username {
    type Error = UsernameProblem;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::parse(&raw)
    }
}

impl From<Username> for String {
    fn from(name: Username) -> Self {
        name.0
    }
}

/// The name of a role: an RFC 6749 scope-token of at most 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleName(String);

/// A text that is no role name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role name has 1 to 64 visible ASCII characters, without spaces, quotes or backslashes")]
pub struct NotARoleName;

impl RoleName {
    /// The role name `raw`.
    ///
    /// # Errors
    /// [`NotARoleName`] if it is empty, long, or not a scope-token.
    pub fn parse(raw: &str) -> Result<Self, NotARoleName> {
        let ok = raw.len() <= 64 && crate::scope::is_scope_token(raw);
        if ok { Ok(Self(raw.to_owned())) } else { Err(NotARoleName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RoleName {
    type Error = NotARoleName;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::parse(&raw)
    }
}

impl From<RoleName> for String {
    fn from(name: RoleName) -> Self {
        name.0
    }
}

/// Whether a user may sign in and be let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// May.
    Active,
    /// May not, until enabled again.
    Disabled,
}

/// What a guard must know of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id, never reused.
    pub id: UserId,
    /// Its canonical name.
    pub username: Username,
    /// Whether it may do anything.
    pub status: Status,
    /// Its roles, sorted, no duplicates.
    pub roles: Vec<RoleName>,
    /// Raised by every change of password, status or roles: a save that carries an older one is refused.
    pub auth_version: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A user together with what the policy in force grants it, and the header values that name it to the API behind.
#[derive(Clone, Debug)]
pub struct KnownUser {
    /// The user.
    pub user: User,
    /// What its roles grant under the policy of `grant.policy_version`.
    pub grant: Grant,
    /// `X-Auth-User`: the username as percent-encoded UTF-8.
    pub name_header: Bytes,
    /// `X-Auth-Subject`: the user id.
    pub subject_header: Bytes,
    /// `X-Auth-Roles`: role names, space separated.
    pub roles_header: Bytes,
}
