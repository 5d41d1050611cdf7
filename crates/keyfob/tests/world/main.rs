//! The outside of keyfob: the built program against other people's servers, clients and documentation, and the long
//! campaigns. One binary, because linking is what costs. Needs `cargo xtask prepare` once.
#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod basic;
mod campaign;
mod clients;
mod cluster;
mod docs;
mod failover;
mod follow;
mod forward_auth;
mod grpc;
mod guards;
mod httpbin;
mod json_server;
mod map;
mod matrix;
mod moving;
mod oauth_clients;
mod own;
mod postman;
mod rolling;
mod services;
mod support;
mod surroundings;
mod wall_clock;
mod websocket;
