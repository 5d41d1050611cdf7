//! Decides whether an API key may be made, and makes it: the same for a user at `POST /auth/keys` and for an operator at
//! the command line. A key never gets more than its user has now, nor a longer life than the operator allows.

use std::time::Duration;

use keyfob_core::api_key::{ApiKey, KEYS_PER_USER_MAX, KeyName, Mint, NotAKeyName};
use keyfob_core::id::{Incarnation, KeyId, SessionId};
use keyfob_core::opaque::Opaque;
use keyfob_core::scope::{NotAScope, Scope};
use keyfob_core::user::KnownUser;
use keyfob_store::NewKey;

use crate::clock;

/// Said where the store refused one because of [`KEYS_PER_USER_MAX`].
pub(crate) fn too_many() -> String {
    format!("a user has at most {KEYS_PER_USER_MAX} keys: revoke one that is not used any more")
}

/// What is asked for.
pub(crate) struct Wanted<'a> {
    /// What the key is to be called.
    pub(crate) name: &'a str,
    /// What it is to be good for; `None`: all that its user has now.
    pub(crate) scope: Option<&'a str>,
    /// How long it is to live; `None`: as long as it may.
    pub(crate) life: Option<Duration>,
    /// The session that asks, if a user does.
    pub(crate) session: Option<SessionId>,
}

/// Why a key is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Name(#[from] NotAKeyName),
    #[error(transparent)]
    Scope(#[from] NotAScope),
    /// The user does not have these now.
    #[error("the user does not have `{0}`: a key cannot have more than its user")]
    Beyond(Scope),
    /// Longer than the operator allows, in seconds, or no time at all.
    #[error("a key lives from 1 second to {0} seconds (setting `api-key-life`)")]
    Life(u64),
}

/// A new key of `user`, to be stored, and its secret, to be shown once.
pub(crate) fn new_key(
    mint: &Mint,
    incarnation: Incarnation,
    user: &KnownUser,
    longest: Duration,
    wanted: &Wanted<'_>,
) -> Result<(NewKey, Opaque), Refused> {
    let name = KeyName::parse(wanted.name)?;
    let granted = &user.grant.scope;
    let scope = wanted.scope.map_or_else(|| Ok(granted.clone()), Scope::parse)?;
    if !scope.is_subset_of(granted) {
        let beyond = scope.iter().filter(|name| !granted.contains(name)).map(str::to_owned);
        return Err(Refused::Beyond(beyond.collect()));
    }
    let life = wanted.life.unwrap_or(longest);
    if life.is_zero() || life > longest {
        return Err(Refused::Life(longest.as_secs()));
    }
    let now = clock::now();
    let secret = mint.make(&clock::random());
    let key = ApiKey {
        id: KeyId::new(now, &clock::random()),
        user: user.user.id,
        scope,
        incarnation,
        created_at: now,
        expires_at: now + life,
        revoked_at: None,
    };
    let auth_version = user.user.auth_version;
    Ok((NewKey { key, name, digest: secret.digest(), auth_version, session: wanted.session }, secret))
}

#[cfg(test)]
mod tests {
    use keyfob_core::id::UserId;
    use keyfob_core::policy::Policy;
    use keyfob_core::user::{RoleName, Status, User, Username};

    use super::*;

    const LONGEST: Duration = Duration::from_hours(24);

    fn make(wanted: &Wanted<'_>) -> Result<NewKey, Refused> {
        let policy = Policy::parse("[roles]\nanalyst = [\"reports:read\", \"users:read\"]", 1).expect("valid");
        let user = policy.know(User {
            id: UserId::from_bytes([1; 16]),
            username: Username::parse("ada").expect("a name"),
            status: Status::Active,
            roles: vec![RoleName::parse("analyst").expect("a role")],
            auth_version: 7,
            created_at: clock::now(),
        });
        new_key(&Mint::new(&[1; 32]), Incarnation([2; 16]), &user, LONGEST, wanted).map(|(new, secret)| {
            assert_eq!(new.digest, secret.digest());
            assert_eq!(new.auth_version, 7);
            new
        })
    }

    const PLAIN: Wanted<'static> = Wanted { name: "nightly", scope: None, life: None, session: None };

    #[test]
    fn a_key_has_what_was_asked_for_and_never_more_than_its_user() {
        assert_eq!(make(&PLAIN).expect("made").key.scope.to_string(), "reports:read users:read");
        let scoped = |scope| make(&Wanted { scope: Some(scope), ..PLAIN });
        assert_eq!(scoped("reports:read").expect("made").key.scope.to_string(), "reports:read");
        assert_eq!(scoped("").expect("made").key.scope.to_string(), "");
        let beyond = Scope::parse("reports:write users:admin").expect("scopes");
        assert_eq!(scoped("reports:write reports:read users:admin").err(), Some(Refused::Beyond(beyond)));
        assert_eq!(scoped("a  b").err(), Some(Refused::Scope(NotAScope)));
    }

    #[test]
    fn a_key_lives_as_long_as_it_may_or_less() {
        let life = |life| make(&Wanted { life, ..PLAIN }).map(|new| new.key.expires_at.since(new.key.created_at));
        assert_eq!(life(None), Ok(LONGEST));
        assert_eq!(life(Some(LONGEST)), Ok(LONGEST));
        assert_eq!(life(Some(Duration::from_secs(1))), Ok(Duration::from_secs(1)));
        for wrong in [Duration::ZERO, LONGEST + Duration::from_secs(1), Duration::MAX] {
            assert_eq!(life(Some(wrong)), Err(Refused::Life(86_400)), "{wrong:?}");
        }
    }
}
