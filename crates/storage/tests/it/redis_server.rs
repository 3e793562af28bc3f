//! What becomes of the store when something happens to its server.

use std::time::{Duration, Instant};

use bytes::Bytes;
use storage::{Cache as _, Generations as _, RedisStore, StorageError};
use test_servers::Redis;

const LONG: Duration = Duration::from_secs(3600);

/// A call that cannot be answered takes no longer, also on a busy machine.
const SOON: Duration = Duration::from_millis(200);

async fn connect(server: &Redis) -> RedisStore {
    let store = RedisStore::new(&server.url().parse().unwrap()).unwrap();
    store.connect().await.unwrap();
    store
}

async fn current(store: &RedisStore) -> Result<u64, StorageError> {
    store.current_of(&["app"]).await.map(|values| values[0])
}

async fn raise(store: &RedisStore) -> u64 {
    store.raise_all(&["app"]).await.unwrap()[0]
}

/// What an administrator does.
async fn command(server: &Redis, words: &[&str]) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd(words[0]).arg(&words[1..]).query_async::<()>(&mut connection).await.unwrap();
}

async fn until_back(store: &RedisStore) {
    let patience = Instant::now() + Duration::from_secs(20);
    while store.ping().await.is_err() {
        assert!(Instant::now() < patience, "the store does not come back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_store_that_was_never_reached_says_so_at_once() {
    let mut server = Redis::start();
    server.kill();
    let store = RedisStore::new(&server.url().parse().unwrap()).unwrap();
    assert!(store.connect().await.is_err());
    assert!(matches!(current(&store).await, Err(StorageError::Unavailable { .. })));
    store.put("a", Bytes::from_static(b"1"), LONG).await;
    assert_eq!(store.get("a").await, None);
    server.restart();
    store.connect().await.unwrap();
    current(&store).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let server = Redis::start();
    let url = server.url().replace(server.password(), "hunter2");
    let store = RedisStore::new(&url.parse().unwrap()).unwrap();
    let error = format!("{:?}", store.connect().await.unwrap_err());
    assert!(error.contains("Password") && !error.contains("hunter2"), "{error}");
}

/// Not a test by itself: a process that trusts what it is told to, run by the next test.
#[tokio::test]
async fn a_process_that_trusts_an_authority() {
    if std::env::args().any(|argument| argument == "--exact") {
        let mut url = String::new();
        std::io::stdin().read_line(&mut url).unwrap();
        let store = RedisStore::new(&url.trim().parse().unwrap()).unwrap();
        store.connect().await.unwrap();
        current(&store).await.unwrap();
        println!("CONNECTED");
    }
}

#[tokio::test]
async fn an_encrypted_connection_is_made_to_whom_the_machine_trusts_and_to_nobody_else() {
    let server = Redis::start_encrypted();
    let store = RedisStore::new(&server.url().parse().unwrap()).unwrap();
    let error = store.connect().await.unwrap_err();
    assert!(format!("{error:?}").to_lowercase().contains("certificate"), "{error:?}");

    let mut process = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "redis_server::a_process_that_trusts_an_authority", "--nocapture"])
        .env("SSL_CERT_FILE", server.authority())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut process.stdin.take().unwrap(), server.url().as_bytes()).unwrap();
    let said = process.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("CONNECTED"), "{said}");
}

#[tokio::test]
async fn what_one_raises_another_sees_at_once() {
    let server = Redis::start();
    let (one, other) = (connect(&server).await, connect(&server).await);
    current(&other).await.unwrap();
    for _ in 0..100 {
        let raised = raise(&one).await;
        assert_eq!(current(&other).await.unwrap(), raised);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_read_and_raise_at_once_never_see_a_counter_go_back() {
    let server = Redis::start();
    let (one, other) = (connect(&server).await, connect(&server).await);
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let store = if n % 2 == 0 { one.clone() } else { other.clone() };
            tokio::spawn(async move {
                let (own, mut latest) = (format!("own {n}"), [0; 2]);
                for round in 0..50 {
                    let scopes = [own.as_str(), "common"];
                    let seen = store.current_of(&scopes).await.unwrap();
                    assert!(seen[0] >= latest[0] && seen[1] >= latest[1], "{seen:?} after {latest:?}");
                    latest = [seen[0], seen[1]];
                    if round % 5 == n % 5 {
                        let raised = store.raise_all(&scopes).await.unwrap();
                        assert!(raised[0] > latest[0] && raised[1] > latest[1]);
                        latest = [raised[0], raised[1]];
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn values_of_one_are_found_by_another_until_the_server_is_killed_and_both_come_back() {
    let mut server = Redis::start();
    let (one, other) = (connect(&server).await, connect(&server).await);
    one.put("a", Bytes::from_static(b"1"), LONG).await;
    assert!(other.get("a").await.is_some());
    server.kill();
    assert_eq!(one.get("a").await, None);
    let asked = Instant::now();
    assert!(current(&one).await.is_err());
    assert!(asked.elapsed() < SOON, "a lost server costs {:?} each time", asked.elapsed());
    server.restart();
    for store in [&one, &other] {
        until_back(store).await;
        assert!(store.get("a").await.is_some());
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_found_again() {
    let mut server = Redis::start();
    let store = connect(&server).await;
    server.freeze();
    assert!(current(&store).await.is_err());
    let asked = Instant::now();
    assert!(current(&store).await.is_err());
    assert!(asked.elapsed() < SOON, "a hanging server costs {:?} each time", asked.elapsed());
    server.thaw();
    until_back(&store).await;
    current(&store).await.unwrap();
}

#[tokio::test]
async fn counters_do_not_go_back_when_everything_is_flushed() {
    let server = Redis::start();
    let store = connect(&server).await;
    current(&store).await.unwrap();
    let mut latest = 0;
    for _ in 0..100 {
        latest = raise(&store).await;
    }
    command(&server, &["FLUSHALL"]).await;
    assert!(current(&store).await.unwrap() > latest);
    command(&server, &["FLUSHALL"]).await;
    command(&server, &["SCRIPT", "FLUSH"]).await;
    assert!(raise(&store).await > latest);
}

#[tokio::test]
async fn counters_do_not_go_back_when_the_server_comes_back_with_old_data() {
    let mut server = Redis::start();
    let (one, idle) = (connect(&server).await, connect(&server).await);
    let old = raise(&one).await;
    let file = server.directory().join("appendonlydir");
    let before = std::fs::read_dir(&file).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (std::fs::read(&path).unwrap(), path)
    });
    let before: Vec<_> = before.collect();
    let latest = raise(&one).await.max(current(&idle).await.unwrap());
    server.kill();
    for (content, path) in before {
        std::fs::write(path, content).unwrap();
    }
    server.restart();
    until_back(&one).await;
    assert!(current(&one).await.unwrap() > latest.max(old));
    // Who did not notice in time is told by an error, and then knows.
    let _ = current(&idle).await;
    until_back(&idle).await;
    assert!(current(&idle).await.unwrap() > latest);
}

#[tokio::test]
async fn a_raise_that_failed_is_made_good_before_counters_are_read_again() {
    let server = Redis::start();
    let (one, other) = (connect(&server).await, connect(&server).await);
    let before = raise(&one).await.max(current(&other).await.unwrap());
    command(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(one.raise_all(&["app"]).await.is_err());
    assert!(current(&one).await.is_err(), "the counter is not what it should be");
    command(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    let after = current(&one).await.unwrap();
    assert!(after > before);
    assert_eq!(current(&other).await.unwrap(), after, "others see it too");
}

#[tokio::test]
async fn a_raise_that_was_cut_off_is_made_good_before_counters_are_read_again() {
    let mut server = Redis::start();
    let store = connect(&server).await;
    let before = raise(&store).await;
    server.kill();
    assert!(store.raise_all(&["app"]).await.is_err());
    server.restart();
    until_back(&store).await;
    assert!(current(&store).await.unwrap() > before);
}

#[tokio::test]
async fn a_new_password_is_used_for_the_connections_after_it() {
    let server = Redis::start();
    let address: storage::RedisAddress = server.url().parse().unwrap();
    let store = RedisStore::new(&address).unwrap();
    store.connect().await.unwrap();
    command(&server, &["CONFIG", "SET", "requirepass", "it's new"]).await;
    store.move_to(&address.with_password("it's new")).unwrap();
    let client = redis::Client::open(server.url().replace(server.password(), "it's%20new")).unwrap();
    let mut administrator = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "normal"])
        .query_async::<()>(&mut administrator)
        .await
        .unwrap();
    assert!(store.ping().await.is_err(), "the connection was cut");
    until_back(&store).await;
}
