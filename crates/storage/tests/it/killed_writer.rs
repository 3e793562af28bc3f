//! A process that appends is killed with -9 at any moment: nothing that it was told is kept is lost.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::json;
use storage::{NewEvent, PostgresStore, SessionRecord, SessionStore, SqliteStore, UsageFilter, UsageRecord};

/// Not a test by itself: the process that the tests below kill. Reads where to write from standard input, and prints the
/// number of each event that was acknowledged.
#[tokio::test]
async fn a_writer_to_be_killed() {
    if !std::env::args().any(|argument| argument == "--exact") {
        return;
    }
    let mut place = String::new();
    std::io::stdin().read_line(&mut place).unwrap();
    let store = open(place.trim()).await;
    let mut latest = store.find("s").await.unwrap().unwrap().last_seq;
    loop {
        // Large enough for several pages of a log.
        let events = [1, 2]
            .map(|part| NewEvent { kind: "n".to_owned(), body: json!([latest + part, "x".repeat(5_000)]) });
        latest = store.append("s", latest, &events, &[usage(latest)]).await.unwrap();
        println!("ACKNOWLEDGED {latest}");
    }
}

async fn open(place: &str) -> Box<dyn SessionStore> {
    if place.starts_with("postgresql:") {
        let store = PostgresStore::new(&place.parse().unwrap());
        store.prepare().await.unwrap();
        Box::new(store)
    } else {
        Box::new(SqliteStore::open(place.as_ref()).await.unwrap())
    }
}

fn usage(step: u64) -> UsageRecord {
    UsageRecord {
        run_id: "r".to_owned(),
        step: u32::try_from(step).unwrap(),
        session_id: "s".to_owned(),
        key_id: "k".to_owned(),
        model: "m".to_owned(),
        at: SystemTime::now(),
        input_fresh: 1,
        input_cached: 0,
        input_cache_write: 0,
        tool_prompt: 0,
        output_text: 0,
        output_reasoning: 0,
        estimated: false,
        emulated: false,
        cost_nano_usd: 1,
    }
}

/// Lets a writer append for a while and kills it; gives the last number it was told.
fn write_and_kill(place: &str, millis: u64) -> u64 {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_writer::a_writer_to_be_killed", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(writer.stdin.as_mut().unwrap(), "{place}").unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    let number = |line: String| line.split("ACKNOWLEDGED ").nth(1)?.trim().parse().ok();
    let mut latest = lines.by_ref().find_map(number).unwrap();
    std::thread::sleep(Duration::from_millis(millis));
    writer.kill().unwrap();
    latest = lines.filter_map(number).last().unwrap_or(latest);
    writer.wait().unwrap();
    latest
}

/// The number of the latest event, once a server has done with what the killed writer had sent.
async fn settled(store: &dyn SessionStore) -> u64 {
    for _ in 0..100 {
        let found = store.find("s").await.unwrap().unwrap().last_seq;
        if store.append("s", found, &[], &[]).await.is_ok() {
            return found;
        }
    }
    panic!("somebody still writes");
}

async fn nothing_acknowledged_is_lost(place: &str) {
    let session = SessionRecord {
        id: "s".to_owned(),
        owner: "k".to_owned(),
        metadata: json!({}),
        created_at: SystemTime::now(),
        updated_at: SystemTime::now(),
        last_seq: 0,
    };
    open(place).await.create(&session).await.unwrap();
    for round in 0..4 {
        let acknowledged = write_and_kill(place, 7 * round);
        let store = open(place).await;
        let found = settled(&*store).await;
        // The last append may have been done without anybody having been told.
        assert!(
            found == acknowledged || found == acknowledged + 2,
            "{found} of {acknowledged} in round {round}"
        );
        let events = store.events("s", 0, u32::MAX).await.unwrap();
        let numbers: Vec<_> = events.iter().map(|event| (event.seq, event.body[0].as_u64())).collect();
        let expected: Vec<_> = (1..=found).map(|n| (n, Some(n))).collect();
        assert_eq!(numbers, expected);
        let used = store.usage(&UsageFilter::default()).await.unwrap();
        assert_eq!(used.input_fresh, found / 2, "each append is counted once, with its events");
    }
}

#[tokio::test]
async fn a_killed_writer_to_sqlite_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    nothing_acknowledged_is_lost(directory.path().join("test.sqlite").to_str().unwrap()).await;
}

#[tokio::test]
async fn a_killed_writer_to_postgres_loses_nothing_acknowledged() {
    nothing_acknowledged_is_lost(&crate::new_database().await).await;
}
