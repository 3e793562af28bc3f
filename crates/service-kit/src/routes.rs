//! A router that takes no route without a rule of who may use it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawPathParams, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use http::Method;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, OpenApi, OpenApiBuilder, Paths};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::auth::{Authenticator, Scope};
use crate::error::ApiError;

/// The path parameter that is checked against the bases a caller may reach.
const BASE_PARAMETER: &str = "base_id";

/// The name of our credential in the documentation.
const SCHEME: &str = "api_key";

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Everybody, without a credential.
    Public,
    /// Every principal.
    AnyPrincipal,
    /// A principal with this scope, which must also reach the base if the path has a parameter `{base_id}`.
    Scope(Scope),
    /// The handler decides, since the path alone does not say what is asked for.
    InHandler,
}

/// One line of the table that a test walks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    /// `None`: every method.
    pub method: Option<Method>,
    /// axum's pattern.
    pub path: String,
    pub rule: Rule,
}

/// Collects routes, each with its rule, and their documentation.
///
/// The rule is enforced before the handler runs; the handler then takes the [`crate::auth::Principal`] as an argument.
pub struct Routes<S = ()> {
    authenticator: Authenticator,
    router: Router<S>,
    table: Vec<RouteEntry>,
    openapi: OpenApi,
}

/// What [`Routes::finish`] gives.
pub struct Built<S> {
    pub router: Router<S>,
    pub table: Vec<RouteEntry>,
    pub openapi: OpenApi,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub fn new(authenticator: Authenticator) -> Self {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key, `pya_live_…`"))
            .build();
        let components =
            ComponentsBuilder::new().security_scheme(SCHEME, SecurityScheme::Http(bearer)).build();
        let openapi = OpenApiBuilder::new().components(Some(components)).build();
        Self { authenticator, router: Router::new(), table: Vec::new(), openapi }
    }

    /// Adds a route documented by `#[utoipa::path]`: `routes.documented(Rule::Public, routes!(list_bases))`, with the macro
    /// of `utoipa-axum`.
    #[must_use]
    pub fn documented(mut self, rule: Rule, (schemas, paths, handler): UtoipaMethodRouter<S>) -> Self {
        let components = self.openapi.components.get_or_insert_default();
        components.schemas.extend(schemas);
        let mut paths = paths;
        for (path, item) in &mut paths.paths {
            document_rule(rule, item);
            for method in methods(item) {
                self.table.push(RouteEntry { method: Some(method), path: path.clone(), rule });
            }
        }
        // `routes!` puts several methods of one path into one router, so there is one path.
        let first = paths.paths.keys().next().cloned();
        for (path, item) in paths.paths {
            merge(&mut self.openapi.paths, path, item);
        }
        if let Some(path) = first {
            let handler = self.guarded(rule, handler);
            self.router = self.router.route(&path, handler);
        }
        self
    }

    /// Adds a route that is not documented, such as one of a foreign dialect. `methods` is what `handler` serves; none
    /// stands for all.
    #[must_use]
    pub fn plain(mut self, rule: Rule, methods: &[Method], path: &str, handler: MethodRouter<S>) -> Self {
        let mut add = |method| self.table.push(RouteEntry { method, path: path.to_owned(), rule });
        if methods.is_empty() {
            add(None);
        }
        methods.iter().cloned().map(Some).for_each(&mut add);
        let handler = match methods {
            [] => self.guarded_in_all(rule, handler),
            _ => self.guarded(rule, handler),
        };
        self.router = self.router.route(path, handler);
        self
    }

    pub fn finish(self) -> Built<S> {
        Built { router: self.router, table: self.table, openapi: self.openapi }
    }

    /// Methods that the handler does not serve are 405 without asking who calls.
    fn guarded(&self, rule: Rule, handler: MethodRouter<S>) -> MethodRouter<S> {
        let guard = Arc::new((rule, self.authenticator.clone()));
        handler.route_layer(from_fn_with_state(guard, enforce))
    }

    /// For a handler of every method, which axum keeps where it otherwise keeps the answer to the unserved ones.
    fn guarded_in_all(&self, rule: Rule, handler: MethodRouter<S>) -> MethodRouter<S> {
        let guard = Arc::new((rule, self.authenticator.clone()));
        handler.layer(from_fn_with_state(guard, enforce))
    }
}

async fn enforce(
    State(guard): State<Arc<(Rule, Authenticator)>>,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let (rule, authenticator) = &*guard;
    let scope = match rule {
        Rule::Public | Rule::InHandler => return next.run(request).await,
        Rule::AnyPrincipal => None,
        Rule::Scope(scope) => Some(*scope),
    };
    let (mut parts, body) = request.into_parts();
    let allowed = async {
        let principal = authenticator.authenticate(&parts.headers).await?;
        if let Some(scope) = scope {
            principal.require(scope)?;
        }
        for (name, value) in &parameters {
            if name == BASE_PARAMETER {
                principal.require_base(value)?;
            }
        }
        Ok::<_, ApiError>(principal)
    };
    match allowed.await {
        Ok(principal) => {
            parts.extensions.insert(principal);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => error.into_response(),
    }
}

/// Says in the documentation whether a key is needed.
fn document_rule(rule: Rule, item: &mut PathItem) {
    let operations =
        [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.head, &mut item.patch];
    for operation in operations.into_iter().flatten() {
        let requirement = match rule {
            Rule::Public => SecurityRequirement::default(),
            _ => SecurityRequirement::new(SCHEME, [""; 0]),
        };
        operation.security.get_or_insert_with(|| vec![requirement]);
    }
}

fn methods(item: &PathItem) -> Vec<Method> {
    let all = [
        (&item.get, Method::GET),
        (&item.put, Method::PUT),
        (&item.post, Method::POST),
        (&item.delete, Method::DELETE),
        (&item.options, Method::OPTIONS),
        (&item.head, Method::HEAD),
        (&item.patch, Method::PATCH),
        (&item.trace, Method::TRACE),
    ];
    all.into_iter().filter_map(|(operation, method)| operation.as_ref().map(|_| method)).collect()
}

fn merge(paths: &mut Paths, path: String, item: PathItem) {
    match paths.paths.get_mut(&path) {
        Some(present) => present.merge_operations(item),
        None => {
            paths.paths.insert(path, item);
        }
    }
}
