#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use test_servers::{Postgres, Redis};

/// What Redis answers to an inline command.
fn redis(server: &Redis, command: &str) -> String {
    let url = server.url();
    let (_, address) = url.split_once('@').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "AUTH {}\r\n{command}\r\n", server.password()).unwrap();
    BufReader::new(stream).lines().map(Result::unwrap).nth(1).unwrap()
}

fn can_connect(url: &str) -> bool {
    let address = url.split_once('@').unwrap().1.split('/').next().unwrap();
    TcpStream::connect(address).is_ok()
}

#[test]
fn redis_keeps_its_port_and_data_over_a_kill() {
    let mut server = Redis::start();
    assert_eq!(redis(&server, "SET a 1"), "+OK");
    server.kill();
    assert!(!can_connect(&server.url()));
    server.restart();
    assert_eq!(redis(&server, "INCR a"), ":2");
    server.stop();
    server.restart();
    assert_eq!(redis(&server, "INCR a"), ":3");
}

#[test]
fn postgres_starts_again_on_its_port_after_a_kill() {
    let mut server = Postgres::start();
    assert!(can_connect(&server.url()));
    server.kill();
    assert!(!can_connect(&server.url()));
    server.restart();
    assert!(can_connect(&server.url()));
    server.stop();
    assert!(!can_connect(&server.url()));
}

#[test]
fn a_server_that_is_dropped_leaves_nothing() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let (urls, directory) = ([redis.url(), postgres.url()], postgres.directory().to_owned());
    assert!(directory.exists());
    drop((redis, postgres));
    assert!(!urls.iter().any(|url| can_connect(url)) && !directory.exists());
}

/// Not a test by itself: the process that the next test kills.
#[test]
fn a_process_to_be_killed() {
    if std::env::args().any(|argument| argument == "--exact") {
        let (redis, postgres) = (Redis::start(), Postgres::start());
        println!("URLS {} {} {}", redis.url(), postgres.url(), postgres.directory().display());
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

#[test]
fn servers_end_when_the_process_of_their_test_is_killed() {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_to_be_killed", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.into_iter().find(|line| line.contains("URLS ")).unwrap();
    let said: Vec<_> = line.split_once("URLS ").unwrap().1.split(' ').map(str::to_owned).collect();
    assert!(can_connect(&said[0]) && can_connect(&said[1]));
    process.kill().unwrap();
    process.wait().unwrap();
    for _ in 0..1_000 {
        let left = can_connect(&said[0]) || can_connect(&said[1]) || std::path::Path::new(&said[2]).exists();
        if !left {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("something is left of {said:?}");
}
