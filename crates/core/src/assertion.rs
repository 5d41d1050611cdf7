//! Identity assertions: who a request is by, told to one API as a JWT (RFC 7519) of a minute, so that it need not believe
//! whoever can reach it. Typed (RFC 8725 §3.11) and for the API's own audience, so nobody takes one for an access token: it
//! opens no door of keyfob's. Never signed for a request that was not permitted; never reads a clock.

use std::time::Duration;

use aws_lc_rs::rand::SecureRandom;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::id::TokenId;
use crate::policy::Caller;
use crate::signing_key::{KeyError, SigningKey};
use crate::time::Timestamp;
use crate::user::RoleName;

/// How long an assertion is good for: longer than any request waits, shorter than anybody could make use of a stolen one.
pub const LIFE: Duration = Duration::from_mins(1);

/// `typ` of the JOSE header.
pub const TYP: &str = "keyfob-identity+jwt";

/// Longest audience, in bytes.
pub const AUDIENCE_BYTES_MAX: usize = 255;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: String,
    iat: i64,
    exp: i64,
    jti: TokenId,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
}

/// Sign who `caller` is, for `audience`: `sub` and `scope` always; `username` and `roles` of a user; `client_id` of a
/// service account. `iat` is `now` in whole seconds, rounded down, and `exp` [`LIFE`] later.
///
/// ```
/// use aws_lc_rs::rand::SystemRandom;
/// use keyfob_core::assertion;
/// use keyfob_core::id::TokenId;
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// # use keyfob_core::access_token::Claims;
/// # use keyfob_core::client::{Client, ClientName, ClientStatus, KnownClient};
/// # use keyfob_core::id::{ClientId, Incarnation, SessionId, UserId};
/// # use keyfob_core::opaque::Digest;
/// # use keyfob_core::policy::{ClientProof, Evidence, Policy, caller_of};
/// # use keyfob_core::scope::Scope;
/// use keyfob_core::signing_key::{Algorithm, SigningKey};
/// use keyfob_core::time::Timestamp;
///
/// let rng = SystemRandom::new();
/// let key = SigningKey::generate(Algorithm::Es256, &rng)?;
/// let now = Timestamp::from_seconds(1_800_000_000);
/// # let (id, session, incarnation) = (ClientId::from_bytes([7; 16]), SessionId::from_bytes([8; 16]), Incarnation([9; 16]));
/// # let scope = Scope::parse("reports:read")?;
/// # let client = Client {
/// #     id,
/// #     name: ClientName::parse("robot")?,
/// #     scope: scope.clone(),
/// #     status: ClientStatus::Active,
/// #     session,
/// #     created_at: now,
/// # };
/// # let claims = Claims {
/// #     subject: UserId::from_bytes([7; 16]),
/// #     session,
/// #     token_id: TokenId::from_bytes([6; 16]),
/// #     client_id: id.to_string().into(),
/// #     scope: scope.into(),
/// #     issued_at: now,
/// #     expires_at: now + Duration::from_secs(900),
/// #     incarnation,
/// # };
/// # let client = Arc::new(KnownClient::new(client, Digest([1; 32])));
/// # let proof = ClientProof { claims: Arc::new(claims), client, incarnation, leeway: Duration::ZERO };
/// # let caller = caller_of(&Policy::signed_in(1), &Evidence::Client(proof), now).expect("a caller");
/// // `caller` is that of a permit.
/// let jwt = assertion::sign(&caller, "https://keyfob.example", "reports", TokenId::new(now, &[1; 10]), now, &key, &rng)?;
/// assert_eq!(jwt.split('.').count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`KeyError`] if the library refuses.
pub fn sign(
    caller: &Caller,
    issuer: &str,
    audience: &str,
    id: TokenId,
    now: Timestamp,
    key: &SigningKey,
    rng: &dyn SecureRandom,
) -> Result<String, KeyError> {
    let user = caller.user().map(|known| &known.user);
    let client = caller.client().map(|known| known.client.id.to_string());
    let sub = user.map(|user| user.id.to_string()).or_else(|| client.clone()).ok_or(KeyError)?;
    let claims = Claims {
        iss: issuer,
        aud: audience,
        sub,
        iat: now.seconds(),
        exp: (Timestamp::from_seconds(now.seconds()) + LIFE).seconds(),
        jti: id,
        scope: std::str::from_utf8(caller.scope()).map_err(|_| KeyError)?,
        username: user.map(|user| user.username.as_str()),
        roles: user.map(|user| user.roles.iter().map(RoleName::as_str).collect()),
        client_id: client,
    };
    let public = key.verifying_key();
    // Nothing in it needs escaping: `kid` is base64url.
    let header = format!(r#"{{"alg":"{}","typ":"{TYP}","kid":"{}"}}"#, public.algorithm().name(), public.kid());
    let mut jwt = URL_SAFE_NO_PAD.encode(header);
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&claims).map_err(|_| KeyError)?, &mut jwt);
    let signature = key.sign(jwt.as_bytes(), rng)?;
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
    Ok(jwt)
}
