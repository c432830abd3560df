//! What the server promises, tried from outside: a real server on a real port with real TLS, on SQLite
//! and on PostgreSQL, with a clock that is held still.

mod app;
mod architecture;
mod docs_security;
mod http;
mod migrations;
mod readme;

mod administrators;
mod stored;

mod api_keys;
mod audit;
mod bad_input;
mod docs;
mod program;
mod rights_matrix;
mod roles;
mod sessions;
