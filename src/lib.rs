//! Firstkey turns a signed-in person into role-bound API keys, on the wire as Deep Security does it.
//!
//! This page is for readers of the code: how a request travels, what lies where, who may use whom.
//!
//! # How a request travels
//!
//! Every request meets the same layers, from the outside in ([`server`] puts them together):
//!
//! 1. The limits: heads, handshakes and idle connections have their time, connections their number.
//! 2. [`observe`]: a request ID on the way in, and a tenant's own prefix taken off the path ([`reach`]); on the way out the security headers, the one line in the log, and
//!    the bytes of every error. Nobody else writes an error's body.
//! 3. Around `/api` only: [`auth::sid_cookie`] signs the bare cookie for actix-session, which asks
//!    [`auth::session_store`] what it stands for, and [`auth::identify`] finds out who is calling. None of the three
//!    refuses anything: a path that does not exist is 404 for everybody. Around `/oauth2/introspect` stands the last alone.
//!    Outside of them [`usage`] notes which call was answered how, for `/api/apiusagemetrics`.
//! 4. [`api`]: the table of routes, one screen. An unknown method is 405 there.
//! 5. The handler's arguments, in their order. [`auth::Caller`] comes first and asks nothing of the network, so its
//!    401, 403 or 429 ([`auth::rate_limit`]) stands before whatever the body would be refused for. [`body::Body`] then reads at most so many bytes
//!    within so much time, counts brackets, and only then parses.
//!
//! ## `POST /api/sessions`
//!
//! Somebody signs in, and is nobody yet: the first argument is an [`auth::Visitor`].
//!
//! 1. `sessions/handlers.rs` reads names and password into types; what they cannot hold is 400.
//! 2. [`auth::throttle`] reserves an attempt in the bucket of this name and address, before anything is compared.
//! 3. [`administrators::find_for_sign_in`] looks the account up; there may be none.
//! 4. [`keyring`] peppers the password, [`auth::password_lane`] compares it on threads of its own, against a dummy
//!    where there is no account, so that both cost the same.
//! 5. [`administrators::judge`], a plain function of values, says passed, refused, or that a code is needed; then a
//!    guess is reserved and `administrators/second_factor.rs` finds the step that the code belongs to.
//!    The tenant's [`settings`] are read anew for it ([`app::App::rules_of`]): terms to accept, sessions allowed.
//! 6. One transaction: the account is still the one that was judged and the step was never used (both in the
//!    `WHERE` of one `UPDATE`), the attempt is given back, the oldest session makes room, the new session's digests
//!    and its event are written ([`app::App::change_as`](app::App)).
//! 7. The session ID goes to actix-session, comes back out as a signed cookie, and leaves bare as `sID=…`; the
//!    request ID is in the body. Neither was ever stored.
//!
//! ## `POST /api/apikeys`
//!
//! 1. `auth/identify.rs` parses `<ID>:<secret>` or takes the session's facts and compares the header `rID`; from
//!    either comes one [`auth::Identity`] with the role as it is now.
//! 2. `Caller<CreateApiKeys>` compares: right kind of credential, initial password, the right itself.
//! 3. `api_keys/handlers.rs` turns the [`wire::NewApiKey`] into a wish, `api_keys/rules.rs` the wish into a
//!    [`api_keys::KeyPlan`]: names checked, no longer life than its maker's. No clock, no database.
//! 4. [`secret::SecretKey::generate`], outside any transaction; from here on only its digest travels inwards.
//! 5. `App::change` begins, lends the closure the transaction and the caller, and wants an [`audit::Event`] back:
//!    `api_keys/profiled.rs` looks up the profile and what it makes of the plan, the role must lie within the maker's, the
//!    key is inserted. No event, no commit.
//! 6. [`wire::ApiKeyWithSecret`] carries the secret out, this once, in the documented order of members.
//!
//! # What lies where
//!
//! Plain values, which know nothing of requests:
//! [`clock`] moments, and the one place that asks for the time · [`duration`] lengths of time · [`constraints`] what
//! bounds a key's use · [`id`] a type for each kind of number · [`error`] the
//! one error, its statuses and codes · [`dialect`] the three shapes it is answered in · [`name`] names, checked and folded · [`locale`] languages and time zones ·
//! [`rights`] the table of rights, sets of them, what a handler demands · [`secret`] what must never be printed, and
//! its digests ·
//! [`secret_life`] until when one of a key's secrets lives · [`keyring`] the master key and what is derived from it.
//!
//! The edges:
//! [`wire`] every JSON shape · [`body`] JSON in · [`list`] long answers out · [`search`] criteria to conditions ·
//! [`db`] two databases behind `read` and `write` · [`tls`] certificates · [`logging`] lines for people or machines ·
//! [`config`] settings and where each came from · [`outgoing`] mail and calls to webhooks, and the fence around those.
//!
//! Who is calling, and what is remembered of it: [`auth`] · [`audit`].
//!
//! The slices, one folder for each resource, with the same three files: `handlers.rs` reads like its route's sentence,
//! `rules.rs` holds functions of values, `store.rs` the statements on its own tables:
//! [`sessions`] · [`api_keys`] · [`api_key_profiles`] · [`api_types`] · [`roles`] · [`administrators`] · [`claims`] · [`contacts`] · [`tenants`] · [`settings`] · [`usage`] ·
//! [`jobs`] · [`webhooks`] · [`calendar`]. Whether a key is good, and for what, is [`verify`]'s, whoever asks: a gateway, a
//! service in JSON or as an OAuth client, or a person who wants to know why; [`snapshot`] writes down all that it needs as
//! one signed text, and an [`edge`] verifies from that, far from any database. Who is told what, by mail and by webhooks, and when it is sent: [`notices`].
//! What a person does about
//! their own account stands in `administrators/own_account.rs`.
//!
//! What holds it together:
//! [`app`] what every handler is handed · [`api`] the routes · [`openapi`] the page written from them, [`docs_page`]
//! to read it in a browser · [`reach`] whose URL a request came by · [`forwarded`] and from where · [`observe`] and [`server`] the layers above, [`in_flight`] what is being answered · [`bootstrap`] from configuration to a running
//! app, first start included · [`lease`] which of several nodes does the chores · [`chores`] what they are · [`cli`] the
//! commands.
//!
//! # Who may use whom
//!
//! Downwards only: handlers use rules and stores, never Diesel and never another slice's store; stores use the
//! database, never the wire; rules use plain values and are handed the time; the wire knows nobody but values.
//! `tests/it/architecture.rs` has the whole table and reads every `use` and every path of the source against it,
//! tables of the database included.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod administrators;
pub mod api;
pub mod api_key_profiles;
pub mod api_keys;
pub mod api_types;
pub mod app;
pub mod audit;
pub mod auth;
pub mod body;
pub mod bootstrap;
pub mod calendar;
pub mod chores;
pub mod claims;
pub mod cli;
pub mod clock;
pub mod config;
pub mod constraints;
pub mod contacts;
pub mod db;
pub mod dialect;
pub mod docs_page;
pub mod duration;
pub mod edge;
pub mod error;
pub mod forwarded;
pub mod id;
pub mod in_flight;
pub mod jobs;
pub mod keyring;
pub mod lease;
pub mod list;
pub mod locale;
pub mod logging;
pub mod name;
pub mod notices;
pub mod observe;
pub mod openapi;
pub mod outgoing;
pub mod reach;
pub mod rights;
pub mod roles;
pub mod search;
pub mod secret;
pub mod secret_life;
pub mod server;
pub mod sessions;
pub mod settings;
pub mod snapshot;
pub mod tenants;
pub mod tls;
pub mod usage;
pub mod verify;
pub mod webhooks;
pub mod wire;
