//! The emulator as a whole: its state, and the way of a request through it.
//!
//! Order of checks, as observed at Airtable: route and shape of ids, token, limits, parameters and body, visibility of
//! base and table, role, fields and values.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use airtable_formula::Timestamp;
use axum::body::Body;
use axum::extract::{Request, State};
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::{Map, Value};
use service_kit::edge::RouteLabel;
use tokio::task::JoinError;

use super::access::{Grant, Reach, Role, Scope, Tokens, Users};
use super::bases::{Bases, Kept};
use super::computed::Eval;
use super::errors::{AirtableError, json_response};
use super::faults::{self, Before, Faults};
use super::ids::{BaseId, RecordId};
use super::kept::{Keeper, KeptError, Pending};
use super::limits::{Counters, Limiter, Limits};
use super::list::offsets::Listings;
use super::list::params::{ListParams, rendering_from_query};
use super::log::RequestLog;
use super::model::Base;
use super::query::Query;
use super::records::{Actor, Write};
use super::render::Rendering;
use super::routes::{CommentsOp, RecordsOp, Route, WebhooksOp};
use super::seed::Seed;
use super::webhooks::{Source, Transaction, Webhooks};
use super::{body, comments, list, meta, records, structure, webhooks};

/// URLs are shorter than this, on all endpoints.
/// Source: <https://support.airtable.com/docs/enforcement-of-url-length-limit-for-web-api-requests>.
const URL_LIMIT: usize = 16_000;

/// An emulated Airtable. Clones share their content.
#[derive(Clone)]
pub struct Emulator {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) bases: Bases,
    pub(super) users: Users,
    tokens: Tokens,
    limits: Mutex<Limits>,
    pub(super) faults: Mutex<Faults>,
    pub(super) limiter: Mutex<Limiter>,
    pub(super) log: Arc<Mutex<RequestLog>>,
    pub(super) listings: Listings,
    /// Locked after a base, never before one.
    webhooks: Mutex<Webhooks>,
    /// Whether webhooks of this machine are pinged.
    pings: AtomicBool,
    /// Where changes are kept; `None`: in memory only.
    keeper: Option<Keeper>,
}

impl Emulator {
    /// Keeps everything in memory: changes end with the process.
    pub fn new(seed: Seed) -> Self {
        Self::with_keeper(seed, None)
    }

    /// Keeps the bases in a SQLite file, which is made from the seed if it is not there; else it holds the bases, and of the
    /// seed only tokens, users and limits count. No write is acknowledged before it is in the file.
    ///
    /// # Errors
    ///
    /// The file cannot be made, read or written, is not one of these, or is in use by another emulator.
    pub async fn kept(seed: Seed, file: &Path) -> Result<Self, KeptError> {
        let (seed, keeper) = Keeper::open(file, seed).await?;
        Ok(Self::with_keeper(seed, Some(keeper)))
    }

    fn with_keeper(seed: Seed, keeper: Option<Keeper>) -> Self {
        let shared = Shared {
            bases: Bases::new(seed.bases),
            users: seed.users,
            tokens: seed.tokens,
            limits: Mutex::new(seed.limits),
            faults: Mutex::default(),
            limiter: Mutex::default(),
            log: Arc::default(),
            listings: Listings::default(),
            webhooks: Mutex::default(),
            pings: AtomicBool::new(false),
            keeper,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Ids and names of the bases.
    pub fn bases(&self) -> impl Iterator<Item = (String, String)> {
        self.shared.bases.all().into_iter().map(|base| (base.id.to_string(), base.name.clone()))
    }

    /// How many records all tables have together.
    pub fn record_count(&self) -> usize {
        let records = |base: &Arc<Kept>| -> usize {
            read(&base.live).tables.iter().map(|table| table.rows.len()).sum()
        };
        self.shared.bases.all().iter().map(records).sum()
    }

    /// The limits that hold now.
    pub fn limits(&self) -> Limits {
        *lock(&self.shared.limits)
    }

    /// Changes the limits; windows and penalties that have begun go on.
    pub fn set_limits(&self, limits: Limits) {
        *lock(&self.shared.limits) = limits;
    }

    /// Whether webhooks are pinged from now on, those whose URL leads to this machine; at first none is.
    pub fn ping_webhooks(&self, wanted: bool) {
        self.shared.pings.store(wanted, Ordering::Relaxed);
    }

    /// Makes all bases what they were at the start of the process.
    pub fn reset_data(&self) {
        self.begin_reset();
    }

    /// The same; gives what to wait for until it is in the file, too.
    pub(super) fn begin_reset(&self) -> Vec<Pending> {
        let pending = self.shared.bases.reset(self.shared.keeper.as_ref());
        self.shared.listings.reset();
        lock(&self.shared.webhooks).reset();
        pending
    }

    /// Forgets counters, windows, penalties and the request log, and ends all faults.
    pub fn reset_counters(&self) {
        *lock(&self.shared.faults) = Faults::default();
        lock(&self.shared.limiter).reset();
        lock(&self.shared.log).reset();
    }

    /// Every base's id and name with its counters.
    pub(super) fn base_counters(&self) -> Vec<(BaseId, String, Counters)> {
        let bases = self.shared.bases.all();
        let limiter = lock(&self.shared.limiter);
        bases.iter().map(|base| (base.id, base.name.clone(), limiter.base_counters(base.id))).collect()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Answers everything that is not the emulator's own: Airtable's API, and paths that it does not have.
pub(super) async fn answer(State(emulator): State<Emulator>, request: Request) -> Response<Body> {
    let arrived = Instant::now();
    let entry = RequestLog::open(&emulator.shared.log, request.method().as_str(), request.uri().to_string());
    let (parts, body) = request.into_parts();
    let route = Route::parse(&parts.method, parts.uri.path());
    let label = RouteLabel(route.as_ref().map_or("(none)", Route::label).into());
    let faults = *lock(&emulator.shared.faults);
    let answer = match (faults.before().await, route) {
        (Before::Cut, _) => return faults::cut_off(),
        (Before::Refuse(error), _) | (Before::Nothing, Err(error)) => Err(error),
        (Before::Nothing, Ok(route)) => emulator.shared.call(route, parts, body, arrived).await,
    };
    let mut response = match answer {
        Ok(value) => json_response(StatusCode::OK, value.to_string()),
        Err(error) => error.into_response(),
    };
    response.extensions_mut().insert(label);
    let status = response.status().as_u16();
    let (response, is_lost) = faults.after(response).await;
    if !is_lost {
        entry.answered(status);
    }
    response
}

/// Runs what waits for a base's lock, or computes over all of its records, on a thread that serves nothing else
/// meanwhile: otherwise two long formulas keep two cores from answering anybody.
async fn apart(
    work: impl FnOnce() -> Result<Value, AirtableError> + Send + 'static,
) -> Result<Value, AirtableError> {
    match tokio::task::spawn_blocking(work).await.map_err(JoinError::try_into_panic) {
        Ok(answer) => answer,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_stopping)) => Err(AirtableError::timed_out()),
    }
}

impl Shared {
    async fn call(
        self: &Arc<Self>,
        route: Route,
        parts: Parts,
        body: Body,
        arrived: Instant,
    ) -> Result<Value, AirtableError> {
        let grant = self.tokens.authenticate(&parts.headers)?;
        self.count(&route, grant, arrived)?;
        if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() >= URL_LIMIT) {
            return Err(AirtableError::url_too_long());
        }
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        match route {
            Route::NotBuilt { what, .. } => Err(AirtableError::not_built(what)),
            Route::Whoami => Ok(meta::whoami(grant, &self.users)),
            Route::ListBases => {
                grant.require(Scope::SchemaRead)?;
                let visible = self.bases.all().into_iter().filter(|base| grant.reaches(base.id));
                let entry = |base: Arc<Kept>| meta::BaseEntry {
                    id: base.id,
                    name: base.name.clone(),
                    role: base.role,
                };
                meta::list_bases(&visible.map(entry).collect::<Vec<_>>(), &query)
            }
            Route::CreateBase => {
                grant.require(Scope::SchemaWrite)?;
                let wanted = body::read(&parts.headers, body).await?;
                let (shared, grant) = (Arc::clone(self), Arc::clone(grant));
                apart(move || shared.create_base(&wanted, &grant)).await
            }
            Route::Structure { base, op } => {
                let wanted = structure::Wanted::read(op, &query, &parts.headers, body).await?;
                let (shared, grant) = (Arc::clone(self), Arc::clone(grant));
                apart(move || shared.structure(base, &wanted, &grant)).await
            }
            Route::BaseSchema { base } => {
                let visible_fields = meta::wants_visible_fields(&query)?;
                let (shared, grant) = (Arc::clone(self), Arc::clone(grant));
                apart(move || {
                    let base = shared.visible(base, &grant, Scope::SchemaRead)?;
                    Ok(meta::schema(&read(&base.live), visible_fields))
                })
                .await
            }
            Route::Comments { base, table, record, op } => {
                let wanted = match op {
                    CommentsOp::List => comments::Wanted::list(&query)?,
                    CommentsOp::Create => comments::Wanted::create(&body::read(&parts.headers, body).await?)?,
                    CommentsOp::Update(id) => {
                        comments::Wanted::update(id, &body::read(&parts.headers, body).await?)?
                    }
                    CommentsOp::Delete(id) => comments::Wanted::Delete { id },
                };
                let (shared, grant) = (Arc::clone(self), Arc::clone(grant));
                apart(move || shared.comments(base, &table, record, &wanted, &grant)).await
            }
            Route::Webhooks { base, op } => {
                let wanted = match op {
                    WebhooksOp::List => webhooks::Wanted::List,
                    WebhooksOp::Create => webhooks::Wanted::Create(body::read(&parts.headers, body).await?),
                    WebhooksOp::Delete(id) => webhooks::Wanted::Delete(id),
                    WebhooksOp::Toggle(id) => {
                        webhooks::Wanted::toggle(id, &body::read(&parts.headers, body).await?)?
                    }
                    WebhooksOp::Refresh(id) => webhooks::Wanted::Refresh(id),
                    WebhooksOp::Payloads(id) => webhooks::Wanted::payloads(id, &query)?,
                };
                let (shared, grant) = (Arc::clone(self), Arc::clone(grant));
                apart(move || shared.answer_about_webhooks(base, &wanted, &grant)).await
            }
            Route::Records { base, table, op } => {
                let call = Call::read(op, &query, &parts, body).await?;
                let (shared, grant) = (Arc::clone(self), Arc::clone(grant));
                apart(move || shared.records(base, &table, &call, &grant)).await
            }
        }
    }

    /// Locks the base, and waits for that.
    fn records(
        self: &Arc<Self>,
        base: BaseId,
        table: &str,
        call: &Call,
        grant: &Grant,
    ) -> Result<Value, AirtableError> {
        let now = Timestamp::now();
        match call {
            Call::Read(wanted) => {
                let base = self.visible(base, grant, Scope::RecordsRead)?;
                let base = read(&base.live);
                let table = find_table(&base, table)?;
                let eval = Eval::new(&base, &self.users, now);
                match wanted {
                    Read::List(params) => list::page(&eval, table, params, &self.listings, Instant::now()),
                    Read::Get(id, rendering) => records::get(&eval, table, *id, rendering),
                }
            }
            Call::Write(wanted) => {
                let base = self.visible(base, grant, Scope::RecordsWrite)?;
                let mut locked = write(&base.live);
                let table = find_table(&locked, table)?;
                let actor = Actor { users: &self.users, user: grant.user, now };
                let before = self.before_if_watched(&locked);
                let answer = wanted.apply(&mut locked, table, actor)?;
                self.tell_webhooks(before.as_ref(), &locked, grant, now);
                self.keep(locked, answer)
            }
        }
    }

    /// As [`Self::records`], for the structure of a base.
    fn structure(
        self: &Arc<Self>,
        id: BaseId,
        wanted: &structure::Wanted,
        grant: &Grant,
    ) -> Result<Value, AirtableError> {
        let base = match wanted.scopes() {
            [scope] => self.visible(id, grant, *scope)?,
            // One of them will do.
            scopes => {
                let held = scopes.iter().find(|scope| grant.has(**scope));
                self.visible(id, grant, *held.ok_or_else(AirtableError::not_found_or_not_allowed)?)?
            }
        };
        if let structure::Wanted::Read(wanted) = wanted {
            return wanted.answer(&read(&base.live), &self.users);
        }
        let mut locked = write(&base.live);
        let before = self.before_if_watched(&locked);
        let answer = wanted.apply(&mut locked)?;
        self.tell_webhooks(before.as_ref(), &locked, grant, Timestamp::now());
        self.keep(locked, answer)
    }

    fn answer_about_webhooks(
        &self,
        id: BaseId,
        wanted: &webhooks::Wanted,
        grant: &Grant,
    ) -> Result<Value, AirtableError> {
        let base = self.visible(id, grant, Scope::WebhookManage)?;
        let base = read(&base.live);
        if wanted.changes_hooks() && base.role < Role::Create {
            return Err(AirtableError::not_permitted());
        }
        let now = Timestamp::now().as_millisecond();
        lock(&self.webhooks).answer(wanted, &base, |scope| grant.has(scope), now)
    }

    /// The base as it is (unchanged records are shared), if a webhook has to be told what a write changes.
    fn before_if_watched(&self, base: &Base) -> Option<Base> {
        lock(&self.webhooks).watch(base.id).then(|| base.past())
    }

    fn tell_webhooks(self: &Arc<Self>, before: Option<&Base>, after: &Base, grant: &Grant, now: Timestamp) {
        if let Some(before) = before {
            let transaction = Transaction {
                before,
                after,
                users: &self.users,
                user: grant.user,
                source: Source::PublicApi,
                now,
            };
            let pings = lock(&self.webhooks).tell(&transaction);
            for ping in pings.into_iter().filter(|_| self.pings.load(Ordering::Relaxed)) {
                let shared = Arc::clone(self);
                tokio::spawn(ping.send(move |ping, result| lock(&shared.webhooks).note(ping, result)));
            }
        }
    }

    /// Only a token that reaches everything may add to it.
    fn create_base(&self, wanted: &Map<String, Value>, grant: &Grant) -> Result<Value, AirtableError> {
        if grant.bases != Reach::All {
            return Err(AirtableError::not_found_or_not_allowed());
        }
        let base = structure::create_base(wanted, Timestamp::now())?;
        let answer = structure::created_base(&base);
        let pending = self.bases.add(base, self.keeper.as_ref());
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
        grant: &Grant,
    ) -> Result<Value, AirtableError> {
        if let comments::Wanted::List { page_size, before } = wanted {
            let base = self.visible(base, grant, Scope::CommentsRead)?;
            let base = read(&base.live);
            let table = find_table(&base, table)?;
            return comments::list(&base, table, record, &self.users, (*page_size, *before));
        }
        let base = self.visible(base, grant, Scope::CommentsWrite)?;
        let mut locked = write(&base.live);
        let table = find_table(&locked, table)?;
        let actor = Actor { users: &self.users, user: grant.user, now: Timestamp::now() };
        let answer = comments::write(&mut locked, table, record, wanted, actor)?;
        self.keep(locked, answer)
    }

    /// Gives the answer to a write once it is where bases are kept.
    fn keep(&self, mut locked: RwLockWriteGuard<'_, Base>, answer: Value) -> Result<Value, AirtableError> {
        let pending = self.bases.keep(&mut locked, self.keeper.as_ref());
        drop(locked); // others go on while the file is written
        match pending.is_none_or(Pending::wait) {
            true => Ok(answer),
            false => Err(AirtableError::server_error()),
        }
    }

    /// Counts the request against its base, if there is one of that id, and its user.
    fn count(&self, route: &Route, grant: &Grant, arrived: Instant) -> Result<(), AirtableError> {
        let limits = *lock(&self.limits);
        let base = route.base().filter(|base| self.bases.has(*base));
        let counted = lock(&self.limiter).arrive(base, grant.user as usize, &limits, arrived);
        counted.map_err(|refused| {
            let seconds = refused.wait.as_secs_f64().ceil().max(1.0) as u64;
            AirtableError::rate_limited(limits.retry_after_header.then_some(seconds))
        })
    }

    /// A base that the token reaches, with that scope, and in which its user has any role.
    fn visible(&self, id: BaseId, grant: &Grant, scope: Scope) -> Result<Arc<Kept>, AirtableError> {
        grant.require(scope)?;
        let base = self.bases.get(id).filter(|base| grant.reaches(id) && base.role > Role::None);
        base.ok_or_else(AirtableError::not_found_or_not_allowed)
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
    async fn read(op: RecordsOp, query: &Query, parts: &Parts, body: Body) -> Result<Self, AirtableError> {
        Ok(match op {
            RecordsOp::List => Self::Read(Read::List(Box::new(ListParams::from_query(query)?))),
            RecordsOp::ListByPost => {
                let body = body::read(&parts.headers, body).await?;
                Self::Read(Read::List(Box::new(ListParams::from_body(query, &body)?)))
            }
            RecordsOp::Get(id) => Self::Read(Read::Get(id, rendering_from_query(query)?)),
            RecordsOp::DeleteOne(id) => Self::Write(Write::delete_one(id)),
            RecordsOp::DeleteMany => Self::Write(Write::delete_many(query)?),
            RecordsOp::Create | RecordsOp::UpdateOne { .. } | RecordsOp::UpdateMany { .. } => {
                Self::Write(Write::from_body(op, body::read(&parts.headers, body).await?)?)
            }
        })
    }
}

fn find_table(base: &Base, name_or_id: &str) -> Result<usize, AirtableError> {
    base.table(name_or_id).ok_or_else(AirtableError::not_found_or_not_allowed)
}
