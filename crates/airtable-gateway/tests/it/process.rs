//! The binary as a user starts it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn gateway(dir: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airtable-gateway"));
    command.args(arguments).current_dir(dir).env_clear().stdin(Stdio::null());
    command.envs(settings.iter().copied());
    command
}

/// A started process, which ends with the test even if that fails half-way.
struct Running(Child);

impl Running {
    /// Asks it to end, and gives its exit code.
    fn stop(mut self) -> Option<i32> {
        // The shell's own `kill`: the program is not everywhere.
        Command::new("sh").args(["-c", &format!("kill {}", self.0.id())]).status().unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_starts_answers_probes_and_ends_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("AIRTABLE_GATEWAY_LISTEN", "127.0.0.1:0"), ("AIRTABLE_TOKEN", "patX.y")];
    let mut running = Running(gateway(dir.path(), &[], &settings).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("it says where it listens").unwrap();
        if let Some((_, address)) = line.split_once("http://") {
            break address.split_whitespace().next().unwrap().to_owned();
        }
    };
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut health = String::new();
    stream.read_to_string(&mut health).unwrap();
    assert!(health.contains(r#""mode":"live""#) && !health.contains("patX"), "{health}");

    let listen = [("AIRTABLE_GATEWAY_LISTEN", address.as_str()), ("AIRTABLE_TOKEN", "patX.y")];
    assert_eq!(gateway(dir.path(), &["healthcheck"], &listen).status().unwrap().code(), Some(0));
    let taken = gateway(dir.path(), &[], &listen).output().unwrap();
    assert_eq!(taken.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert!(complaint.contains(&address) && complaint.contains("AIRTABLE_GATEWAY_LISTEN"), "{complaint}");

    assert_eq!(running.stop(), Some(0));
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Takes the half minute that it is about.
#[test]
fn a_configured_store_that_does_not_come_is_waited_for_and_then_ends_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = test_servers::Redis::start();
    redis.kill();
    let settings = [
        ("AIRTABLE_GATEWAY_LISTEN", "127.0.0.1:0"),
        ("AIRTABLE_TOKEN", "patX.y"),
        ("REDIS_URL", &redis.url()),
    ];
    let mut running = Running(gateway(dir.path(), &[], &settings).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(running.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let begun = std::time::Instant::now();
    let line = log.find(|line| line.contains("http://")).unwrap();
    let address = line.split("http://").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(get(address, "/health").starts_with("HTTP/1.1 200"));
    assert!(get(address, "/ready").starts_with("HTTP/1.1 503"));
    let rest = log.collect::<Vec<_>>().join("\n");
    assert_eq!(running.0.wait().unwrap().code(), Some(1));
    assert!((25..60).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(rest.contains("Redis at 127.0.0.1:") && rest.contains("cannot be used"), "{rest}");
    assert!(!rest.contains(redis.password()), "{rest}");
}

#[test]
fn a_database_of_a_newer_version_ends_the_process_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let postgres = test_servers::Postgres::start();
    let newer =
        "CREATE SCHEMA pyairtable; CREATE TABLE pyairtable.schema_version AS SELECT 99::bigint AS version";
    postgres.execute(newer);
    let settings = [
        ("AIRTABLE_GATEWAY_LISTEN", "127.0.0.1:0"),
        ("AIRTABLE_TOKEN", "patX.y"),
        ("DATABASE_URL", &postgres.url()),
    ];
    let ended = gateway(dir.path(), &[], &settings).output().unwrap();
    let log = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{log}");
    assert!(log.contains("version 99") && !log.contains(postgres.password()), "{log}");
}

#[test]
fn wrong_settings_are_told_all_at_once_with_code_78() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["check-config"]] {
        let settings = [("REDIS_URL", "http://:hunter2@h"), ("CACHE_MAX_BYTES", "lots")];
        let output = gateway(dir.path(), arguments, &settings).output().unwrap();
        assert_eq!(output.status.code(), Some(78));
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        for name in ["REDIS_URL", "CACHE_MAX_BYTES", "AIRTABLE_TOKEN"] {
            assert!(complaint.contains(name), "{name} in {complaint}");
        }
        assert!(!complaint.contains("hunter2"));
    }
    let settings = [("GATEWAY_PASSTHROUGH", "true")];
    assert_eq!(gateway(dir.path(), &["check-config"], &settings).output().unwrap().status.code(), Some(0));
}
