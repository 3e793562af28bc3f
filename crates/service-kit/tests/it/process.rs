//! The example service as a process of its own: signals, exit codes and what is on its outputs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use service_kit::keys::ApiKey;

fn program() -> Command {
    // Examples are built with the tests, next to their directory.
    let tests: PathBuf = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let hello = tests.parent().unwrap().join("examples").join("hello");
    assert!(hello.exists(), "`cargo test -p service-kit` builds the example; `--test it` alone does not");
    let mut command = Command::new(hello);
    command.env_clear().current_dir(std::env::temp_dir()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

struct Hello {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    address: SocketAddr,
}

impl Hello {
    fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_from(program(), settings)
    }

    fn start_from(mut command: Command, settings: &[(&str, &str)]) -> Self {
        let mut child =
            command.env("HELLO_LISTEN", "127.0.0.1:0").envs(settings.iter().copied()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, stdout, address }
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        // The shell's own `kill`: the program is not everywhere.
        assert!(Command::new("sh").args(["-c", &format!("kill -s {name} {id}")]).status().unwrap().success());
    }

    /// Waits until a request is in work beside the one that asks.
    fn wait_until_begun(&self) {
        let ask = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let begun = Instant::now();
        while !read(self.send(ask)).contains("http_server_active_requests{service=\"hello\"} 2") {
            assert!(begun.elapsed() < Duration::from_secs(20), "the request does not begin");
        }
    }

    /// Waits for a line with this text on standard error.
    fn wait_for_line(&mut self, text: &str) {
        let stderr = BufReader::new(self.child.stderr.as_mut().unwrap());
        assert!(
            stderr.lines().map_while(Result::ok).any(|line| line.contains(text)),
            "it ended before {text:?}"
        );
    }

    /// Waits for the end. Exit code, standard output after the first line, standard error.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.stdout.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }
}

fn wait_for(ms: u64) -> String {
    format!("GET /wait?ms={ms} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn read(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_signal_finishes_the_request_in_flight_and_exits_zero() {
    for signal in ["TERM", "INT"] {
        let hello = Hello::start(&[]);
        let request = hello.send(&wait_for(1000));
        hello.wait_until_begun();
        hello.signal(signal);
        let answer = read(request);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{signal}: {answer}");
        assert_eq!(hello.end().0, Some(0), "{signal}");
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut hello = Hello::start(&[]);
    let _request = hello.send(&wait_for(30_000));
    hello.wait_until_begun();
    let begun = Instant::now();
    hello.signal("INT");
    hello.wait_for_line("stopping"); // two signals that come together would be one
    hello.signal("INT");
    assert_eq!(hello.end().0, Some(130));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn bad_settings_exit_78_with_all_problems() {
    let Output { status, stderr, .. } = program().env("LOG_LEVEL", "hunter2").output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(78), "{text}");
    assert!(text.contains("LOG_LEVEL: must be") && text.contains("HELLO_LISTEN: is not set"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_taken_port_is_an_error_with_the_name_of_the_setting() {
    let hello = Hello::start(&[]);
    let Output { status, stderr, .. } =
        program().env("HELLO_LISTEN", hello.address.to_string()).output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(text.contains("is taken") && text.contains("HELLO_LISTEN"), "{text}");
    hello.signal("TERM");
    hello.end();
}

#[test]
fn machines_read_one_object_a_line_with_the_documented_fields_and_no_credential() {
    let hello = Hello::start(&[("LOG_FORMAT", "json")]);
    let key = ApiKey::mint().unwrap();
    let headers = format!(
        "Host: a\r\nConnection: close\r\nAuthorization: Bearer {}\r\nX-Request-Id: r-1\r\n",
        key.expose()
    );
    for path in ["/credential", "/nothing?token=hunter2", "/health"] {
        read(hello.send(&format!("GET {path} HTTP/1.1\r\n{headers}\r\n")));
    }
    hello.signal("TERM");
    let (_, out, err) = hello.end();
    assert_eq!(err, "", "logs for machines are on standard output");
    let secret = &key.expose()[18..];
    assert!(out.contains("the headers are") && !out.contains(secret) && !out.contains("hunter2"), "{out}");

    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_request: Vec<_> = lines.iter().filter(|line| line["request_id"] == "r-1").collect();
    assert_eq!(of_request.len(), 3, "a warning and two access lines; a probe writes none: {out}");
    for line in &of_request {
        for field in ["timestamp", "level", "service", "version", "message", "trace_id", "span_id"] {
            assert!(line[field].is_string(), "{field} in {line}");
        }
        assert_eq!(line["service"], "hello");
    }
    let access = of_request[2];
    assert_eq!((&access["route"], &access["status"]), (&"(none)".into(), &404.into()));
    assert_eq!((&access["error.type"], &access["level"]), (&"no_such_route".into(), &"INFO".into()));
    assert!(access["duration_ms"].is_number());
}

#[test]
fn people_read_a_line_each_on_standard_error() {
    let hello = Hello::start(&[]);
    read(hello.send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: r-1\r\n\r\n"));
    hello.signal("TERM");
    let (_, out, err) = hello.end();
    assert_eq!(out, "");
    let line = err.lines().find(|line| line.contains("GET /hello 200")).unwrap_or_else(|| panic!("{err}"));
    assert!(line.contains("INFO hello: ") && line.contains("request_id=r-1"), "{line}");
}

#[test]
fn the_environment_wins_over_the_env_file_of_the_working_directory() {
    let directory = tempfile::tempdir().unwrap();
    let file = "HELLO_LISTEN=nonsense\nLOG_FORMAT=json\nLOG_LEVEL=loud\n";
    std::fs::write(directory.path().join(".env"), file).unwrap();
    let mut command = program();
    command.current_dir(directory.path()).env("LOG_LEVEL", ""); // set to nothing: as if it stood nowhere
    let hello = Hello::start_from(command, &[]);
    hello.signal("TERM");
    let (code, out, _) = hello.end();
    assert_eq!(code, Some(0));
    assert!(out.starts_with('{'), "the file's LOG_FORMAT is in force: {out}");
}

/// Stands in for a collector: takes one export and gives its head and body.
fn one_export(listener: std::net::TcpListener) -> (String, Vec<u8>) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "the export ends within its head");
    }
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ").map(|n| n.parse().unwrap())
        })
        .unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    (head, body)
}

fn holds(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_collector_gets_the_span_that_the_log_names_as_a_child_of_the_callers() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let collector = format!("http://{}/otlp", listener.local_addr().unwrap());
    let exported = std::thread::spawn(move || one_export(listener));
    let hello = Hello::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=seven"),
        ("LOG_FORMAT", "json"),
    ]);
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    read(hello.send(&format!(
        "GET /hello?secret=hunter2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\ntraceparent: 00-{trace}-{parent}-01\r\n\r\n"
    )));
    hello.signal("TERM");
    let (code, out, err) = hello.end();
    assert_eq!((code, err.as_str()), (Some(0), ""), "nothing panics");
    assert!(!out.contains("could not be sent"), "{out}");
    let line: Value = out.lines().find(|line| line.contains("GET /hello")).unwrap().parse().unwrap();
    assert_eq!(line["trace_id"], trace);
    assert!(line.get("otel.kind").is_none(), "{line}");
    let (head, body) = exported.join().unwrap();
    assert!(head.starts_with("POST /otlp/v1/traces HTTP/1.1"), "{head}");
    assert!(head.contains("x-tenant: seven"), "{head}");
    let own = hex::decode(line["span_id"].as_str().unwrap()).unwrap();
    for (what, part) in [
        ("the trace", hex::decode(trace).unwrap()),
        ("the caller's span", hex::decode(parent).unwrap()),
        ("the span of the log line", own),
        ("the name", b"GET /hello".to_vec()),
        ("the service", b"hello".to_vec()),
    ] {
        assert!(holds(&body, &part), "{what} is missing");
    }
    assert!(!holds(&body, b"hunter2"), "a query does not travel");
}

#[test]
fn a_collector_that_is_not_there_harms_nobody() {
    // A port that nobody listens on, and that no other test is given.
    let hello = Hello::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")]);
    let answer = read(hello.send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let begun = Instant::now();
    hello.signal("TERM");
    assert_eq!(hello.end().0, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15));
}
