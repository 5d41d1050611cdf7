//! keyfob, the program: `cli` -> `serve` -> `http` | `gateway` -> `app`.

pub mod body;
pub mod config;
pub mod gateway;
pub mod serve {
    //! How connections arrive: the accept loop and TLS.

    pub mod listener;
    pub mod tls;
}
