//! What the server promises, tried from outside: a real server on a real port with real TLS, on SQLite
//! and on PostgreSQL, with a clock that is held still.

mod app;
mod architecture;
mod docs_security;
mod far_future;
mod http;
mod migrations;
mod readme;
mod receivers;
mod replica;

mod administrators;
mod nodes;
mod stale_caller;
mod stored;

mod api_keys;
mod api_types;
mod audit;
mod bad_input;
mod calendar;
mod claims;
mod contacts;
mod dialects;
mod docs;
mod docs_page;
mod edge;
mod forwarded;
mod jobs;
mod notices;
mod profiles;
mod program;
mod rate_limit;
mod reach;
mod rights_matrix;
mod roles;
mod schemathesis;
mod sessions;
mod settings;
mod tenant_walk;
mod tenants;
mod three_systems;
mod usage;
mod verify;
mod webhooks;
