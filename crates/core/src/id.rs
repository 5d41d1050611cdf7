//! Typed identifiers: UUIDv7 (RFC 9562 §5.7) for rows, 128 random bits for the store's incarnation. Never reused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id made at `at` from ten random bytes.
            #[must_use]
            pub fn new(at: Timestamp, random: &[u8; 10]) -> Self {
                let millis = u64::try_from(at.micros() / 1000).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
            }

            /// The sixteen bytes of the id, as stores keep it.
            #[must_use]
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }

            /// The id that these sixteen bytes are.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

uuid_id! {
    /// Names a user for ever: a deleted and recreated username gets another (RFC 9068 §2.2 `sub`).
    UserId
}
uuid_id! {
    /// Names one sign-in of one user.
    SessionId
}
uuid_id! {
    /// Names one API key of one user: what lists, logs and the audit call it by. No secret.
    KeyId
}
uuid_id! {
    /// Names a registered client for ever (RFC 6749 §2.2 `client_id`).
    ClientId
}
uuid_id! {
    /// Names one access token (RFC 7519 §4.1.7 `jti`). The only part of a token that may appear in a log.
    TokenId
}
uuid_id! {
    /// Names one registration of one node of an installation: random, and never used twice.
    NodeId
}
uuid_id! {
    /// Names one follower of one node: random, and never used twice.
    FollowerId
}

/// Which life of the store this is: 128 random bits, new at each restore, carried in every token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(pub [u8; 16]);
