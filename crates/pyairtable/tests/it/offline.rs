//! The embedded start in an empty network: loopback only, and no attempt to reach anything else.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use tempfile::TempDir;

/// Starts under strace in a network namespace of its own, asks `doctor` until all is well, stops with SIGINT, and leaves
/// the exit code. Ports are the defaults: nobody else is in there. Bounded to 30 s.
const SCRIPT: &str = r#"
set -u
ip link set lo up
strace -D -f -qq -e trace=connect,sendto,sendmsg -o trace "$PYAIRTABLE" up >up.out 2>up.err &
up=$!
for _ in $(seq 150); do
  if "$PYAIRTABLE" doctor >doctor.out 2>&1; then healthy=yes; break; fi
  sleep 0.2
done
kill -INT "$up"
wait "$up"
echo "$?" >exit-code
echo "${healthy:-no}" >healthy
"#;

#[test]
fn it_works_without_a_network_and_does_not_look_for_one() {
    let folder = TempDir::new().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    // An ordinary user may make a network namespace inside a user namespace of its own, where it is root; root needs none,
    // and is refused one inside a chroot.
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let status = Command::new("unshare")
        .args((!is_root).then_some("--map-root-user"))
        .args(["--net", "sh", "-c", SCRIPT])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("PYAIRTABLE", env!("CARGO_BIN_EXE_pyairtable"))
        .status()
        .expect("unshare is there (util-linux)");

    assert!(status.success(), "the namespace or a tool in it (ip, strace) is missing: {status}");
    assert_eq!(
        read("healthy").trim(),
        "yes",
        "doctor: {}\nup: {}{}",
        read("doctor.out"),
        read("up.out"),
        read("up.err")
    );
    assert_eq!(read("exit-code").trim(), "0", "{}", read("up.err"));

    let trace = read("trace");
    let addressed: Vec<_> = trace.lines().filter(|line| line.contains("sa_family=AF_INET")).collect();
    assert!(!addressed.is_empty(), "the gateway's calls to the emulator are in the trace");
    for line in addressed {
        assert!(line.contains("inet_addr(\"127.0.0.1\")"), "{line}");
    }
}
