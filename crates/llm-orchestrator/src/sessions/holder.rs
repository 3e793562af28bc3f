//! The name under which a process holds sessions. It says which process it is, so that another one on the same machine can
//! tell that it is gone, and need not wait until its hold is over.

use std::fs;

use uuid::Uuid;

/// Separates the parts of a name.
const SEPARATOR: char = '/';

/// A name for this process: the machine's boot, the space of process ids, the process id, when it started, and something
/// random, since ids are used again. Where there is no `/proc` only the last part is there.
pub(super) fn name() -> String {
    let place = place().unwrap_or_default();
    let process = std::process::id();
    let started = started(process).unwrap_or_default();
    format!("{place}{SEPARATOR}{process}{SEPARATOR}{started}{SEPARATOR}{}", Uuid::now_v7().simple())
}

/// Whether this is the name of a process that is gone for certain.
pub(super) fn is_gone(name: &str) -> bool {
    let parts: Vec<_> = name.split(SEPARATOR).collect();
    let [of_boot, of_space, process, began, _] = parts.as_slice() else { return false };
    let here = place();
    // A process elsewhere cannot be looked at.
    if here.is_none() || here != Some(format!("{of_boot}{SEPARATOR}{of_space}")) {
        return false;
    }
    process.parse().is_ok_and(|process| started(process).as_deref() != Some(*began))
}

/// The machine's boot and the space of process ids: `None` where they cannot be told.
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}{SEPARATOR}{}", boot.trim(), space.display()))
}

/// When a process started, in ticks since boot; `None` if there is none, or if it ended and was not yet cleared away.
fn started(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The fields after the command's closing parenthesis; the first of them is number 3 in proc(5), the start number 22.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<_> = fields.split(' ').collect();
    let is_alive = !matches!(fields.first(), None | Some(&"Z" | &"X"));
    fields.get(22 - 3).filter(|_| is_alive).map(|started| (*started).to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there() {
        assert!(!is_gone(&name()));
    }

    #[test]
    fn a_process_that_ended_is_gone_also_if_its_number_is_used_again() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = child.id();
        child.wait().unwrap();
        let place = place().unwrap();
        assert!(is_gone(&format!("{place}/{process}/1/x")));
        assert!(is_gone(&format!("{place}/{}/1/x", std::process::id())), "it started at another time");
    }

    #[test]
    fn nothing_is_known_of_processes_elsewhere() {
        for name in ["another-boot/pid:[1]/1/1/x", "", "a/b", "//4000000/1/x"] {
            assert!(!is_gone(name), "{name}");
        }
    }
}
