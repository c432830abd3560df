//! What the server promises, tried from outside: a real server on a real port with real TLS, on SQLite
//! and on PostgreSQL, with a clock that is held still.

mod app;
mod http;

mod program;
mod sessions;
