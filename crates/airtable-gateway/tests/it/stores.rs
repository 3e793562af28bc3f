//! Gateways that share Redis and Postgres, and what they do when one of those is gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use service_kit::auth::{Bases, Scopes};
use service_kit::keys::ApiKey;
use storage::{ApiKeyStore as _, PostgresStore};
use test_servers::{Postgres, Redis};

use crate::support::{Act, BASE, Gateway, Scripted, TABLE, free_emulator};

const RECORD: &str = "rec00000000000001";

fn record() -> String {
    format!("/v0/{BASE}/{TABLE}/{RECORD}")
}

/// A gateway without pacing that has found its stores.
async fn gateway(upstream: SocketAddr, settings: &[(&str, &str)]) -> Gateway {
    let settings = [&[("PACING", "off")], settings].concat();
    let gateway = Gateway::with(upstream, &settings).await;
    until(&gateway, "/ready", |answer| answer["status"] == "ready").await;
    gateway
}

async fn pair(redis: &Redis) -> (Gateway, Gateway) {
    let emulator = free_emulator().await;
    let url = redis.url();
    let settings = [("REDIS_URL", url.as_str())];
    tokio::join!(gateway(emulator, &settings), gateway(emulator, &settings))
}

/// Asks until the answer is as expected.
async fn until(gateway: &Gateway, target: &str, expected: impl Fn(&Value) -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = gateway.get(target).await.json();
        if expected(&answer) {
            return;
        }
        assert!(Instant::now() < patience, "{target} stays {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until_cached(gateway: &Gateway) {
    let patience = Instant::now() + Duration::from_secs(20);
    while gateway.get(&record()).await.cache() != "hit" {
        assert!(Instant::now() < patience, "the cache is not used again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn name(gateway: &Gateway) -> (String, String) {
    let answer = gateway.get(&record()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let name = answer.json()["fields"]["Name"].as_str().unwrap_or_default().to_owned();
    (name, answer.cache().to_owned())
}

async fn rename(gateway: &Gateway, name: &str) {
    let body = json!({"fields": {"Name": name}}).to_string();
    let answer = gateway.send(Method::PATCH, &record(), &[], &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn what_one_gateway_has_read_another_need_not_read() {
    let redis = Redis::start();
    let (one, other) = pair(&redis).await;
    // Each raises the era once, before it uses a counter for the first time.
    name(&other).await;
    assert_eq!(name(&one).await.1, "fwd=miss");
    assert_eq!(name(&other).await.1, "hit");
    assert_eq!(name(&one).await.1, "hit");
}

#[tokio::test]
async fn a_write_through_one_gateway_is_seen_by_the_other_at_once() {
    let redis = Redis::start();
    let (one, other) = pair(&redis).await;
    for n in 0..20 {
        name(&one).await;
        name(&other).await;
        let (writer, reader) = if n % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let new = format!("name {n}");
        rename(writer, &new).await;
        assert_eq!(name(reader).await.0, new);
        assert_eq!(name(writer).await.0, new);
    }
}

#[tokio::test]
async fn without_redis_answers_are_fresh_and_say_so_and_the_cache_comes_back_by_itself() {
    let mut redis = Redis::start();
    let (one, other) = pair(&redis).await;
    until_cached(&one).await;
    until_cached(&other).await;
    redis.kill();
    for gateway in [&one, &other] {
        assert_eq!(name(gateway).await, ("n1".to_owned(), "fwd=bypass".to_owned()));
    }
    let asked = Instant::now();
    for _ in 0..20 {
        assert_eq!(name(&one).await.1, "fwd=bypass");
    }
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    until(&one, "/health", |health| health["status"] == "degraded").await;
    assert_eq!(one.get("/ready").await.status, 200, "it serves");
    let only = one.get_with(&record(), &[("cache-control", "only-if-cached")]).await;
    assert_eq!(only.status, 504);

    redis.restart();
    until_cached(&one).await;
    until_cached(&other).await;
    until(&one, "/health", |health| health["status"] == "healthy").await;
}

#[tokio::test]
async fn what_was_written_while_redis_was_gone_is_what_everybody_reads_afterwards() {
    let mut redis = Redis::start();
    let (one, other) = pair(&redis).await;
    until_cached(&one).await;
    until_cached(&other).await;
    redis.kill();
    rename(&one, "written without Redis").await;
    assert_eq!(name(&one).await.0, "written without Redis");
    assert_eq!(name(&other).await.0, "written without Redis");
    // The old answer is still in the memory of both and, when it is back, in Redis.
    redis.restart();
    for _ in 0..50 {
        assert_eq!(name(&other).await.0, "written without Redis");
        assert_eq!(name(&one).await.0, "written without Redis");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    until_cached(&other).await;
    assert_eq!(name(&other).await.0, "written without Redis");
}

#[tokio::test]
async fn one_who_lost_redis_alone_makes_its_writes_known_when_it_is_back() {
    let redis = Redis::start();
    let (one, other) = pair(&redis).await;
    until_cached(&other).await;
    // As if the line to one of them were cut at the moment of its write: Redis takes no writes any more.
    command(&redis, &["CONFIG", "SET", "maxmemory", "1"]).await;
    rename(&one, "unheard of").await;
    assert_eq!(name(&one).await, ("unheard of".to_owned(), "fwd=bypass".to_owned()));
    command(&redis, &["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(name(&one).await.0, "unheard of");
    assert_eq!(name(&other).await.0, "unheard of", "told by the first read of the other");
}

/// Whatever Redis does meanwhile, a read that begins after a write was answered shows that write or a later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_older_than_a_write_that_was_answered_before_it_through_either_gateway() {
    let mut redis = Redis::start();
    let (one, other) = pair(&redis).await;
    let gateways = Arc::new([one, other]);
    let (answered, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut work = tokio::task::JoinSet::new();
    for reader in 0..6 {
        let (gateways, answered, stop) = (gateways.clone(), answered.clone(), stop.clone());
        work.spawn(async move {
            let (mut hits, mut bypassed) = (0, 0);
            while !stop.load(Ordering::SeqCst) {
                let before = answered.load(Ordering::SeqCst);
                let answer = gateways[reader % 2].get(&record()).await;
                let seen = answer.json()["fields"]["N"].as_u64().unwrap();
                assert!(seen >= before, "{seen} after {before}: {answer:?}");
                hits += usize::from(answer.cache() == "hit");
                bypassed += usize::from(answer.cache() == "fwd=bypass");
            }
            (hits, bypassed)
        });
    }
    let writer = {
        let (gateways, answered, stop) = (gateways.clone(), answered.clone(), stop.clone());
        tokio::spawn(async move {
            for n in 2_u64.. {
                if stop.load(Ordering::SeqCst) {
                    return n;
                }
                let body = json!({"fields": {"N": n}}).to_string();
                let gateway = &gateways[usize::from(n % 3 == 0)];
                let answer = gateway.send(Method::PATCH, &record(), &[], &body).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                answered.store(n, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(3 + 7 * (n % 4))).await;
            }
            unreachable!("nobody writes so often")
        })
    };
    // The servers are handled on a thread of their own: their calls block.
    let redis = tokio::task::spawn_blocking(move || {
        let pause = || std::thread::sleep(Duration::from_millis(700));
        pause();
        for _ in 0..2 {
            redis.kill();
            pause();
            redis.restart();
            pause();
            redis.freeze();
            pause();
            redis.thaw();
            pause();
        }
        redis
    });
    let redis = redis.await.unwrap();
    command(&redis, &["FLUSHALL"]).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    stop.store(true, Ordering::SeqCst);
    let writes = writer.await.unwrap();
    let (mut hits, mut bypassed) = (0, 0);
    while let Some(read) = work.join_next().await {
        let (hit, past) = read.unwrap();
        hits += hit;
        bypassed += past;
    }
    println!("{writes} writes, {hits} hits, {bypassed} reads past the cache");
    assert!(hits > 20 && bypassed > 20, "{hits} hits, {bypassed} past the cache: it did not come to that");
}

#[tokio::test]
async fn a_flushed_redis_brings_nothing_old_back() {
    let redis = Redis::start();
    let (one, other) = pair(&redis).await;
    until_cached(&one).await;
    until_cached(&other).await;
    rename(&one, "new").await;
    command(&redis, &["FLUSHALL"]).await;
    assert_eq!(name(&other).await.0, "new");
    assert_eq!(name(&one).await.0, "new");
    until_cached(&other).await;
    assert_eq!(name(&other).await.0, "new");
}

#[tokio::test]
async fn a_pause_that_airtable_asks_of_one_gateway_holds_for_the_other() {
    let too_many = r#"{"errors":[{"error":"RATE_LIMIT_REACHED","message":"m"}]}"#;
    let upstream = Scripted::start(move |n, _| match n {
        0 => Act::with(429, &[("retry-after", "3")], too_many),
        _ => Act::json(200, "{}"),
    })
    .await;
    let redis = Redis::start();
    let url = redis.url();
    let settings = [("REDIS_URL", url.as_str()), ("PACING", "on")];
    let (one, other) =
        tokio::join!(gateway(upstream.address, &settings), gateway(upstream.address, &settings));
    let asked = tokio::spawn(async move { one.get(&record()).await });
    upstream.wait_for(1).await;
    let paused = Instant::now();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(other.get(&record()).await.status, 200);
    assert!(paused.elapsed() >= Duration::from_millis(2_800), "sent after {:?}", paused.elapsed());
    assert_eq!(asked.await.unwrap().status, 200, "it was sent again");
}

#[tokio::test]
async fn a_gateway_that_has_not_found_redis_yet_is_alive_but_not_ready() {
    let mut redis = Redis::start();
    redis.kill();
    let url = redis.url();
    let gateway =
        Gateway::with(free_emulator().await, &[("REDIS_URL", url.as_str()), ("PACING", "off")]).await;
    let health = gateway.get("/health").await;
    assert_eq!(health.status, 200);
    assert_eq!(gateway.get("/ready").await.status, 503);
    assert!(!health.text().contains(redis.password()), "{}", health.text());
    redis.restart();
    until(&gateway, "/ready", |answer| answer["status"] == "ready").await;
    until_cached(&gateway).await;
}

#[tokio::test]
async fn keys_in_a_database_work_everywhere_and_for_a_while_without_it() {
    let mut postgres = Postgres::start();
    let (emulator, url) = (free_emulator().await, postgres.url());
    let settings = [("DATABASE_URL", url.as_str())];
    let (mut one, mut other) =
        tokio::join!(Gateway::with(emulator, &settings), Gateway::with(emulator, &settings));
    let store = PostgresStore::new(&url.parse().unwrap());
    store.prepare().await.unwrap();
    let mint = async || {
        let key = ApiKey::mint().unwrap();
        let now = std::time::SystemTime::now();
        store.insert(&key.record("test", Scopes::ALL, &Bases::All, now, None)).await.unwrap();
        key.expose().to_owned()
    };
    let (known, unknown) = (mint().await, mint().await);
    (one.key, other.key) = (known.clone(), known.clone());
    for gateway in [&one, &other] {
        until(gateway, "/ready", |answer| answer["status"] == "ready").await;
        name(gateway).await;
    }

    postgres.kill();
    name(&one).await; // was verified just now
    let bearer = format!("Bearer {unknown}");
    let refused = one.get_with(&record(), &[("authorization", &bearer)]).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    until(&one, "/ready", |answer| answer["status"] == "not ready").await;
    assert_eq!(one.get("/health").await.json()["status"], "degraded");

    postgres.restart();
    until(&one, "/ready", |answer| answer["status"] == "ready").await;
    let answered = one.get_with(&record(), &[("authorization", &bearer)]).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    name(&other).await;
}

async fn command(server: &Redis, words: &[&str]) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd(words[0]).arg(&words[1..]).query_async::<()>(&mut connection).await.unwrap();
}
