//! A disk that is full for a while: what fails then does not keep anything from being written later.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use serde_json::json;
use storage::{NewEvent, SessionRecord, SessionStore as _, SqliteStore};

/// Not a test by itself: the process of the test below, which cannot make files larger than a megabyte. Reads where to
/// write from standard input.
#[tokio::test]
async fn a_writer_without_room() {
    if !std::env::args().any(|argument| argument == "--exact") {
        return;
    }
    let mut place = String::new();
    std::io::stdin().read_line(&mut place).unwrap();
    let store = SqliteStore::open(place.trim().as_ref()).await.unwrap();
    let now = SystemTime::now();
    let session = SessionRecord {
        id: "s".to_owned(),
        owner: "k".to_owned(),
        metadata: json!({}),
        created_at: now,
        updated_at: now,
        last_seq: 0,
    };
    store.create(&session).await.unwrap();
    let mut latest = 0;
    let append = async |latest: u64, length: usize| {
        let event = NewEvent { kind: "n".to_owned(), body: json!("x".repeat(length)) };
        store.append("s", latest, &[event], &[]).await
    };
    while let Ok(seq) = append(latest, 50_000).await {
        latest = seq;
        assert!(latest < 100, "there is always room");
    }
    let pid = std::process::id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap().success());
    for _ in 0..3 {
        latest = append(latest, 50_000).await.unwrap();
    }
    assert_eq!(store.find("s").await.unwrap().unwrap().last_seq, latest);
    println!("ACKNOWLEDGED {latest}");
}

#[tokio::test]
async fn a_store_whose_disk_was_full_goes_on_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.sqlite");
    let mut writer = Command::new("/bin/sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -S -f 2048; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full_disk::a_writer_without_room", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(writer.stdin.as_mut().unwrap(), "{}", path.display()).unwrap();
    let output = writer.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    let latest: u64 =
        said.split("ACKNOWLEDGED ").nth(1).unwrap().lines().next().unwrap().trim().parse().unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    assert_eq!(store.find("s").await.unwrap().unwrap().last_seq, latest);
}
