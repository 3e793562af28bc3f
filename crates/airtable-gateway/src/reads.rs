//! Reads: normalise, look into the cache, share a flight, ask Airtable, keep the answer.

use std::sync::Arc;
use std::time::SystemTime;

use airtable_api::wire::Schema;
use airtable_api::{Failure, SendError, TableKey, calls};
use bytes::Bytes;
use http::response::Parts;
use http::{Method, StatusCode};
use sha2::{Digest, Sha256};
use tokio::time::{Duration, Instant, timeout_at};

use crate::aliases::{Aliases, Lookup};
use crate::answer::Answer;
use crate::call::{Call, Operation};
use crate::caller::Caller;
use crate::directives::{CacheStatus, Directives, Source};
use crate::flights::{Flight, Flights, Progress};
use crate::headers;
use crate::normal::normal_form;
use crate::pacing::{Class, NoSlot, Turn};
use crate::stats::Stats;
use crate::tiers::Tiers;
use crate::upstream::{Outgoing, Trouble, Upstream};
use crate::versions::{Effects, Seen, Versions};

/// How long a shared read may take in all. Each waiter has its own, shorter deadline; this is what Airtable's most
/// patient client allows.
const FLIGHT: Duration = Duration::from_secs(290);

/// Tells the time of day; tests move it.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

type Outcome = Result<Arc<Answer>, Trouble>;

/// The reading half of the gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reads(Arc<Inner>);

struct Inner {
    tiers: Tiers,
    versions: Versions,
    flights: Flights<Outcome>,
    aliases: Aliases,
    upstream: Upstream,
    stats: Arc<Stats>,
    clock: Clock,
    /// Whether the cache is switched on.
    keeps: bool,
}

/// A read to answer.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub call: Call,
    pub out: Outgoing,
    pub directives: Directives,
}

/// An answer, and how it came about.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub answer: Arc<Answer>,
    pub status: CacheStatus,
    /// How old the answer is.
    pub age: Duration,
}

/// A key of the cache, and what is needed to fill it.
struct Place {
    key: String,
    /// Where the same answer may be kept as well: under the table's name if it was read before the name's meaning was
    /// known.
    twin: Option<String>,
    normal_form: String,
}

impl Reads {
    /// `clock` is [`SystemTime::now`] outside of tests.
    pub(crate) fn new(
        tiers: Tiers,
        versions: Versions,
        upstream: Upstream,
        stats: Arc<Stats>,
        clock: Clock,
    ) -> Self {
        let (flights, aliases) = (Flights::new(), Aliases::default());
        let keeps = tiers.keep();
        Self(Arc::new(Inner { tiers, versions, flights, aliases, upstream, stats, clock, keeps }))
    }

    /// Answers a cacheable read by `deadline`.
    pub(crate) async fn read(
        &self,
        caller: &Caller,
        read: Read,
        deadline: Instant,
    ) -> Result<Served, Trouble> {
        let served = self.answer(caller, read, deadline).await;
        if let Ok(served) = &served {
            self.0.stats.read(&served.status);
            metrics::counter!("cache_requests_total", "tier" => "process", "result" => served.status.label())
                .increment(1);
        }
        served
    }

    async fn answer(&self, caller: &Caller, read: Read, deadline: Instant) -> Result<Served, Trouble> {
        let place = self.place(caller, &read).await;
        let kept = match &place {
            Some(place) => {
                let (key, twin) = (&place.key, place.twin.as_deref());
                self.0.tiers.get(key, twin, (self.0.clock)()).await.map(Arc::new)
            }
            None => None,
        };
        let now = (self.0.clock)();
        let directives = read.directives;
        if let Some(kept) = &kept {
            let age = kept.age(now);
            if directives.accept(age, kept.life.fresh) {
                return Ok(self.kept(kept.clone(), Source::Hit, now));
            }
            if directives.allow_stale() && age < kept.life.fresh + kept.life.while_revalidate {
                if let Some(place) = place
                    && !directives.only_if_cached
                {
                    self.refresh(caller, read, place);
                }
                return Ok(self.kept(kept.clone(), Source::StaleWhileRevalidate, now));
            }
        }
        if directives.only_if_cached {
            return Err(Trouble::NotCached);
        }
        let source = match (&kept, &place) {
            _ if !directives.accept(Duration::ZERO, Duration::MAX) => Source::Request,
            (_, None) => Source::Bypass,
            (Some(kept), _) if kept.age(now) < kept.life.fresh => Source::Request,
            (Some(_), _) => Source::Expired,
            (None, _) => Source::Miss,
        };
        let (lane, keeps) = (Upstream::lane(caller, &read.call), place.is_some() && !directives.no_store);
        let Flight { landed, progress, collapsed } = self.fly(caller, read, place, source);
        let outcome = match timeout_at(deadline, landed).await {
            Ok(outcome) => outcome.unwrap_or(Err(Trouble::Lost)),
            Err(_) if progress.is_sent() => Err(Trouble::Late),
            Err(_) => {
                let retry_after = self.0.upstream.pacing().estimate(&lane);
                Err(Trouble::NoSlot(NoSlot { retry_after }))
            }
        };
        let failed = match &outcome {
            Ok(answer) => answer.status.is_server_error(),
            Err(_) => true,
        };
        if let Some(kept) = kept
            && failed
            && directives.allow_stale()
            && kept.age(now) < kept.life.fresh + kept.life.if_error
        {
            return Ok(self.kept(kept, Source::StaleIfError, now));
        }
        let answer = outcome?;
        let now = (self.0.clock)();
        let stored = keeps && self.0.keeps && !answer.life.fresh.is_zero();
        let ttl = stored.then(|| answer.ttl(now));
        let status = CacheStatus { source, collapsed, stored, ttl };
        Ok(Served { age: answer.age(now), answer, status })
    }

    fn kept(&self, answer: Arc<Answer>, source: Source, now: SystemTime) -> Served {
        let ttl = Some(answer.ttl(now));
        let status = CacheStatus { source, collapsed: false, stored: false, ttl };
        Served { age: answer.age(now), answer, status }
    }

    /// The flight that answers this read: a shared one where it may be shared.
    fn fly(&self, caller: &Caller, read: Read, place: Option<Place>, source: Source) -> Flight<Outcome> {
        let (this, caller) = (self.clone(), caller.clone());
        let Some(place) = place else {
            return self.0.flights.fresh(move |progress| async move {
                let deadline = Instant::now() + FLIGHT;
                this.fetch(&caller, &read, "", deadline, &progress).await
            });
        };
        let (key, twin) = (place.key.clone(), place.twin.clone());
        let turn = Turn { principal: caller.principal.clone(), class: caller.class };
        // Who insists on Airtable's own word may not share one that was asked for before; and what is not to be kept is
        // nobody else's.
        let alone = source == Source::Request || read.directives.no_store;
        let begin = move |progress| async move { this.fill(caller, read, place, progress).await };
        if alone {
            self.0.flights.fresh(begin)
        } else {
            self.0.flights.join(&key, twin.as_deref(), turn, begin)
        }
    }

    /// Fetches a new answer while nobody waits for it.
    fn refresh(&self, caller: &Caller, read: Read, place: Place) {
        let read = Read { directives: Directives::default(), ..read };
        let caller = Caller { class: Class::Background, ..caller.clone() };
        let flight = self.fly(&caller, read, Some(place), Source::Expired);
        if !flight.collapsed {
            tokio::spawn(flight.landed);
        }
    }

    /// Fetches an answer and keeps it.
    async fn fill(&self, caller: Caller, read: Read, place: Place, progress: Arc<Progress>) -> Outcome {
        let deadline = Instant::now() + FLIGHT;
        let answer = self.fetch(&caller, &read, &place.normal_form, deadline, &progress).await?;
        if !answer.status.is_success()
            && Failure::parse(&answer.body).is_dead_offset()
            && let Some(base) = &read.call.base
        {
            // The page that named this offset may be in the cache: whoever starts again must not get it once more.
            self.0.versions.raise(&Effects::on_base(base)).await;
        }
        if self.contradicts_names(&caller, &read, &place, &answer) {
            return Ok(Arc::new(answer.unkept()));
        }
        if !answer.life.fresh.is_zero() && !read.directives.no_store {
            self.0.tiers.put(&place.key, &answer).await;
        }
        Ok(answer)
    }

    /// Whether the table is not there by the name that it was known to have: somebody else renamed it. That says nothing
    /// about the table's id, under which the answer would be kept.
    fn contradicts_names(&self, caller: &Caller, read: &Read, place: &Place, answer: &Answer) -> bool {
        let is_named = matches!(read.call.table, Some(TableKey::Name(_))) && place.twin.is_some();
        let is_refused = is_named && !answer.status.is_success();
        // A record that is not there is no sign of a renamed table.
        if is_refused
            && read.call.operation == Operation::ListRecords
            && Failure::parse(&answer.body).is_not_found()
            && let Some(base) = &read.call.base
        {
            self.0.aliases.forget(&caller.credential.scope, base);
        }
        is_refused
    }

    /// Asks Airtable. A success that is not JSON is none.
    async fn fetch(
        &self,
        caller: &Caller,
        read: &Read,
        normal_form: &str,
        deadline: Instant,
        progress: &Progress,
    ) -> Outcome {
        let names_seen = match (&read.call.base, read.call.operation) {
            (Some(base), Operation::Schema) => self.0.versions.view(Some(base)).await.map(|view| view.names),
            _ => None,
        };
        let (head, body): (Parts, Bytes) =
            self.0.upstream.read(caller, &read.call, &read.out, deadline, progress).await?;
        if head.status == StatusCode::OK {
            serde_json::from_slice::<serde::de::IgnoredAny>(&body).map_err(SendError::NotUnderstood)?;
        }
        if let (Some(seen), Some(base), StatusCode::OK) = (names_seen, &read.call.base, head.status)
            && let Ok(schema) = serde_json::from_slice::<Schema>(&body)
        {
            self.0.aliases.learn(&caller.credential.scope, base, &schema, seen);
        }
        let kept = headers::from_airtable(&head.headers);
        let received = (self.0.clock)();
        Ok(Arc::new(Answer::new(&read.call, normal_form, head.status, kept, body, received)))
    }

    /// Where the answer to this read is kept; `None` if it must not be.
    async fn place(&self, caller: &Caller, read: &Read) -> Option<Place> {
        let is_post = read.out.method == Method::POST;
        if is_post && !headers::is_json(&read.out.headers) {
            return None; // Airtable may read it in another way, or not at all
        }
        let body = is_post.then_some(&read.out.body[..]);
        let normal_form = normal_form(&read.call, read.out.target.query(), body)?;
        let view = self.0.versions.view(read.call.base.as_ref()).await?;
        let Seen { everything, own } = view.data;
        let (table, twin) = self.table(caller, read, view.names);
        let scope = &caller.credential.scope;
        let base = read.call.base.as_ref().map_or("", |base| base.as_str());
        let key = |table: String| {
            // Each part but the last is free of line breaks, so no two requests write the same text.
            let table = table.replace('\n', "\\n");
            let text = format!("{scope}\n{base}\n{everything}.{own}\n{table}\n{normal_form}");
            format!("v1:{base}:{}", hex::encode(Sha256::digest(text)))
        };
        Some(Place { key: key(table), twin: twin.map(key), normal_form })
    }

    /// The table as it stands in the key: its id, if the name's meaning is known. Then also as it stood there before it
    /// was: the first read by name waits for nobody, so its answer is kept under the name.
    fn table(&self, caller: &Caller, read: &Read, seen: Seen) -> (String, Option<String>) {
        let (Some(base), Some(table)) = (&read.call.base, &read.call.table) else {
            return Default::default();
        };
        let scope = &caller.credential.scope;
        match table {
            TableKey::Id(id) => {
                let name = self.0.aliases.name_of(scope, base, id, seen);
                (format!("id:{id}"), name.map(|name| format!("name:{name}")))
            }
            TableKey::Name(name) => {
                let by_name = format!("name:{name}");
                if !self.0.keeps {
                    return (by_name, None); // a call for the schema would save none
                }
                match self.0.aliases.look_up(scope, base, name, seen) {
                    Lookup::Known(id) => return (format!("id:{id}"), Some(by_name)),
                    Lookup::Unknown => {}
                    Lookup::Learn => self.learn_names(caller, base),
                }
                (by_name, None)
            }
        }
    }

    /// Reads the schema beside the read that met an unknown name, without delaying it.
    fn learn_names(&self, caller: &Caller, base: &airtable_api::BaseId) {
        let Ok(call) = calls::base_schema(base) else { return };
        let read = Read {
            call: Call::about(Operation::Schema, Some(base.clone())),
            out: Outgoing {
                method: call.method,
                target: call.target,
                headers: http::HeaderMap::new(),
                body: Bytes::new(),
            },
            directives: Directives { no_cache: true, ..Directives::default() },
        };
        let (this, base) = (self.clone(), base.clone());
        let caller = Caller { class: Class::Background, ..caller.clone() };
        tokio::spawn(async move {
            // A token that may not read schemas learns nothing; that is no error of anybody's. After an outage the next
            // read tries again.
            if !this.learn_from(&caller, read).await {
                this.0.aliases.forget(&caller.credential.scope, &base);
            }
        });
    }

    /// Whether there was an answer of Airtable's, whatever it was.
    async fn learn_from(&self, caller: &Caller, read: Read) -> bool {
        let Some(place) = Box::pin(self.place(caller, &read)).await else { return false };
        let flight = self.fly(caller, read, Some(place), Source::Miss);
        matches!(flight.landed.await, Some(Ok(answer)) if !answer.status.is_server_error())
    }

    /// Forgets what is kept about a base, or everything.
    pub(crate) async fn invalidate(&self, effects: &Effects) {
        self.0.versions.raise(effects).await;
        if *effects == Effects::on_everything() {
            self.0.tiers.clear();
        }
    }

    /// How full the cache is.
    pub(crate) fn usage(&self) -> storage::CacheUsage {
        self.0.tiers.usage()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

    use airtable_api::{AirtableClient, Origin, Target};
    use axum::Router;
    use service_kit::outbound::http_client;
    use storage::MemoryGenerations;

    use super::*;
    use crate::call::tests::classify;
    use crate::pacing::Pacing;

    /// A gateway's reads before an Airtable that counts its calls and answers with a status that can be set.
    struct World {
        reads: Reads,
        calls: Arc<AtomicUsize>,
        status: Arc<AtomicU16>,
        now: Arc<Mutex<SystemTime>>,
    }

    impl World {
        async fn new() -> Self {
            let (calls, status) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU16::new(200)));
            let (count, answer) = (calls.clone(), status.clone());
            let server = Router::new().fallback(async move || {
                let n = count.fetch_add(1, Ordering::Relaxed);
                let status = StatusCode::from_u16(answer.load(Ordering::Relaxed)).unwrap();
                (status, format!("{{\"n\":{n}}}"))
            });
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let origin = Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
            tokio::spawn(async move { axum::serve(listener, server).await });
            let client = AirtableClient::new(http_client(&origin.to_uri()).unwrap(), origin);
            let stats = Arc::<Stats>::default();
            let shutdown = service_kit::serve::Shutdown::manual();
            let upstream = Upstream::new(client, Pacing::off(), stats.clone(), shutdown);
            let versions = Versions::new(Arc::new(MemoryGenerations::new()));
            let now = Arc::new(Mutex::new(SystemTime::now()));
            let clock = now.clone();
            let clock: Clock = Arc::new(move || *clock.lock().unwrap());
            let reads = Reads::new(Tiers::new(1 << 20, None), versions, upstream, stats, clock);
            Self { reads, calls, status, now }
        }

        fn pass(&self, seconds: u64) {
            *self.now.lock().unwrap() += Duration::from_secs(seconds);
        }

        async fn read(&self, directives: Directives) -> Result<Served, Trouble> {
            let path = "/v0/appAAAAAAAAAAAAAA/tblAAAAAAAAAAAAAA";
            let read = Read {
                call: classify("GET", path),
                out: Outgoing {
                    method: Method::GET,
                    target: Target::raw(path.parse().unwrap()),
                    headers: http::HeaderMap::new(),
                    body: Bytes::new(),
                },
                directives,
            };
            let caller = Caller::of_token("patX".into());
            self.reads.read(&caller, read, Instant::now() + Duration::from_secs(20)).await
        }

        async fn source(&self) -> (Source, i64) {
            let served = self.read(Directives::default()).await.unwrap();
            (served.status.source, served.status.ttl.unwrap_or(0))
        }

        async fn wait_for_calls(&self, count: usize) {
            for _ in 0..1_000 {
                if self.calls.load(Ordering::Relaxed) >= count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            panic!("{} calls", self.calls.load(Ordering::Relaxed));
        }
    }

    #[tokio::test]
    async fn an_answer_is_fresh_then_used_while_a_new_one_is_fetched_then_gone() {
        let world = World::new().await;
        assert_eq!(world.source().await, (Source::Miss, 30));
        world.pass(29);
        assert_eq!(world.source().await, (Source::Hit, 1));
        world.pass(2);
        assert_eq!(world.source().await, (Source::StaleWhileRevalidate, -1));
        world.wait_for_calls(2).await;
        // The new answer arrives beside; the next reads see it.
        for _ in 0..500 {
            if world.source().await == (Source::Hit, 30) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(world.source().await, (Source::Hit, 30));
        world.pass(91);
        assert_eq!(world.source().await, (Source::Expired, 30));
        assert_eq!(world.calls.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn an_old_answer_helps_over_an_outage_for_a_while_and_says_so() {
        let world = World::new().await;
        world.source().await;
        world.status.store(500, Ordering::Relaxed);
        world.pass(120);
        let served = world.read(Directives::default()).await.unwrap();
        assert_eq!((served.status.source, served.status.ttl), (Source::StaleIfError, Some(-90)));
        assert_eq!((served.age.as_secs(), &served.answer.body[..]), (120, &b"{\"n\":0}"[..]));
        let strict = Directives { max_age: Some(Duration::from_secs(60)), ..Directives::default() };
        assert_eq!(world.read(strict).await.unwrap().answer.status, 500, "who names an age gets the truth");
        world.pass(600);
        assert_eq!(world.read(Directives::default()).await.unwrap().answer.status, 500);
    }

    #[tokio::test]
    async fn nothing_from_before_a_write_is_used_even_in_an_outage() {
        let world = World::new().await;
        world.source().await;
        let base = airtable_api::BaseId::parse("appAAAAAAAAAAAAAA").unwrap();
        world.reads.invalidate(&Effects::on_base(&base)).await;
        world.status.store(500, Ordering::Relaxed);
        assert_eq!(world.read(Directives::default()).await.unwrap().answer.status, 500);
    }

    #[tokio::test]
    async fn who_takes_kept_answers_only_causes_no_call() {
        let world = World::new().await;
        let only = Directives { only_if_cached: true, ..Directives::default() };
        assert!(matches!(world.read(only).await, Err(Trouble::NotCached)));
        world.source().await;
        world.pass(60);
        assert_eq!(world.read(only).await.unwrap().status.source, Source::StaleWhileRevalidate);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(world.calls.load(Ordering::Relaxed), 1);
    }
}
