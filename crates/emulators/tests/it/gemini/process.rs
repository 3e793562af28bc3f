//! The binary as a user starts it.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn emulator(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gemini-emulator"));
    command.args(arguments).current_dir(dir).env_clear().env("LOG_LEVEL", "warn").stdin(Stdio::null());
    command
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    emulator(dir, arguments).output().unwrap()
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
fn it_starts_mints_a_key_answers_probes_and_ends_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = emulator(dir.path(), &["--listen", "127.0.0.1:0"]);
    let mut child = Running(child.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut said = String::new();
    while !said.contains(":generateContent") {
        said.push_str(&lines.next().expect("it says how to call it").unwrap());
        said.push('\n');
    }
    let address =
        said.split("http://").nth(1).unwrap().split(' ').next().unwrap().trim_end_matches('.').to_owned();
    let file = dir.path().join("data/gemini-emulator-key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let key = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(said.contains(&format!("curl -H 'x-goog-api-key: {key}'")), "{said}");

    let probe = || run(dir.path(), &["healthcheck", "--listen", &address]).status.code();
    assert_eq!(probe(), Some(0));
    let taken = run(dir.path(), &["--listen", &address]);
    assert_eq!(taken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&taken.stderr).contains("GEMINI_EMULATOR_LISTEN"));
    assert_eq!(child.stop(), Some(0));
    assert_eq!(probe(), Some(1));
}

#[test]
fn a_bad_script_ends_it_with_every_problem_and_code_78() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script.json");
    std::fs::write(
        &script,
        r#"{"turns": [{"reply": {}}, {"when": {"step": "one"}, "reply": {"text": "x"}}]}"#,
    )
    .unwrap();
    let path = script.to_str().unwrap();
    for arguments in [&["--script", path][..], &["check-config", "--script", path]] {
        let output = run(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(78));
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        for problem in ["turns[0].reply: says nothing", "turns[1].when.step: must be a whole number"] {
            assert!(complaint.contains(problem), "{complaint}");
        }
    }
    std::fs::write(&script, r#"{"turns": [{"reply": {"text": "x"}}]}"#).unwrap();
    assert_eq!(run(dir.path(), &["check-config", "--script", path]).status.code(), Some(0));
    assert_eq!(
        run(dir.path(), &["--script", path, "--mode", "echo"]).status.code(),
        Some(2),
        "one or the other"
    );
}
