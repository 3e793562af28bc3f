//! Finding installed programs and free ports.

use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

/// The path of a program on the search path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", name]).output().ok()?;
    let path = String::from_utf8(found.stdout).ok()?;
    found.status.success().then(|| PathBuf::from(path.trim()))
}

/// What a command prints; panics with what it complains about.
pub(crate) fn output(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?} failed ({}): {complaint}", done.status);
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// A port of 127.0.0.1 where nobody listens.
///
/// Below the range that systems take ports of outgoing connections from (32768 and up on Linux), so that nobody gets it
/// while a server is down.
///
/// # Panics
///
/// If none of a thousand is free.
pub fn free_port() -> u16 {
    for _ in 0..1_000 {
        let port = 20_000 + u16::try_from(random() % 12_000).unwrap_or_default();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// A number that differs from call to call and from process to process.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
