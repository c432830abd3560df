//! Who may do what: every route tried by every kind of caller. The outcome is `page.md`, which this
//! test holds equal on both databases; `UPDATE_DOCS=1` writes it anew. Routes come from the table that the
//! server is built from, so a new one cannot be forgotten.
//!
//! Each cell stands for itself: fresh objects, a fresh caller, a body that succeeds where the caller may.

mod administrators;
mod api_keys;
mod api_types;
mod audit;
mod claims;
mod contacts;
mod profiles;
mod roles;
mod sessions;
mod settings;
mod snapshot;
mod tenants;
mod usage;
mod webhooks;

use std::cell::Cell;

use firstkey::api::{Access, Route, routes};
use firstkey::rights::{Reach, Right, Rights};
use serde_json::{Value, json};

use crate::app::{Backend, Call, PASSWORD, START, Session, Setup, TestApp, secret};

const FULL: i64 = 1;
const AUDITOR: i64 = 2;
const NEW_PASSWORD: &str = "seven purple elephants quietly juggling";

/// A kind of caller: its name in the table, and how it comes to its credential.
struct Caller {
    name: &'static str,
    kind: Kind,
    sends: for<'a> fn(&Scene<'a>, &Route, Call<'a>) -> Call<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nobody,
    Key,
    Session,
    Ambiguous,
}

const CALLERS: &[Caller] = &[
    Caller { name: "nobody", kind: Kind::Nobody, sends: |_, _, call| call },
    Caller { name: "garbage key", kind: Kind::Nobody, sends: |_, _, call| call.key("garbage") },
    Caller {
        name: "wrong secret",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let key = scene.key(FULL);
            call.key(&format!("{}:{}=", key["ID"], "A".repeat(43)))
        },
    },
    Caller {
        name: "expired key",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let key = scene.key(FULL);
            scene.app.execute(&format!(
                "update api_keys set expiry_date = {} where id = {}",
                START.millis(),
                key["ID"]
            ));
            call.key(&secret(&key))
        },
    },
    Caller {
        name: "locked key",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let key = scene.key(FULL);
            scene.app.execute(&format!("update api_keys set active = false where id = {}", key["ID"]));
            call.key(&secret(&key))
        },
    },
    Caller {
        name: "suspended tenant's key",
        kind: Kind::Nobody,
        sends: |scene, _, call| call.key(&scene.suspended_key),
    },
    Caller {
        name: "deleted key",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let key = scene.key(FULL);
            scene.app.execute(&format!("delete from api_keys where id = {}", key["ID"]));
            call.key(&secret(&key))
        },
    },
    Caller {
        name: "other tenant's key without its GUID",
        kind: Kind::Nobody,
        sends: |scene, _, call| call.key(scene.foreign_key().split_once(':').expect("parts").1),
    },
    Caller {
        name: "key without web service",
        kind: Kind::Nobody,
        sends: |scene, _, call| call.key(&secret(&scene.key(scene.shut_out))),
    },
    Caller { name: "auditor key", kind: Kind::Key, sends: |scene, _, call| call.key(&secret(&scene.key(AUDITOR))) },
    Caller {
        name: "key with the right",
        kind: Kind::Key,
        sends: |scene, route, call| call.key(&secret(&scene.key(scene.role(with_the_right(route))))),
    },
    Caller {
        name: "key with all other rights",
        kind: Kind::Key,
        sends: |scene, route, call| call.key(&secret(&scene.key(scene.role(all_other_rights(route))))),
    },
    Caller { name: "full key", kind: Kind::Key, sends: |scene, _, call| call.key(&secret(&scene.key(FULL))) },
    Caller { name: "other tenant's full key", kind: Kind::Key, sends: |scene, _, call| call.key(&scene.foreign_key()) },
    Caller {
        name: "other tenant's auditor key",
        kind: Kind::Key,
        sends: |scene, _, call| {
            let body = json!({ "keyName": format!("key {}", scene.fresh()), "roleID": AUDITOR });
            call.key(&secret(&scene.app.post("/api/apikeys", body).key(&scene.foreign_key()).send().expect(200).json()))
        },
    },
    Caller { name: "full session", kind: Kind::Session, sends: |scene, _, call| scene.person(FULL, call).1 },
    Caller { name: "auditor session", kind: Kind::Session, sends: |scene, _, call| scene.person(AUDITOR, call).1 },
    // what takes no key would be tried with every right or none otherwise
    Caller {
        name: "session with the right",
        kind: Kind::Session,
        sends: |scene, route, call| scene.person(scene.role(with_the_right(route)), call).1,
    },
    Caller {
        name: "session with all other rights",
        kind: Kind::Session,
        sends: |scene, route, call| scene.person(scene.role(all_other_rights(route)), call).1,
    },
    Caller {
        name: "session without RID",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let (session, call) = scene.person_only(FULL, call);
            call.header("Cookie", &format!("sID={}", session.sid))
        },
    },
    Caller {
        name: "session with another's RID",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let (mut session, call) = scene.person_only(FULL, call);
            session.rid = scene.app.sign_in().rid;
            call.with(&session)
        },
    },
    Caller {
        name: "initial password's session",
        kind: Kind::Session,
        sends: |scene, _, call| {
            let (session, call) = scene.person(FULL, call);
            scene.app.execute(&format!(
                "update sessions set initial_password = true where sid_digest = {}",
                scene.digest(&session)
            ));
            call
        },
    },
    Caller {
        name: "ended session",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let (session, call) = scene.person(FULL, call);
            scene.app.delete("/api/sessions/current").with(&session).send().expect(204);
            call
        },
    },
    Caller {
        name: "idle session",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let (session, call) = scene.person(FULL, call);
            let then = START.minus(30 * 60_000).millis();
            scene.app.execute(&format!(
                "update sessions set last_activity = {then} where sid_digest = {}",
                scene.digest(&session)
            ));
            call
        },
    },
    Caller {
        name: "locked administrator's session",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let (_, call) = scene.person(FULL, call);
            scene.app.execute(&format!(
                "update administrators set active = false where username = 'person {}'",
                scene.made.get()
            ));
            call
        },
    },
    Caller {
        name: "removed administrator's session",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let (_, call) = scene.person(FULL, call);
            scene.app.execute(&format!("delete from administrators where username = 'person {}'", scene.made.get()));
            call
        },
    },
    Caller {
        name: "suspended tenant's session",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let session = scene.foreign_person();
            scene.app.execute(&format!(
                "update sessions set tenant_id = {0}, administrator_id = {1} where sid_digest = {2}",
                scene.suspended.0,
                scene.suspended.1,
                scene.digest(&session)
            ));
            call.with(&session)
        },
    },
    Caller {
        name: "console session",
        kind: Kind::Session,
        sends: |scene, _, call| {
            let (session, call) = scene.person(FULL, call);
            scene.console(&session);
            call
        },
    },
    Caller {
        name: "console session without the console",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let role = scene.role(Rights::all());
            scene.app.execute(&format!("update roles set allow_user_interface = false where id = {role}"));
            let (session, call) = scene.person(role, call);
            scene.console(&session);
            call
        },
    },
    Caller {
        name: "session without web service",
        kind: Kind::Nobody,
        sends: |scene, _, call| scene.person(scene.shut_out, call).1,
    },
    Caller {
        name: "other tenant's session",
        kind: Kind::Session,
        sends: |scene, _, call| call.with(&scene.foreign_person()),
    },
    Caller {
        name: "two cookies",
        kind: Kind::Nobody,
        sends: |scene, _, call| {
            let (session, call) = scene.person(FULL, call);
            call.header("Cookie", &format!("sID={}", session.sid))
        },
    },
    Caller {
        name: "cookie and key",
        kind: Kind::Ambiguous,
        sends: |scene, _, call| scene.person(FULL, call).1.key(&secret(&scene.key(FULL))),
    },
    Caller {
        name: "key twice",
        kind: Kind::Ambiguous,
        sends: |scene, _, call| {
            let key = secret(&scene.key(FULL));
            call.key(&key).key(&key)
        },
    },
    Caller {
        name: "full key, api-version v2",
        kind: Kind::Ambiguous,
        sends: |scene, _, call| call.key(&secret(&scene.key(FULL))).header("api-version", "v2"),
    },
    Caller {
        name: "nobody, api-version v2",
        kind: Kind::Ambiguous,
        sends: |_, _, call| call.header("api-version", "v2"),
    },
    Caller {
        name: "full key, PATCH",
        kind: Kind::Ambiguous,
        sends: |scene, _, call| {
            let mut call = call.key(&secret(&scene.key(FULL)));
            call.request.method = "PATCH".into();
            call
        },
    },
];

/// The right that a route asks for, and Auditor's three, because the keys that are made and changed here are an
/// auditor's.
fn with_the_right(route: &Route) -> Rights {
    route.right.map_or(Rights::auditor(), |right| Rights::auditor().with(right))
}

fn all_other_rights(route: &Route) -> Rights {
    Right::all().filter(|right| Some(*right) != route.right).collect()
}

/// What the cells share, and where they get what is theirs alone.
pub(crate) struct Scene<'a> {
    app: &'a TestApp,
    pub(crate) maker: String,
    shut_out: i64,
    suspended_key: String,
    /// The suspended tenant and its administrator.
    suspended: (i64, i64),
    foreign_maker: String,
    pub(crate) foreign_tenant: i64,
    made: Cell<usize>,
}

impl<'a> Scene<'a> {
    pub(crate) fn set(app: &'a TestApp) -> Self {
        let maker = app.full_key();
        let shut_out = app.role_of("No web service", Rights::all(), Reach::everything());
        app.execute(&format!("update roles set allow_web_service = false where id = {shut_out}"));
        let blue = app.tenant("Blue");
        app.administrator("blue", PASSWORD, FULL, blue);
        let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "Blue" });
        let foreign_session = Session::from(&app.post("/api/sessions", body).send().expect(200));
        let minted = |name: &str| {
            let body = json!({ "keyName": name, "roleID": FULL });
            app.post("/api/apikeys", body).with(&foreign_session).send().expect(200).json()
        };
        let (foreign_maker, suspended) = (secret(&minted("blue")), minted("red"));
        app.execute(
            "insert into tenants (guid, name, name_fold, state, created) \
             values ('11111111-2222-4333-8444-555555555555', 'Red', 'red', 'suspended', 1)",
        );
        let red = app.count("select id as n from tenants where name_fold = 'red'");
        // a key of the suspended tenant: another's row, moved there with its secret
        app.execute(&format!("delete from api_key_secrets where api_key_id = {}", suspended["ID"]));
        app.execute(&format!("update api_keys set tenant_id = {red} where id = {}", suspended["ID"]));
        let suspended = secret(&suspended);
        let (front, tail) = suspended.rsplit_once(':').expect("parts");
        let id = front.rsplit_once(':').expect("parts").1;
        let digest = literal(app.backend, &key_digest(tail));
        app.execute(&format!(
            "insert into api_key_secrets (tenant_id, api_key_id, digest, digest_version, created) values ({red}, {id}, {digest}, 1, 1)"
        ));
        let suspended_key = format!("11111111-2222-4333-8444-555555555555:{id}:{tail}");
        let suspended = (red, app.administrator("red", PASSWORD, FULL, red));
        Self { app, maker, shut_out, suspended_key, suspended, foreign_maker, foreign_tenant: blue, made: Cell::new(0) }
    }

    /// A number that was not there before, for names.
    fn fresh(&self) -> usize {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }

    fn key(&self, role: i64) -> Value {
        let body = json!({ "keyName": format!("key {}", self.fresh()), "roleID": role });
        self.app.post("/api/apikeys", body).key(&self.maker).send().expect(200).json()
    }

    /// A new key in the other tenant: a call may renew the secret of its own.
    pub(crate) fn foreign_key(&self) -> String {
        let body = json!({ "keyName": format!("key {}", self.fresh()), "roleID": FULL });
        secret(&self.app.post("/api/apikeys", body).key(&self.foreign_maker).send().expect(200).json())
    }

    fn role(&self, rights: Rights) -> i64 {
        self.app.role_of(&format!("role {}", self.fresh()), rights, Reach::everything())
    }

    fn tenant(&self) -> i64 {
        let number = self.fresh();
        self.app.execute(&format!(
            "insert into tenants (guid, name, name_fold, state, created) \
             values ('00000000-0000-4000-8000-{number:012}', 'Tenant {number}', 'tenant {number}', 'active', 1)"
        ));
        self.app.count(&format!("select id as n from tenants where name_fold = 'tenant {number}'"))
    }

    /// A new person's session, and the call about that person, as yet without a credential.
    fn person_only(&self, role: i64, mut call: Call<'a>) -> (Session, Call<'a>) {
        let name = format!("person {}", self.fresh());
        let id = self.app.administrator(&name, PASSWORD, role, 0);
        let session = Session::from(&self.app.try_sign_in(&name, PASSWORD).expect(200));
        call.request.path = call.request.path.replace("/administrators/1/", &format!("/administrators/{id}/"));
        (session, call)
    }

    /// Makes a session a console's.
    fn console(&self, session: &Session) {
        let digest = self.digest(session);
        self.app.execute(&format!("update sessions set access_type = 'userInterface' where sid_digest = {digest}"));
    }

    /// A new person's session in the other tenant.
    pub(crate) fn foreign_person(&self) -> Session {
        let name = format!("person {}", self.fresh());
        self.app.administrator(&name, PASSWORD, FULL, self.foreign_tenant);
        let body = json!({ "userName": name, "password": PASSWORD, "tenantName": "Blue" });
        Session::from(&self.app.post("/api/sessions", body).send().expect(200))
    }

    fn person(&self, role: i64, call: Call<'a>) -> (Session, Call<'a>) {
        let (session, call) = self.person_only(role, call);
        let call = call.with(&session);
        (session, call)
    }

    fn digest(&self, session: &Session) -> String {
        let digest = firstkey::secret::SessionID::parse(&session.sid).expect("a sID").digest();
        literal(self.app.backend, &digest.to_hex())
    }

    /// A call that succeeds for whoever may make it; about administrator 1 until a person makes it.
    fn call(&self, route: &Route) -> Call<'a> {
        let mut path = format!("/api{}", route.path).replace("{name}", settings::NAME);
        path = path.replace("{apiTypeName}", api_keys::TYPE);
        if path.contains("{secret}") {
            path = path.replace("{secret}", &webhooks::calendar(self));
        }
        path = path.replace("{keyName}", &format!("ensured%20{}", self.fresh()));
        for (parameter, make) in IDS {
            if path.contains(parameter) {
                path = path.replace(parameter, &make(self, route).to_string());
            }
        }
        let call = self.app.call(route.method.as_str(), &path);
        match body_of(self, route) {
            Some(body) => call.json(body),
            None if route.request.is_some() => panic!("{} takes a body: say in a slice's file which", route.operation),
            None => call,
        }
    }
}

/// A body with which a route's operation succeeds; none where it takes none.
pub(crate) fn body_of(scene: &Scene, route: &Route) -> Option<Value> {
    SLICES.iter().find_map(|slice| (slice.body)(scene, route.operation))
}

/// What one slice's file knows of its routes.
struct Slice {
    /// A body with which the operation succeeds; none for operations of other slices, and those without a body.
    body: fn(&Scene, operation: &str) -> Option<Value>,
    /// Where a caller who is known and may make the call is answered otherwise than with success.
    except: fn(&Route, caller: &str) -> Option<(u16, &'static str)>,
}

const SLICES: &[Slice] = &[
    sessions::SLICE,
    api_keys::SLICE,
    profiles::SLICE,
    api_types::SLICE,
    roles::SLICE,
    administrators::SLICE,
    contacts::SLICE,
    tenants::SLICE,
    settings::SLICE,
    usage::SLICE,
    snapshot::SLICE,
    audit::SLICE,
    webhooks::SLICE,
    claims::SLICE,
];

/// Something fresh that stands in a path for each parameter.
type Make = fn(&Scene, &Route) -> i64;
const IDS: &[(&str, Make)] = &[
    ("{apiKeyID}", |scene, route| {
        if route.path.contains("/authorizations") {
            return api_keys::waiting(scene, route);
        }
        let id = scene.key(AUDITOR)["ID"].as_i64().expect("an ID");
        // one that is between two secrets, where the call is about that
        if route.path.contains("/rotation/") {
            let rotate = scene.app.post(&format!("/api/apikeys/{id}/secretkey"), json!({ "overlap": "1d" }));
            rotate.key(&scene.maker).send().expect(200);
        }
        id
    }),
    ("{profileID}", |scene, _| profiles::fresh(scene)),
    ("{apiTypeID}", |scene, _| api_types::fresh(scene)),
    ("{revokedKeyID}", |scene, _| {
        let id = scene.key(AUDITOR)["ID"].as_i64().expect("an ID");
        scene.app.delete(&format!("/api/apikeys/{id}")).key(&scene.maker).send().expect(204);
        id
    }),
    ("{jobID}", |scene, _| crate::jobs::trifle(scene.app, &scene.maker)),
    // to look at, a role that every tenant has; to change and to remove, one that nobody bears
    ("{roleID}", |scene, route| match route.method.as_str() {
        "GET" => AUDITOR,
        _ => scene.role(Rights::auditor()),
    }),
    // what is one's own is about the caller: see `person_only`
    ("{administratorID}", |scene, route| match route.path.ends_with("{administratorID}") {
        true => scene.app.administrator(&format!("colleague {}", scene.fresh()), PASSWORD, AUDITOR, 0),
        false => 1,
    }),
    ("{contactID}", |scene, _| contacts::fresh(scene)),
    ("{claimID}", |scene, _| claims::fresh(scene).0),
    ("{tenantID}", |scene, _| scene.tenant()),
    ("{webhookID}", |scene, _| webhooks::fresh(scene)),
];

fn literal(backend: Backend, hex: &str) -> String {
    match backend {
        Backend::Sqlite => format!("x'{hex}'"),
        Backend::Postgres => format!("'\\x{hex}'::bytea"),
    }
}

fn key_digest(tail: &str) -> String {
    let key = firstkey::secret::PresentedKey::parse(&format!("1:{tail}")).expect("a key's form");
    key.secret.digest().to_hex()
}

/// What the route's line in the table of routes promises this caller.
fn promised(route: &Route, caller: &Caller) -> (u16, &'static str) {
    let open = route.access == Access::Open;
    match (caller.name, caller.kind) {
        ("nobody, api-version v2" | "full key, api-version v2", _) => (400, "unknown_api_version"),
        ("full key, PATCH", _) => (405, "method_not_allowed"),
        _ if open => (route.answer.0, ""),
        (_, Kind::Ambiguous) => (400, "ambiguous_credentials"),
        ("nobody", _) => (401, "not_signed_in"),
        (
            "garbage key"
            | "wrong secret"
            | "deleted key"
            | "suspended tenant's key"
            | "other tenant's key without its GUID",
            _,
        ) => (401, "invalid_api_key"),
        ("expired key", _) => (401, "api_key_expired"),
        ("locked key", _) => (401, "api_key_locked"),
        (
            "ended session"
            | "idle session"
            | "two cookies"
            | "locked administrator's session"
            | "removed administrator's session"
            | "suspended tenant's session",
            _,
        ) => (401, "session_ended"),
        ("session without RID" | "session with another's RID", _) => (403, "wrong_request_id"),
        ("key without web service" | "session without web service" | "console session without the console", _) => {
            (403, "access_not_allowed")
        }
        (_, Kind::Session) if route.access == Access::Key => (403, "wrong_credential_kind"),
        (_, Kind::Key) if route.access == Access::Session => (403, "wrong_credential_kind"),
        ("initial password's session", _) if !route.with_initial_password => (403, "initial_password"),
        (
            "auditor key"
            | "auditor session"
            | "other tenant's auditor key"
            | "key with all other rights"
            | "session with all other rights",
            _,
        ) if route.right.is_some() => (403, "not_authorized"),
        (name, _) if name.starts_with("other tenant's") && route.primary_only => (403, "not_authorized"),
        (name, _) => {
            let except = SLICES.iter().find_map(|slice| (slice.except)(route, name));
            except.unwrap_or((route.answer.0, ""))
        }
    }
}

/// The table as a page: one row a route, one column a caller.
fn page(routes: &[Route], cells: &[Vec<(u16, String)>]) -> String {
    let mut page = String::from(
        "# Who may do what\n\n\
         Written by `tests/it/rights_matrix/mod.rs` from what a running server answers, the same on SQLite and PostgreSQL.\n\
         Each cell is the status and, where the call is refused, the code. Bodies are such that who may make a call\n\
         succeeds; only `totp/confirm` and `DELETE …/totp` end in `409 conflict`, because MFA is off.\n\n",
    );
    let names: Vec<&str> = CALLERS.iter().map(|caller| caller.name).collect();
    page.push_str(&format!("| route | needs | {} |\n|---|---|{}\n", names.join(" | "), "---|".repeat(names.len())));
    for (route, cells) in routes.iter().zip(cells) {
        let access = match route.access {
            Access::Open => "nothing",
            Access::Any => "session or key",
            Access::Session => "session",
            Access::Key => "key",
        };
        let rights = route.right.iter().chain(route.or_right).map(|right| right.name().name);
        let right: String =
            rights.enumerate().map(|(n, name)| format!("{}{name}", if n == 0 { ", " } else { " or " })).collect();
        let primary = if route.primary_only { ", primary tenant" } else { "" };
        let initial =
            if route.with_initial_password && route.access != Access::Open { ", initial password will do" } else { "" };
        let cells: Vec<String> =
            cells.iter().map(|(status, code)| format!("{status} {code}").trim().to_owned()).collect();
        page.push_str(&format!(
            "| {} /api{} | {access}{right}{primary}{initial} | {} |\n",
            route.method,
            route.path,
            cells.join(" | ")
        ));
    }
    page
}

fn run(backend: Backend) {
    let app = Setup::new(backend).start();
    let (routes, scene) = (routes(), Scene::set(&app));
    let mut wrong = Vec::new();
    let mut cells = Vec::new();
    for route in &routes {
        let mut row = Vec::new();
        for caller in CALLERS {
            let answer = (caller.sends)(&scene, route, scene.call(route)).send();
            let found = answer.refusal();
            let (status, code) = promised(route, caller);
            if (found.0, found.1.as_str()) != (status, code) {
                wrong.push(format!(
                    "{} {} by {}: {found:?}, not {status} {code}",
                    route.method, route.path, caller.name
                ));
            }
            row.push(found);
        }
        cells.push(row);
    }
    assert!(cells.iter().map(Vec::len).sum::<usize>() > 2_000, "routes and callers have gone missing");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/rights_matrix/page.md");
    let page = page(&routes, &cells);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).expect("the page can be written");
    }
    assert!(wrong.is_empty(), "the table of routes promises otherwise:\n{}", wrong.join("\n"));
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), page, "run the tests once with UPDATE_DOCS=1");
}

#[test]
fn sqlite() {
    run(Backend::Sqlite)
}

#[test]
fn postgres() {
    run(Backend::Postgres)
}
