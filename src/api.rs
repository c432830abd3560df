//! Every route, on one screen. The server is built from this table, the OpenAPI page is written from it,
//! and the test of who may do what walks it.

use std::panic::AssertUnwindSafe;

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};
use futures_util::future::{CatchUnwind, FutureExt as _, Map};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::administrators::handlers as administrators;
use crate::api_keys::handlers as api_keys;
use crate::audit::handlers as audit;
use crate::error::{Error, Reason};
use crate::rights::{
    CreateApiKeys, DeleteApiKeys, Demand, EditApiKeys, Right, ViewApiKeys, ViewAuditHead, ViewRoles,
    ViewSystemInformation,
};
use crate::roles::handlers as roles;
use crate::sessions::handlers as sessions;
use crate::wire;

/// Which credentials a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// None: whoever comes by.
    Open,
    /// A session or a key.
    Any,
    /// A session only.
    Session,
    /// A key only.
    Key,
}

/// A JSON shape by name, with those it is made of.
pub struct Shape {
    /// Its name among the page's schemas.
    pub name: String,
    /// Its schema, and those of what it is made of, by name.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

impl Shape {
    /// The shape of a type of `wire/`.
    pub fn of<T: ToSchema>() -> Self {
        let mut schemas = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut schemas);
        Self { name: T::name().into_owned(), schemas }
    }
}

/// One route.
pub struct Route {
    /// GET, POST or DELETE; HEAD comes with GET.
    pub method: Method,
    /// The path below `/api`, parameters in braces.
    pub path: &'static str,
    /// The operation's name, as the vendor's SDK spells it where it has one.
    pub operation: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// Which credentials it takes.
    pub access: Access,
    /// The right it needs.
    pub right: Option<Right>,
    /// Whether a session with the initial password may use it.
    pub with_initial_password: bool,
    /// Whether only callers of the primary tenant may use it.
    pub primary_only: bool,
    /// What comes in.
    pub request: Option<Shape>,
    /// The status of success, and what is answered with it.
    pub answer: (u16, Option<Shape>),
    make: Box<dyn Fn() -> actix_web::Route>,
}

/// The table.
#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    use Access::{Any, Key, Open, Session};
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const DELETE: Method = Method::DELETE;
    vec![
        // sessions
        route(POST, "/sessions", "create_session", "Sign in", sessions::create).to(Open).takes::<wire::SignIn>().gives::<wire::SessionOpened>(),
        route(GET, "/sessions", "list_sessions", "List one's own sessions", sessions::list).to(Session).initial().gives::<wire::Sessions>(),
        route(GET, "/sessions/current", "describe_current_session", "Describe the session of this call", sessions::describe_current).to(Session).initial().gives::<wire::CurrentSession>(),
        route(DELETE, "/sessions/current", "delete_current_session", "Sign out", sessions::delete_current).to(Session).initial(),
        // API keys
        route(GET, "/apikeys", "list_api_keys", "List API keys", api_keys::list).to(Any).needs::<ViewApiKeys>().gives::<wire::ApiKeys>(),
        route(POST, "/apikeys", "create_api_key", "Create an API key", api_keys::create).to(Any).needs::<CreateApiKeys>().takes::<wire::NewApiKey>().gives::<wire::ApiKeyWithSecret>(),
        route(POST, "/apikeys/search", "search_api_keys", "Search API keys", api_keys::search).to(Any).needs::<ViewApiKeys>().takes::<wire::SearchFilter>().gives::<wire::ApiKeys>(),
        route(GET, "/apikeys/current", "describe_current_api_key", "Describe the API key of this call", api_keys::describe_current).to(Key).gives::<wire::ApiKeyCurrent>(),
        route(GET, "/apikeys/{apiKeyID}", "describe_api_key", "Describe an API key", api_keys::describe).to(Any).needs::<ViewApiKeys>().gives::<wire::ApiKey>(),
        route(POST, "/apikeys/{apiKeyID}", "modify_api_key", "Modify an API key", api_keys::modify).to(Any).needs::<EditApiKeys>().takes::<wire::ApiKeyChange>().gives::<wire::ApiKey>(),
        route(DELETE, "/apikeys/{apiKeyID}", "delete_api_key", "Delete an API key", api_keys::delete).to(Any).needs::<DeleteApiKeys>(),
        // roles, under the two names that clients use
        route(GET, "/administratorroles", "list_administrator_roles", "List roles", roles::list).to(Any).needs::<ViewRoles>().gives::<wire::AdministratorRoles>(),
        route(POST, "/administratorroles/search", "search_administrator_roles", "Search roles", roles::search).to(Any).needs::<ViewRoles>().takes::<wire::SearchFilter>().gives::<wire::AdministratorRoles>(),
        route(GET, "/administratorroles/{roleID}", "describe_administrator_role", "Describe a role", roles::describe).to(Any).needs::<ViewRoles>().gives::<wire::Role>(),
        route(GET, "/roles", "list_roles", "List roles", roles::list).to(Any).needs::<ViewRoles>().gives::<wire::AdministratorRoles>(),
        route(POST, "/roles/search", "search_roles", "Search roles", roles::search).to(Any).needs::<ViewRoles>().takes::<wire::SearchFilter>().gives::<wire::AdministratorRoles>(),
        route(GET, "/roles/{roleID}", "describe_role", "Describe a role", roles::describe).to(Any).needs::<ViewRoles>().gives::<wire::Role>(),
        // administrators, and what each does about their own account
        route(POST, "/administrators/{administratorID}/password", "change_password", "Change one's own password", administrators::change_password).to(Session).initial().takes::<wire::NewPassword>(),
        route(POST, "/administrators/{administratorID}/totp", "enrol_totp", "Begin to use MFA", administrators::enrol_totp).to(Session).initial().takes::<wire::PasswordAgain>().gives::<wire::MfaEnrolment>(),
        route(DELETE, "/administrators/{administratorID}/totp", "remove_totp", "Stop using MFA", administrators::remove_totp).to(Session).initial().takes::<wire::MfaRemoval>(),
        route(POST, "/administrators/{administratorID}/totp/confirm", "confirm_totp", "Confirm MFA with the first code", administrators::confirm_totp).to(Session).initial().takes::<wire::MfaConfirmation>(),
        // contacts
        //
        // tenants, for the primary one
        //
        // settings
        //
        // what was called
        //
        // what was changed
        route(GET, "/auditevents", "list_audit_events", "List audit events", audit::list).to(Any).needs::<ViewSystemInformation>().gives::<wire::AuditEvents>(),
        route(POST, "/auditevents/search", "search_audit_events", "Search audit events", audit::search).to(Any).needs::<ViewSystemInformation>().takes::<wire::SearchFilter>().gives::<wire::AuditEvents>(),
        route(GET, "/auditevents/head", "describe_audit_head", "Describe where the audit chain ends", audit::describe_head).to(Any).needs::<ViewAuditHead>().gives::<wire::AuditHead>(),
    ]
}

fn route<H: Handler<A>, A: FromRequest + 'static>(
    method: Method,
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    handler: H,
) -> Route
where
    H::Output: Responder + 'static,
{
    Route {
        method,
        path,
        operation,
        summary,
        access: Access::Any,
        right: None,
        with_initial_password: false,
        primary_only: false,
        request: None,
        answer: (204, None),
        make: Box::new(move || actix_web::Route::new().to(Guarded(handler.clone()))),
    }
}

impl Route {
    fn to(mut self, access: Access) -> Self {
        self.access = access;
        self.with_initial_password |= access == Access::Open;
        self
    }

    fn needs<D: Demand>(mut self) -> Self {
        self.right = D::RIGHT;
        self.with_initial_password = D::WITH_INITIAL_PASSWORD;
        self.primary_only = D::PRIMARY_ONLY;
        self
    }

    fn initial(mut self) -> Self {
        self.with_initial_password = true;
        self
    }

    fn takes<T: ToSchema>(mut self) -> Self {
        self.request = Some(Shape::of::<T>());
        self
    }

    fn gives<T: ToSchema>(mut self) -> Self {
        self.answer = (200, Some(Shape::of::<T>()));
        self
    }
}

/// The table as actix's resources: one for each path, which answers other methods with 405 and what it takes.
pub fn resources() -> Vec<Resource> {
    let mut routes = routes();
    let mut resources = Vec::new();
    while let Some(path) = routes.first().map(|route| route.path) {
        let (same, others): (Vec<Route>, Vec<Route>) = routes.into_iter().partition(|route| route.path == path);
        routes = others;
        resources.push(resource(&pattern(path), same.iter().map(|route| (route.method.clone(), &*route.make))));
    }
    resources
}

/// A parameter stands for digits: anything else in its place is no route.
fn pattern(path: &str) -> String {
    path.replace('}', ":[0-9]+}")
}

/// A resource that knows which methods it takes.
pub fn resource<'a>(
    path: &str,
    routes: impl IntoIterator<Item = (Method, &'a (dyn Fn() -> actix_web::Route + 'static))>,
) -> Resource {
    let mut resource = web::resource(path);
    let mut allowed: Vec<String> = Vec::new();
    for (method, make) in routes {
        if method == Method::GET {
            resource = resource.route(make().method(Method::HEAD));
            allowed.push("HEAD".to_owned());
        }
        allowed.push(method.to_string());
        resource = resource.route(make().method(method));
    }
    allowed.sort();
    let allowed = allowed.join(", ");
    resource.default_service(web::to(move || {
        let message = format!("This route takes {allowed}.");
        let refusal = Error::new(Reason::MethodNotAllowed, message).allow(&allowed);
        async move { Err::<HttpResponse, Error>(refusal) }
    }))
}

/// What answers where there is no route.
pub async fn no_such_route() -> Result<HttpResponse, Error> {
    Err(Error::new(Reason::NoSuchRoute, "There is no such route."))
}

/// A handler whose panic is one answer of 500 and no more: the worker lives on (T-31).
#[derive(Clone)]
struct Guarded<H>(H);

/// What a handler came to, or what it panicked with.
type Outcome<T> = Result<T, Box<dyn std::any::Any + Send>>;

impl<H, A> Handler<A> for Guarded<H>
where
    H: Handler<A>,
    H::Output: Responder + 'static,
{
    type Output = Result<H::Output, Error>;
    type Future = Map<CatchUnwind<AssertUnwindSafe<H::Future>>, fn(Outcome<H::Output>) -> Self::Output>;

    fn call(&self, arguments: A) -> Self::Future {
        AssertUnwindSafe(self.0.call(arguments)).catch_unwind().map(panic_as_error)
    }
}

fn panic_as_error<T>(outcome: Outcome<T>) -> Result<T, Error> {
    outcome.map_err(|_| Error::internal("a handler panicked; the log says where"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{App, test as http};

    #[actix_web::test]
    async fn a_panic_in_a_handler_is_one_500_and_the_worker_lives_on() {
        async fn faulty() -> HttpResponse {
            panic!("as a test would")
        }
        let route = route(Method::GET, "/faulty", "faulty", "", faulty);
        let app = App::new().wrap(actix_web::middleware::from_fn(crate::observe::observe));
        let app = http::init_service(app.service(resource("/faulty", [(Method::GET, &*route.make)]))).await;
        for _ in 0..2 {
            let answer = http::call_service(&app, http::TestRequest::get().uri("/faulty").to_request()).await;
            assert_eq!(answer.status(), 500);
            let body: serde_json::Value = http::read_body_json(answer).await;
            assert_eq!(body["code"], "internal");
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let mut names: Vec<&str> = routes().iter().map(|route| route.operation).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
