//! The way of a request through the emulator: from a route to what it does.
//!
//! Order of checks, as observed at Airtable: route and shape of ids, token, limits, parameters and body, visibility of
//! base and table, role, fields and values. (Where there is no base yet, a token's scope comes before parameters and body.)

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::Value;
use service_kit::edge::RouteLabel;

use super::access::{Grant, Scope};
use super::caller::Caller;
use super::emulator::{Emulator, Shared, World, apart, lock};
use super::errors::{AirtableError, json_response};
use super::faults::{self, Before};
use super::fields::date;
use super::files::{Upload, Urls};
use super::limits::Arrival;
use super::log::RequestLog;
use super::oauth::OAuthOp;
use super::query::Query;
use super::routes::{CommentsOp, Route, WebhooksOp};
use super::webhooks::Source;
use super::{body, comments, meta, oauth, records, structure, sync, webhooks};

/// What a call comes to.
pub(super) enum Answer {
    /// The body of a 200.
    Json(Value),
    /// A page, a redirect, a file.
    Other(Response<Body>),
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

type Answered = Result<Answer, AirtableError>;

/// Answers everything that is not the emulator's own: Airtable's API, and paths that it does not have.
pub(super) async fn answer(State(emulator): State<Emulator>, request: Request) -> Response<Body> {
    let shared = &emulator.shared;
    let arrived = shared.clock.instant();
    let entry = RequestLog::open(&shared.log, request.method().as_str(), request.uri().to_string());
    let (parts, body) = request.into_parts();
    let oauth = OAuthOp::find(parts.method.as_str(), parts.uri.path());
    let route = Route::parse(&parts.method, parts.uri.path());
    let label = oauth.map(OAuthOp::label).or(route.as_ref().ok().map(Route::label));
    let label = RouteLabel(label.unwrap_or("(none)").into());
    let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let faults = lock(&shared.faults).draw(&parts.method, target, arrived);
    let way = match (&faults.before, oauth) {
        (Before::Cut, _) => Way::Cut,
        (Before::Refuse(error), _) => Way::Call(Err(error.clone())),
        (Before::Nothing, Some(op)) => Way::OAuth(op),
        // Counted before it waits, for limits go by when requests come.
        (Before::Nothing, None) => {
            Way::Call(route.and_then(|route| Ok((shared.admit(&route, &parts, arrived)?, route))))
        }
    };
    if !faults.latency.is_zero() {
        tokio::time::sleep(faults.latency).await; // which would take a millisecond for nothing at all
    }
    let answer = match way {
        Way::Cut => return faults::cut_off(),
        Way::OAuth(op) => Ok(Answer::Other(oauth::answer(shared, op, parts, body).await)),
        Way::Call(Ok((who, route))) => shared.call(route, parts, body, who).await,
        Way::Call(Err(refused)) => Err(refused),
    };
    let mut response = shared.respond(answer);
    response.extensions_mut().insert(label);
    let status = response.status().as_u16();
    let (response, is_lost) = faults.spoil(response).await;
    if !is_lost {
        entry.answered(status);
    }
    response
}

/// How somebody is known to another world that has taken the place of the one that let him in.
#[derive(Clone)]
enum Known {
    /// By what the request says.
    Authorization(Option<HeaderValue>),
    /// The id of a user; `None`: the first one.
    Person(Option<String>),
}

/// What a request comes to, faults permitting.
enum Way {
    Cut,
    OAuth(OAuthOp),
    Call(Result<(Who, Route), AirtableError>),
}

/// Whose call it is, and by which way it comes.
#[derive(Clone)]
struct Who {
    grant: Arc<Grant>,
    source: Source,
    /// The number of the world in which the grant is good.
    world: u64,
    known: Known,
    /// For the files in its answer.
    urls: Urls,
}

impl Shared {
    /// Carries out a call as a change that a user, who is named by id, makes in Airtable's own interface; the first one, if
    /// nobody is named.
    pub(super) async fn edit(self: &Arc<Self>, request: Request, user: Option<String>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let (world, urls) = (self.world(), self.urls(&parts));
        let grant = match person(&world, user.as_deref()) {
            Ok(grant) => grant,
            Err(refused) => return self.respond(Err(refused)),
        };
        let known = Known::Person(user);
        let who = Who { grant, source: Source::Client, world: world.number, known, urls };
        drop(world);
        let answer = match Route::parse_edit(&parts.method, parts.uri.path()) {
            Ok(route) => self.call(route, parts, body, who).await,
            Err(error) => Err(error),
        };
        self.respond(answer)
    }

    /// URLs of files for the answer to a request.
    fn urls(&self, parts: &Parts) -> Urls {
        self.files.urls(parts, self.clock.now(), self.limits().attachment_url_life)
    }

    fn respond(&self, answer: Answered) -> Response<Body> {
        match answer {
            Ok(Answer::Json(value)) => json_response(StatusCode::OK, value.to_string()),
            Ok(Answer::Other(response)) => response,
            Err(error) => self.unconfirmed().settle(error).into_response(),
        }
    }

    async fn call(self: &Arc<Self>, route: Route, parts: Parts, body: Body, who: Who) -> Answered {
        let limits = self.limits();
        if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() >= limits.max_url_length) {
            return Err(AirtableError::url_too_long(limits.max_url_length));
        }
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let read_body = |body| body::read(&parts.headers, body, limits.max_body_bytes);
        match route {
            Route::NotBuilt { what, .. } => Err(AirtableError::not_built(what)),
            Route::Whoami => {
                self.apart(who, move |caller| Ok(meta::whoami(caller.grant, &caller.world.users))).await
            }
            Route::ListBases => {
                who.grant.require(Scope::SchemaRead)?;
                self.apart(who, move |caller| meta::list_bases(&caller.bases(), &query)).await
            }
            Route::CreateBase => {
                who.grant.require(Scope::SchemaWrite)?;
                let wanted = read_body(body).await?;
                self.apart(who, move |caller| caller.create_base(&wanted)).await
            }
            Route::Structure { base, op } => {
                let wanted = structure::Wanted::read(op, &query, || read_body(body)).await?;
                self.apart(who, move |caller| caller.structure(base, &wanted)).await
            }
            Route::BaseSchema { base } => {
                let visible_fields = meta::wants_visible_fields(&query)?;
                self.apart(who, move |caller| caller.schema(base, visible_fields)).await
            }
            Route::Comments { base, table, record, op } => {
                let wanted = match op {
                    CommentsOp::List => comments::Wanted::list(
                        &query,
                        limits.max_page_size,
                        self.unconfirmed().comments_oldest_first,
                    )?,
                    CommentsOp::Create => comments::Wanted::create(&read_body(body).await?)?,
                    CommentsOp::Update(id) => comments::Wanted::update(id, &read_body(body).await?)?,
                    CommentsOp::Delete(id) => comments::Wanted::Delete { id },
                };
                self.apart(who, move |caller| caller.comments(base, &table, record, &wanted)).await
            }
            Route::Webhooks { base, op } => {
                let wanted = match op {
                    WebhooksOp::List => webhooks::Wanted::List,
                    WebhooksOp::Create => webhooks::Wanted::Create(read_body(body).await?),
                    WebhooksOp::Delete(id) => webhooks::Wanted::Delete(id),
                    WebhooksOp::Toggle(id) => webhooks::Wanted::toggle(id, &read_body(body).await?)?,
                    WebhooksOp::Refresh(id) => webhooks::Wanted::Refresh(id),
                    WebhooksOp::Payloads(id) => webhooks::Wanted::payloads(id, &query)?,
                };
                self.apart(who, move |caller| caller.webhooks(base, &wanted)).await
            }
            Route::Sync { base, table, sync } => {
                let body = body::read_csv(&parts.headers, body, sync::MAX_BYTES).await?;
                let sheet = sync::Sheet::parse(&body)?;
                self.apart(who, move |caller| caller.sync(base, &table, &sync, &sheet)).await
            }
            Route::Records { base, table, op } => {
                let unconfirmed = self.unconfirmed();
                let wanted =
                    records::Wanted::read(op, &query, || read_body(body), (&limits, &unconfirmed)).await?;
                self.apart(who, move |caller| caller.records(base, &table, &wanted)).await
            }
            Route::Upload { base, record, field } => {
                let body = read_body(body).await?;
                self.apart(who, move |caller| {
                    let upload = Upload::read(record, field, &body, limits.max_upload_bytes)?;
                    caller.upload(base, &upload)
                })
                .await
            }
        }
    }

    /// Whose call it is, if the token is good and no limit is in the way.
    fn admit(&self, route: &Route, parts: &Parts, arrived: Instant) -> Result<Who, AirtableError> {
        let world = self.world();
        let now = self.clock.now().as_millisecond();
        let grant = self.authenticate(&world, &parts.headers)?;
        let limits = self.limits();
        let base = route.base().and_then(|base| world.bases.get(base));
        let arrival = Arrival {
            base: base.as_deref().map(|base| (base.id, base.workspace.as_str())),
            user: grant.user as usize,
            is_metadata: matches!(route, Route::BaseSchema { .. } | Route::Structure { .. }),
            instant: arrived,
            day: date::utc(now).date(),
        };
        lock(&self.limiter).arrive(arrival, &limits).map_err(|refused| refused.error(&limits))?;
        let known = Known::Authorization(parts.headers.get(header::AUTHORIZATION).cloned());
        let urls = self.urls(parts);
        Ok(Who { grant, source: Source::PublicApi, world: world.number, known, urls })
    }

    /// Whether the token is that of whoever runs the emulator.
    pub(super) fn is_owner(&self, headers: &HeaderMap) -> bool {
        self.authenticate(&self.world(), headers).is_ok_and(|grant| grant.is_ours)
    }

    fn authenticate(&self, world: &World, headers: &HeaderMap) -> Result<Arc<Grant>, AirtableError> {
        let now = self.clock.now().as_millisecond();
        let integration = |token: &str| lock(&world.oauth).access(token, now);
        world.tokens.authenticate(headers, integration)
    }

    /// Runs what waits for a base's lock, or computes over all of its records, on a thread that serves nothing else
    /// meanwhile: otherwise two long formulas keep two cores from answering anybody.
    async fn apart<T: Into<Answer>>(
        self: &Arc<Self>,
        who: Who,
        work: impl FnOnce(&Caller<'_>) -> Result<T, AirtableError> + Send + 'static,
    ) -> Answered {
        let shared = Arc::clone(self);
        let work = move || {
            let world = shared.hold();
            let grant = match who.known {
                _ if who.world == world.number => who.grant,
                Known::Authorization(credential) => {
                    let headers = credential.map(|credential| (header::AUTHORIZATION, credential));
                    shared.authenticate(&world, &headers.into_iter().collect())?
                }
                Known::Person(user) => person(&world, user.as_deref())?,
            };
            work(&Caller {
                shared: &shared,
                world: &world,
                grant: &grant,
                source: who.source,
                urls: &who.urls,
            })
            .map(Into::into)
        };
        apart(work).await.unwrap_or_else(|| Err(AirtableError::timed_out()))
    }
}

/// All rights of a user, if there is one of that id.
fn person(world: &World, user: Option<&str>) -> Result<Arc<Grant>, AirtableError> {
    let position = user.map_or(Some(0), |id| world.users.by_id(id));
    position.map(|user| Arc::new(Grant::full(user))).ok_or_else(AirtableError::not_permitted)
}
