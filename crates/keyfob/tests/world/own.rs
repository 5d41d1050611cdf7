//! keyfob's own endpoints and its behaviour as a program, over the wire and from the outside: sign-in, the account,
//! the forward-auth doors, browsers, reload, and starts that must fail with words an operator can act on.

mod account;
mod api_keys;
mod assertion;
mod browser;
mod canary;
mod check;
mod hostile;
mod metadata;
pub mod oauth;
mod operator;
mod refresh;
mod restore;
mod sign_in;
mod signing_keys;
mod strangers;
mod token_endpoints;
