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
