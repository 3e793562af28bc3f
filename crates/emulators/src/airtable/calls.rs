//! The way of a request through the emulator: from a route to what it does.
//!
//! Order of checks, as observed at Airtable: route and shape of ids, token, limits, parameters and body, visibility of
//! base and table, role, fields and values.

use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLockWriteGuard};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use service_kit::edge::RouteLabel;

use super::access::{Grant, Reach, Role, Scope};
use super::bases::Kept;
use super::computed::Eval;
use super::emulator::{Emulator, Shared, World, apart, lock, read, write};
use super::errors::{AirtableError, json_response};
use super::faults::{self, Before};
use super::fields::date;
use super::files::{Trouble, Upload, Urls};
use super::ids::{BaseId, RecordId};
use super::kept::Pending;
use super::limits::{Arrival, Limits, Refused};
use super::list::params::{ListParams, rendering_from_query};
use super::log::RequestLog;
use super::model::Base;
use super::oauth::OAuthOp;
use super::query::Query;
use super::records::{Actor, Write, Written};
use super::render::Rendering;
use super::routes::{CommentsOp, RecordsOp, Route, WebhooksOp};
use super::unconfirmed::Unconfirmed;
use super::webhooks::{Source, Transaction};
use super::{body, comments, list, meta, oauth, records, structure, sync, webhooks};

/// How long a formula may go through a table. Airtable says 503 when a request "timed out", not when that is.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// The number of the world that knows the token, and the token; `None`: there is none.
    admitted: Option<(u64, Option<HeaderValue>)>,
    /// For the files in its answer.
    urls: Urls,
}

impl Shared {
    /// Carries out a call as a change that a user makes in Airtable's own interface.
    pub(super) async fn edit(self: &Arc<Self>, request: Request, user: u32) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let (grant, urls) = (Arc::new(Grant::full(user)), self.urls(&parts));
        let who = Who { grant, source: Source::Client, admitted: None, urls };
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
                let call = Call::read(op, &query, || read_body(body), (&limits, &self.unconfirmed())).await?;
                self.apart(who, move |caller| caller.records(base, &table, &call)).await
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
        lock(&self.limiter).arrive(arrival, &limits).map_err(|refused| over_limit(refused, &limits))?;
        let credential = parts.headers.get(header::AUTHORIZATION).cloned();
        let admitted = Some((world.number, credential));
        Ok(Who { grant, source: Source::PublicApi, admitted, urls: self.urls(parts) })
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

    /// Notes how far a ping has come; gives what follows.
    fn pinged(&self, ping: &webhooks::Ping, step: webhooks::Step) -> webhooks::Next {
        let world = self.hold();
        let mut webhooks = lock(&world.webhooks);
        let next = webhooks.pinged(ping, step);
        let documents = webhooks.take_journal();
        if let Some(keeper) = self.keeper.as_ref().filter(|_| !documents.is_empty()) {
            keeper.put_documents(documents); // nobody waits for it
        }
        next
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
            let grant = match who.admitted {
                // Another world has taken the place of the one that let it in, with other tokens and users.
                Some((number, credential)) if number != world.number => {
                    let headers = credential.map(|credential| (header::AUTHORIZATION, credential));
                    shared.authenticate(&world, &headers.into_iter().collect())?
                }
                _ => who.grant,
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

/// Whoever calls, and the world as it is while the call works.
struct Caller<'c> {
    shared: &'c Arc<Shared>,
    world: &'c World,
    grant: &'c Grant,
    source: Source,
    urls: &'c Urls,
}

impl Caller<'_> {
    /// The bases that the token reaches.
    fn bases(&self) -> Vec<meta::BaseEntry> {
        let visible = self.world.bases.all().into_iter().filter(|base| self.grant.reaches(base.id));
        let entry = |base: Arc<Kept>| meta::BaseEntry {
            id: base.id,
            name: base.name.clone(),
            role: self.role(&base),
        };
        visible.map(entry).collect()
    }

    fn schema(&self, base: BaseId, visible_fields: bool) -> Result<Value, AirtableError> {
        let base = self.visible(base, Scope::SchemaRead)?;
        Ok(meta::schema(&read(&base.live), visible_fields))
    }

    /// Locks the base, and waits for that.
    fn records(&self, id: BaseId, table: &str, call: &Call) -> Result<Value, AirtableError> {
        match call {
            Call::Read(wanted) => {
                let base = self.visible(id, Scope::RecordsRead)?;
                let base = read(&base.live);
                let table = find_table(&base, table)?;
                let eval = Eval::new(&base, &self.world.users, self.shared.clock.now()).with_urls(self.urls);
                match wanted {
                    Read::List(params) => {
                        let limits = self.shared.limits();
                        let times = list::Times {
                            now: self.shared.clock.instant(),
                            until: Instant::now() + PATIENCE,
                            offset_life: limits.offset_life,
                        };
                        list::page(&eval, table, params, &self.world.listings, times)
                    }
                    Read::Get(record, rendering) => {
                        let found = records::get(&eval, table, *record, rendering);
                        found.ok_or_else(|| match self.shared.unconfirmed().unknown_record_status {
                            404 => AirtableError::record_not_found(),
                            _ => AirtableError::not_found_or_not_allowed(),
                        })
                    }
                }
            }
            Call::Write(wanted) => {
                let base = self.visible(id, Scope::RecordsWrite)?;
                let mut locked = write(&base.live);
                let actor = self.actor(&base); // its time is that of its turn
                let table = find_table(&locked, table)?;
                let before = self.before_if_watched(&locked);
                let Written { mut answer, attached } = wanted.apply(&mut locked, table, actor)?;
                let kept = self.finish(before.as_ref(), locked, actor, self.source, Value::Null);
                let troubles = self.shared.ingest(id, attached);
                if !troubles.is_empty() {
                    let reasons: Vec<_> = troubles.into_iter().map(Trouble::reason).collect();
                    answer["details"] = json!({"message": "partialSuccess", "reasons": reasons});
                }
                kept.map(|_| answer)
            }
        }
    }

    /// As [`Self::records`], for a file that is uploaded into a cell.
    fn upload(&self, base: BaseId, upload: &Upload) -> Result<Value, AirtableError> {
        let base = self.visible(base, Scope::RecordsWrite)?;
        let mut locked = write(&base.live);
        let actor = self.actor(&base); // its time is that of its turn
        let before = self.before_if_watched(&locked);
        let (answer, file) = upload.apply(&mut locked, &self.shared.files, actor)?;
        // Handed over before the record that holds it.
        let file = self.shared.files.keep(&file, self.shared.keeper.as_ref());
        let kept = self.finish(before.as_ref(), locked, actor, self.source, answer);
        match file.is_none_or(Pending::wait) {
            true => kept,
            false => Err(AirtableError::server_error()),
        }
    }

    /// As [`Self::records`], for the structure of a base.
    fn structure(&self, id: BaseId, wanted: &structure::Wanted) -> Result<Value, AirtableError> {
        let held = wanted.scopes().iter().find(|scope| self.grant.has(**scope));
        let base = self.visible(id, *held.ok_or_else(AirtableError::not_found_or_not_allowed)?)?;
        if let structure::Wanted::Read(wanted) = wanted {
            return wanted.answer(&read(&base.live), &self.world.users, self.role(&base));
        }
        if let Some(place) = wanted.new_formula().filter(|_| !self.shared.unconfirmed().formulas_creatable) {
            return Err(AirtableError::field_type_not_creatable(&place, "formula"));
        }
        let mut locked = write(&base.live);
        let actor = self.actor(&base); // its time is that of its turn
        let before = self.before_if_watched(&locked);
        let answer = wanted.apply(&mut locked, actor)?;
        self.finish(before.as_ref(), locked, actor, self.source, answer)
    }

    /// CSV data from a source; only personal access tokens may send it.
    fn sync(&self, id: BaseId, table: &str, sync: &str, sheet: &sync::Sheet) -> Result<Value, AirtableError> {
        self.grant.require(Scope::SchemaWrite)?;
        let base = self.visible(id, Scope::RecordsWrite)?;
        if self.role(&base) < Role::Create || !self.grant.is_personal() {
            return Err(AirtableError::not_permitted());
        }
        let limits = self.shared.limits();
        let counted = lock(&self.shared.limiter).sync(id, &limits, self.shared.clock.instant());
        counted.map_err(|refused| over_limit(refused, &limits))?;
        let mut locked = write(&base.live);
        let actor = self.actor(&base); // its time is that of its turn
        let table = find_table(&locked, table)?;
        let found = locked.tables[table].syncs.iter().find(|own| own.id == sync);
        let sync = found.cloned().ok_or_else(AirtableError::not_found_or_not_allowed)?;
        let before = self.before_if_watched(&locked);
        let answer = sync::apply(&mut locked, table, &sync, sheet, actor)?;
        self.finish(before.as_ref(), locked, actor, Source::Sync, answer)
    }

    fn webhooks(&self, id: BaseId, wanted: &webhooks::Wanted) -> Result<Value, AirtableError> {
        let base = self.visible(id, Scope::WebhookManage)?;
        if wanted.changes_hooks() && self.role(&base) < Role::Create {
            return Err(AirtableError::not_permitted());
        }
        let base = read(&base.live);
        let now = self.shared.clock.now().as_millisecond();
        let most = self.shared.limits().max_webhooks_per_base;
        let mut webhooks = lock(&self.world.webhooks);
        let mut answer = webhooks.answer(wanted, &base, &webhooks::Asker { grant: self.grant, most, now })?;
        let documents = webhooks.take_journal();
        let keeper = self.shared.keeper.as_ref().filter(|_| !documents.is_empty());
        let pending = keeper.map(|keeper| keeper.put_documents(documents));
        drop(webhooks);
        if matches!(wanted, webhooks::Wanted::Payloads { .. }) {
            self.urls.complete_all(&mut answer);
        }
        // Reading payloads makes a hook live longer, and waits for nothing.
        match pending.filter(|_| wanted.changes_hooks()).is_none_or(Pending::wait) {
            true => Ok(answer),
            false => Err(AirtableError::server_error()),
        }
    }

    /// The base as it is (unchanged records are shared), if a webhook has to be told what a write changes.
    fn before_if_watched(&self, base: &Base) -> Option<Base> {
        lock(&self.world.webhooks).watch(base.id).then(|| base.past())
    }

    /// Tells webhooks of a write, and gives its answer once both are where bases are kept.
    fn finish(
        &self,
        before: Option<&Base>,
        mut locked: RwLockWriteGuard<'_, Base>,
        actor: Actor<'_>,
        source: Source,
        answer: Value,
    ) -> Result<Value, AirtableError> {
        let Some(before) = before else { return self.keep(locked, answer) };
        let mut webhooks = lock(&self.world.webhooks);
        let transaction = Transaction { before, after: &locked, actor, source };
        let pings = webhooks.tell(&transaction);
        let documents = webhooks.take_journal();
        let pending = self.world.bases.keep(&mut locked, documents, self.shared.keeper.as_ref());
        drop(webhooks);
        drop(locked); // others go on while the file is written
        self.shared.files.forget_gone(self.shared.keeper.as_ref());
        let is_kept = pending.is_none_or(Pending::wait);
        for ping in pings.into_iter().filter(|_| self.shared.pings.load(Ordering::Relaxed)) {
            let (told, timed) = (Arc::clone(self.shared), Arc::clone(self.shared));
            let note = move |ping: webhooks::Ping, step| {
                let told = Arc::clone(&told);
                let noted = apart(move || told.pinged(&ping, step));
                async { noted.await.unwrap_or(webhooks::Next::Ends) }
            };
            tokio::spawn(ping.send(note, move || (timed.clock.now(), timed.clock.instant())));
        }
        match is_kept {
            true => Ok(answer),
            false => Err(AirtableError::server_error()),
        }
    }

    /// Only a token that reaches everything may add to it.
    fn create_base(&self, wanted: &Map<String, Value>) -> Result<Value, AirtableError> {
        if self.grant.bases != Reach::All {
            return Err(AirtableError::not_found_or_not_allowed());
        }
        let base = structure::create_base(wanted, self.shared.clock.now())?;
        let answer = structure::created_base(&base);
        let pending = self.world.bases.add(base, self.shared.keeper.as_ref());
        match pending.is_none_or(Pending::wait) {
            true => Ok(answer),
            false => Err(AirtableError::server_error()),
        }
    }

    /// As [`Self::records`], for the comments of a record.
    fn comments(
        &self,
        base: BaseId,
        table: &str,
        record: RecordId,
        wanted: &comments::Wanted,
    ) -> Result<Value, AirtableError> {
        if let comments::Wanted::List(page) = wanted {
            let base = self.visible(base, Scope::CommentsRead)?;
            let base = read(&base.live);
            let table = find_table(&base, table)?;
            return comments::list(&base, table, record, &self.world.users, page);
        }
        let base = self.visible(base, Scope::CommentsWrite)?;
        let mut locked = write(&base.live);
        let actor = self.actor(&base); // its time is that of its turn
        let table = find_table(&locked, table)?;
        let answer = comments::write(&mut locked, table, record, wanted, actor)?;
        self.keep(locked, answer)
    }

    /// Gives the answer to a write once it is where bases are kept.
    fn keep(&self, mut locked: RwLockWriteGuard<'_, Base>, answer: Value) -> Result<Value, AirtableError> {
        let pending = self.world.bases.keep(&mut locked, Vec::new(), self.shared.keeper.as_ref());
        drop(locked); // others go on while the file is written
        self.shared.files.forget_gone(self.shared.keeper.as_ref());
        match pending.is_none_or(Pending::wait) {
            true => Ok(answer),
            false => Err(AirtableError::server_error()),
        }
    }

    /// A base that the token reaches, with that scope, and in which its user has any role.
    fn visible(&self, id: BaseId, scope: Scope) -> Result<Arc<Kept>, AirtableError> {
        self.grant.require(scope)?;
        let base = self.world.bases.get(id);
        if base.is_none() && self.shared.unconfirmed().unknown_base_status == 404 {
            return Err(AirtableError::no_route());
        }
        let base = base.filter(|base| self.grant.reaches(id) && self.role(base) > Role::None);
        base.ok_or_else(AirtableError::not_found_or_not_allowed)
    }

    /// What the token's user may do in the base, which the token may narrow down.
    fn role(&self, base: &Kept) -> Role {
        if self.source == Source::Client {
            return Role::Create;
        }
        let user = self.world.users.get(self.grant.user);
        let role = base.roles.of(user.map_or("", |user| &user.id));
        self.grant.most.map_or(role, |most| role.min(most))
    }

    fn actor(&self, base: &Kept) -> Actor<'_> {
        Actor {
            users: &self.world.users,
            user: self.grant.user,
            role: self.role(base),
            now: self.shared.clock.now(),
            urls: self.urls,
        }
    }
}

/// A call on records whose parameters and body are in order.
enum Call {
    Read(Read),
    Write(Write),
}

enum Read {
    List(Box<ListParams>),
    Get(RecordId, Rendering),
}

impl Call {
    async fn read<B: Future<Output = Result<Map<String, Value>, AirtableError>>>(
        op: RecordsOp,
        query: &Query,
        body: impl FnOnce() -> B,
        (limits, unconfirmed): (&Limits, &Unconfirmed),
    ) -> Result<Self, AirtableError> {
        Ok(match op {
            RecordsOp::List => {
                let mut params = ListParams::from_query(query, limits.max_page_size)?;
                params.comment_count_zero = unconfirmed.comment_count_zero;
                Self::Read(Read::List(Box::new(params)))
            }
            RecordsOp::ListByPost => {
                let mut params = ListParams::from_body(query, &body().await?, limits.max_page_size)?;
                params.comment_count_zero = unconfirmed.comment_count_zero;
                Self::Read(Read::List(Box::new(params)))
            }
            RecordsOp::Get(id) => Self::Read(Read::Get(id, rendering_from_query(query)?)),
            RecordsOp::DeleteOne(id) => Self::Write(Write::delete_one(id)),
            RecordsOp::DeleteMany => Self::Write(Write::delete_many(query, limits.max_records_per_request)?),
            RecordsOp::Create | RecordsOp::UpdateOne { .. } | RecordsOp::UpdateMany { .. } => {
                Self::Write(Write::from_body(op, body().await?, limits.max_records_per_request)?)
            }
        })
    }
}

fn over_limit(refused: Refused, limits: &Limits) -> AirtableError {
    match refused {
        Refused::Monthly => AirtableError::month_used_up(),
        Refused::Rate { wait } => {
            let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
            AirtableError::rate_limited(limits.retry_after_header.then_some(seconds))
        }
    }
}

fn find_table(base: &Base, name_or_id: &str) -> Result<usize, AirtableError> {
    base.table(name_or_id).ok_or_else(AirtableError::not_found_or_not_allowed)
}
