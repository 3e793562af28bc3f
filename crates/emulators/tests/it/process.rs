//! The binary as a user starts it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use super::support::{TestApp, seed};

fn emulator(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airtable-emulator"));
    command.args(arguments).current_dir(dir).env_clear().env("LOG_LEVEL", "warn").stdin(Stdio::null());
    command
}

pub(crate) fn run(dir: &Path, arguments: &[&str]) -> Output {
    emulator(dir, arguments).output().unwrap()
}

/// A started process, which ends with the test even if that fails half-way.
pub(crate) struct Running(Child);

impl Running {
    /// Asks it to end, and gives its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        // The shell's own `kill`: the program is not everywhere.
        Command::new("sh").args(["-c", &format!("kill {}", self.0.id())]).status().unwrap();
        self.0.wait().unwrap().code()
    }

    /// Lets it make files as large as it likes.
    pub(crate) fn has_room(&self) {
        let pid = self.0.id().to_string();
        let done = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A started emulator: its process, where it listens, and what it said before it was ready.
pub(crate) fn start(dir: &Path, arguments: &[&str]) -> (Running, String, String) {
    let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
    listening(emulator(dir, &arguments))
}

/// The same, which cannot make files larger than that, as on a disk that is nearly full; see [`Running::has_room`].
pub(crate) fn start_without_room(
    dir: &Path,
    arguments: &[&str],
    size_bytes: usize,
) -> (Running, String, String) {
    let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
    let emulator = emulator(dir, &arguments);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"trap '' XFSZ; ulimit -S -f "$0"; exec "$@""#, &(size_bytes / 512).to_string()]);
    command.arg(emulator.get_program()).args(emulator.get_args());
    command.current_dir(dir).env_clear().env("LOG_LEVEL", "off").stdin(Stdio::null());
    listening(command)
}

fn listening(mut command: Command) -> (Running, String, String) {
    let mut child = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut said = String::new();
    while !said.contains("curl") {
        said.push_str(&lines.next().expect("it says how to call it").unwrap());
        said.push('\n');
    }
    let address = said.split("http://").nth(1).unwrap().split(',').next().unwrap().to_owned();
    (child, address, said)
}

/// An emulator with this seed on the file `bases.sqlite` of a directory, and a client of it.
pub(crate) fn begin_with(dir: &Path, seed: &Value, more: &[&str]) -> (Running, TestApp) {
    let seed_file = dir.join("seed.json");
    std::fs::write(&seed_file, seed.to_string()).unwrap();
    let arguments = [&["--data", "bases.sqlite", "--seed", seed_file.to_str().unwrap()], more].concat();
    let (child, address, said) = start(dir, &arguments);
    assert!(said.contains("changes are kept in bases.sqlite"), "{said}");
    (child, TestApp::at(address.parse().unwrap()))
}

#[test]
fn it_starts_mints_a_token_answers_probes_and_ends_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (child, address, said) = start(dir.path(), &[]);
    let file = dir.path().join("data/airtable-emulator-token");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(
        said.contains(&format!("curl -H 'Authorization: Bearer {token}' http://{address}/v0/")),
        "{said}"
    );
    let probe = |listen: &str| run(dir.path(), &["healthcheck", "--listen", listen]).status.code();
    assert_eq!(probe(&address), Some(0));

    let taken = run(dir.path(), &["--listen", &address]);
    assert_eq!(taken.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert!(complaint.contains(&address) && complaint.contains("AIRTABLE_EMULATOR_LISTEN"), "{complaint}");

    assert_eq!(child.stop(), Some(0));
    assert_eq!(probe(&address), Some(1));
    let (child, _, said) = start(dir.path(), &[]);
    assert!(said.contains(&token), "the token is used again");
    child.stop();
}

#[test]
fn a_bad_seed_ends_it_with_every_problem_and_code_78() {
    let dir = tempfile::tempdir().unwrap();
    let seed_file = dir.path().join("seed.json");
    let mut bad = seed();
    bad["bases"][0]["name"] = json!("");
    bad["limits"]["penaltySeconds"] = json!("long");
    std::fs::write(&seed_file, bad.to_string()).unwrap();
    let path = seed_file.to_str().unwrap();
    for arguments in
        [&["--seed", path][..], &["check-config", "--seed", path], &["--seed", path, "check-config"]]
    {
        let output = run(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(78));
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        for problem in
            ["bases[0].name: must not be empty", "limits.penaltySeconds: must be a number of seconds"]
        {
            assert!(complaint.contains(problem), "{complaint}");
        }
    }
    std::fs::write(&seed_file, seed().to_string()).unwrap();
    assert_eq!(run(dir.path(), &["check-config", "--seed", path]).status.code(), Some(0));
}

#[test]
fn with_json_logs_standard_output_is_json_and_holds_no_token() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = emulator(dir.path(), &["--listen", "127.0.0.1:0"]);
    command.env("LOG_FORMAT", "json").env("LOG_LEVEL", "info").stdout(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let mut output = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(child.stop(), Some(0));
    output.read_to_string(&mut line).unwrap();
    assert!(line.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{line}");
    assert!(!line.contains("pat"), "{line}");
}
