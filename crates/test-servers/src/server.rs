//! A server process that ends with us, whatever becomes of us.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both Redis and Postgres say so in their logs.
const READY: &str = "eady to accept connections";

/// Runs a server beside itself and does what it is told line by line. When nobody can tell it anything any more, because
/// the test or its process has ended, it ends the server and removes its directory.
const KEEPER: &str = r#"
trap : INT HUP TERM
directory=$1 log=$2 last=$3
shift 3
"$@" </dev/null >"$log" 2>&1 &
echo $!
while read -r verb signal; do
    kill -s "$signal" $!
    if [ "$verb" = end ]; then
        kill -s CONT $! 2>/dev/null
        wait $!
        exit 0
    fi
done
kill -s "$last" $!
kill -s CONT $! 2>/dev/null
wait $!
rm -rf "$directory"
"#;

pub(crate) struct Server {
    /// All that the server writes; removed at the end.
    directory: PathBuf,
    command: Vec<String>,
    /// What ends it when nobody cares for its data any more.
    last_signal: &'static str,
    keeper: Option<Child>,
}

impl Server {
    /// Starts `command`. `directory` is its own, and is removed when it is dropped.
    pub(crate) fn start(directory: PathBuf, command: Vec<String>, last_signal: &'static str) -> Self {
        let mut server = Self { directory, command, last_signal, keeper: None };
        server.run();
        server
    }

    /// Starts the server again if it does not run.
    pub(crate) fn run(&mut self) {
        if self.keeper.is_some() {
            return;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_run(deadline) {
                Ok(()) => return,
                // What is left of a killed predecessor may take a moment to go.
                Err(log) => assert!(Instant::now() < deadline, "{} did not start:\n{log}", self.command[0]),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn try_run(&mut self, deadline: Instant) -> Result<(), String> {
        let log = self.directory.join("log");
        let _ = std::fs::remove_file(&log);
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args([&self.directory, &log])
            .arg(self.last_signal)
            .args(&self.command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null()) // the shell tells there that what it killed was killed
            .spawn()
            .unwrap_or_else(|error| panic!("sh cannot be run: {error}"));
        let mut pid = String::new();
        let output = keeper.stdout.take().expect("it is a pipe");
        BufReader::new(output).read_line(&mut pid).expect("the keeper names the server's process");
        self.keeper = Some(keeper);
        loop {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if said.contains(READY) {
                return Ok(());
            }
            if !is_running(pid.trim()) || Instant::now() > deadline {
                self.end("KILL");
                return Err(said);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the server by a signal and waits until it is gone. Its data stays.
    pub(crate) fn end(&mut self, signal: &str) {
        if let Some(mut keeper) = self.keeper.take() {
            tell(&mut keeper, &format!("end {signal}"));
            keeper.wait().expect("the keeper can be waited for");
        }
    }

    /// Sends a signal that does not end the server.
    pub(crate) fn signal(&mut self, signal: &str) {
        if let Some(keeper) = &mut self.keeper {
            tell(keeper, &format!("send {signal}"));
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn tell(keeper: &mut Child, line: &str) {
    let stdin = keeper.stdin.as_mut().expect("it is a pipe");
    writeln!(stdin, "{line}").expect("the keeper listens");
}

/// Whether the process is there and has not ended (a zombie has).
fn is_running(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// A new directory that is not removed by itself.
pub(crate) fn new_directory(kind: &str) -> PathBuf {
    let directory = tempfile::Builder::new().prefix(&format!("pyairtable-test-{kind}-")).tempdir();
    directory.unwrap_or_else(|error| panic!("no temporary directory can be made: {error}")).keep()
}
