//! RFC 9457 problem documents of the refusals, one constant text for each kind and status. Never built from a request.

pub(super) const NO_CREDENTIALS: &str = "Send a bearer token: Authorization: Bearer <token>. Sign in to get one.";
pub(super) const MALFORMED: &str = "Send exactly one Authorization header of the form: Bearer <token>.";
pub(super) const INVALID_TOKEN: &str = "The token is not valid or no longer valid. Sign in again or refresh it.";
pub(super) const INSUFFICIENT: &str =
    "You are signed in, but not permitted to do this. A new token will not change it.";
pub(super) const BASIC_FAILED: &str =
    "The username or the password is wrong. HTTP Basic is taken here for a while yet: better sign in and send a token.";
pub(super) const BASIC_ENDED: &str =
    "HTTP Basic is no longer taken here. Sign in once, and send the token: Authorization: Bearer <token>.";
pub(super) const TOO_MANY_ATTEMPTS: &str = "Too many attempts to sign in. Try again later, or send a token.";
pub(super) const AMBIGUOUS: &str = "The request path could be read in two ways. Send it in its plain form.";
pub(super) const NOT_FOUND: &str = "There is nothing here.";

/// The document for a kind and the status it is sent with.
pub(super) fn document(kind: &str, status: u16) -> &'static str {
    match kind {
        "no-credentials" => NO_CREDENTIALS_AT.at(status),
        "malformed-credentials" => MALFORMED_AT.at(status),
        "invalid-token" => INVALID_TOKEN_AT.at(status),
        "insufficient-scope" => INSUFFICIENT_AT.at(status),
        "ambiguous-path" => AMBIGUOUS_AT.at(status),
        "basic-failed" => BASIC_FAILED_AT.at(status),
        "basic-ended" => BASIC_ENDED_AT.at(status),
        // Of one status whatever the route says: a hidden one has another kind.
        "too-many-attempts" => TOO_MANY_ATTEMPTS_AT,
        _ => NOT_FOUND_AT.at(status),
    }
}

/// One kind's documents for every status a refusal can have.
struct ByStatus {
    bad_request: &'static str,
    unauthorized: &'static str,
    forbidden: &'static str,
    not_found: &'static str,
}

impl ByStatus {
    fn at(&self, status: u16) -> &'static str {
        match status {
            400 => self.bad_request,
            403 => self.forbidden,
            404 => self.not_found,
            _ => self.unauthorized,
        }
    }
}

macro_rules! by_status {
    ($kind:literal, $title:literal, $detail:literal) => {
        ByStatus {
            bad_request: by_status!(@one $kind, $title, "400", $detail),
            unauthorized: by_status!(@one $kind, $title, "401", $detail),
            forbidden: by_status!(@one $kind, $title, "403", $detail),
            not_found: by_status!(@one $kind, $title, "404", $detail),
        }
    };
    (@one $kind:literal, $title:literal, $status:literal, $detail:literal) => {
        concat!(
            r#"{"type":"urn:keyfob:problem:"#, $kind, r#"","title":""#, $title,
            r#"","status":"#, $status, r#","detail":""#, $detail, r#""}"#
        )
    };
}

// `concat!` takes literals only, so each sentence stands twice; a test holds the two together.
static NO_CREDENTIALS_AT: ByStatus = by_status!(
    "no-credentials",
    "Sign in first",
    "Send a bearer token: Authorization: Bearer <token>. Sign in to get one."
);
static MALFORMED_AT: ByStatus = by_status!(
    "malformed-credentials",
    "Malformed credentials",
    "Send exactly one Authorization header of the form: Bearer <token>."
);
static INVALID_TOKEN_AT: ByStatus = by_status!(
    "invalid-token",
    "Invalid token",
    "The token is not valid or no longer valid. Sign in again or refresh it."
);
static INSUFFICIENT_AT: ByStatus = by_status!(
    "insufficient-scope",
    "Not permitted",
    "You are signed in, but not permitted to do this. A new token will not change it."
);
static AMBIGUOUS_AT: ByStatus = by_status!(
    "ambiguous-path",
    "Ambiguous path",
    "The request path could be read in two ways. Send it in its plain form."
);
static BASIC_FAILED_AT: ByStatus = by_status!(
    "basic-failed",
    "Wrong username or password",
    "The username or the password is wrong. HTTP Basic is taken here for a while yet: better sign in and send a token."
);
static BASIC_ENDED_AT: ByStatus = by_status!(
    "basic-ended",
    "HTTP Basic has ended",
    "HTTP Basic is no longer taken here. Sign in once, and send the token: Authorization: Bearer <token>."
);
static TOO_MANY_ATTEMPTS_AT: &str = by_status!(
    @one "too-many-attempts", "Too many attempts", "429", "Too many attempts to sign in. Try again later, or send a token."
);
static NOT_FOUND_AT: ByStatus = by_status!("not-found", "Not found", "There is nothing here.");
