use std::fmt::{self, Debug};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use tracing::{info, warn};

use super::without_newline;

/// How often [`Secret::current`] looks at its file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a replaced value is still accepted by [`Secret::accepted`]: other processes notice the change later than we do.
const GRACE: Duration = Duration::from_secs(60);

/// A secret file is small; this bounds what a wrong path can make us read.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A secret value that may stand in a file, and is read again when the file changes.
///
/// A file that is missing, empty or unreadable later on leaves the last good value in place. Clones share it.
///
/// The file `NAME.previous` beside it, if there is one, holds the value before: a verifier goes on accepting it, also in
/// a process that starts after the change. Whoever rotates a secret writes that file first.
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    file: Option<PathBuf>,
    state: Mutex<State>,
}

struct State {
    value: SecretString,
    /// What the value was before this process saw it change, and when that was: several after changes in quick succession.
    replaced: Vec<(SecretString, Instant)>,
    stamp: Option<Stamp>,
    /// What stands in `NAME.previous`.
    previous: Option<(SecretString, Stamp)>,
    looked: Instant,
    /// The file is in a bad state that was logged already.
    complained: bool,
}

/// What tells one version of a file from the next. The inode tells a replaced file from its predecessor; the time of the last
/// change cannot be set back, as the time of modification can (`cp -p`, `touch -r`).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Why a secret's file cannot be used. Names no value.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("the file is empty")]
    Empty,
    #[error("the file is larger than a secret can be")]
    TooLarge,
    #[error("the file can be read by everyone (mode {mode:o}): take that right away (chmod o-rwx)")]
    Loose { mode: u32 },
}

impl Secret {
    /// A value that never changes.
    pub fn fixed(value: impl Into<String>) -> Self {
        Self::from_parts(None, SecretString::from(value.into()), None)
    }

    /// The content of a file, without one trailing newline.
    pub fn from_file(path: &Path) -> Result<Self, SecretFileError> {
        read_secret_file(path, true).map(|(secret, _)| secret)
    }

    /// The value as it is now. Looks at the file's time and size at most once a second.
    pub fn current(&self) -> SecretString {
        let mut state = self.state();
        if let Some(path) = &self.0.file
            && state.looked.elapsed() >= LOOK_EVERY
        {
            state.refresh(path);
        }
        state.value.clone()
    }

    /// What a verifier accepts: the current value, the one in `NAME.previous`, and for a minute after a change the one that
    /// was current before. Who signs or presents a value may notice each change a second later than the verifier.
    pub fn accepted(&self) -> Vec<SecretString> {
        let mut values = vec![self.current()];
        let state = self.state();
        values.extend(state.previous.iter().map(|(value, _)| value.clone()));
        values.extend(
            state.replaced.iter().filter(|(_, at)| at.elapsed() < GRACE).map(|(value, _)| value.clone()),
        );
        values
    }

    /// Looks at the files now; `true` if what is accepted is not what it was. For a verifier that met an unknown value.
    pub fn reread(&self) -> bool {
        let Some(path) = &self.0.file else { return false };
        self.state().refresh(path)
    }

    fn from_parts(file: Option<PathBuf>, value: SecretString, stamp: Option<Stamp>) -> Self {
        let mut state = State {
            value,
            replaced: Vec::new(),
            stamp,
            previous: None,
            looked: Instant::now(),
            complained: false,
        };
        if let Some(path) = &file {
            state.refresh_previous(path);
        }
        Self(Arc::new(Inner { file, state: Mutex::new(state) }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl State {
    fn refresh(&mut self, path: &Path) -> bool {
        self.looked = Instant::now();
        let is_changed = self.refresh_value(path);
        // In this order: a rotation writes the previous value first, so it is there once the new one was seen.
        self.refresh_previous(path) || is_changed
    }

    fn refresh_value(&mut self, path: &Path) -> bool {
        match self.changed_value(path) {
            Ok(None) => false,
            Ok(Some(value)) => {
                info!(file = %path.display(), "a secret's file has changed; its new value is in use");
                let before = std::mem::replace(&mut self.value, value);
                self.replaced.retain(|(_, at)| at.elapsed() < GRACE);
                self.replaced.push((before, Instant::now()));
                self.complained = false;
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.complained, true) {
                    warn!(file = %path.display(), "the last good value of a secret stays in use: {error}");
                }
                metrics::counter!("config_reload_failures_total").increment(1);
                false
            }
        }
    }

    /// No such file, or an empty one: there is no previous value. One that cannot be used leaves things as they are.
    fn refresh_previous(&mut self, path: &Path) -> bool {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".previous");
        let beside = Path::new(&beside);
        match std::fs::metadata(beside).map(|file| Stamp::of(&file)) {
            Ok(stamp) if self.previous.as_ref().is_some_and(|(_, seen)| *seen == stamp) => false,
            Ok(stamp) => match read_value(beside) {
                Ok(text) => {
                    self.previous = Some((SecretString::from(text), stamp));
                    true
                }
                // An agent cannot take a file away, only empty it.
                Err(SecretFileError::Empty) => self.previous.take().is_some(),
                Err(_) => false,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.previous.take().is_some(),
            Err(_) => false,
        }
    }

    fn changed_value(&mut self, path: &Path) -> Result<Option<SecretString>, SecretFileError> {
        let stamp = Stamp::of(&std::fs::metadata(path)?);
        if self.stamp == Some(stamp) {
            return Ok(None);
        }
        let text = read_value(path)?;
        self.stamp = Some(stamp);
        Ok((text != self.value.expose_secret()).then(|| SecretString::from(text)))
    }
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self {
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// A secret and, for checks, its first value. `loose`: a file that everyone may read is fine.
///
/// Under `/run/secrets` the mode is the container engine's business.
pub(super) fn read_secret_file(path: &Path, loose: bool) -> Result<(Secret, String), SecretFileError> {
    let metadata = std::fs::metadata(path)?;
    let mode = metadata.mode() & 0o777;
    if !loose && mode & 0o007 != 0 && !path.starts_with("/run/secrets") {
        return Err(SecretFileError::Loose { mode });
    }
    let text = read_value(path)?;
    // The stamp is older than the content, so a change in between is seen at the next look.
    let secret = Secret::from_parts(
        Some(path.to_owned()),
        SecretString::from(text.clone()),
        Some(Stamp::of(&metadata)),
    );
    Ok((secret, text))
}

fn read_value(path: &Path) -> Result<String, SecretFileError> {
    if std::fs::metadata(path)?.len() > MAX_FILE_BYTES {
        return Err(SecretFileError::TooLarge);
    }
    let text = without_newline(std::fs::read_to_string(path)?);
    if text.is_empty() { Err(SecretFileError::Empty) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, text).unwrap();
        (directory, path)
    }

    #[test]
    fn one_trailing_newline_is_not_part_of_the_value() {
        for (text, value) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a")] {
            let (_keep, path) = file(text);
            assert_eq!(Secret::from_file(&path).unwrap().current().expose_secret(), value, "{text:?}");
        }
    }

    #[test]
    fn a_changed_file_is_seen_and_its_old_value_accepted_for_a_while() {
        let (_keep, path) = file("old");
        let secret = Secret::from_file(&path).unwrap();
        let clone = secret.clone();
        fs::write(&path, "the new one").unwrap();
        assert!(secret.reread());
        assert!(!secret.reread());
        assert_eq!(clone.current().expose_secret(), "the new one");
        let accepted: Vec<_> =
            clone.accepted().iter().map(|value| value.expose_secret().to_owned()).collect();
        assert_eq!(accepted, ["the new one", "old"]);
    }

    #[test]
    fn the_value_in_the_file_beside_is_accepted_until_that_file_is_gone() {
        let (keep, path) = file("second");
        let beside = keep.path().join("secret.previous");
        fs::write(&beside, "first\n").unwrap();
        let secret = Secret::from_file(&path).unwrap();
        let accepted = || -> Vec<String> {
            secret.accepted().iter().map(|value| value.expose_secret().to_owned()).collect()
        };
        assert_eq!(accepted(), ["second", "first"], "also in a process that starts after the change");
        fs::write(&beside, [0xff, 0xfe]).unwrap();
        assert!(!secret.reread());
        assert_eq!(accepted(), ["second", "first"], "what cannot be used changes nothing");
        let remove = || fs::remove_file(&beside).unwrap();
        let empty = || fs::write(&beside, "").unwrap();
        for end in [&remove as &dyn Fn(), &empty] {
            end();
            assert!(secret.reread());
            assert_eq!(accepted(), ["second"]);
            assert!(!secret.reread(), "once");
            fs::write(&beside, "first\n").unwrap();
            assert!(secret.reread());
        }
    }

    #[test]
    fn a_rotation_seen_at_any_moment_leaves_both_values_accepted() {
        let (keep, path) = file("old");
        let replace = |name: &str, text: &str| {
            fs::write(keep.path().join("draft"), text).unwrap();
            fs::rename(keep.path().join("draft"), keep.path().join(name)).unwrap();
        };
        let accepts =
            |secret: &Secret, text: &str| secret.accepted().iter().any(|value| value.expose_secret() == text);
        let running = Secret::from_file(&path).unwrap();
        replace("secret.previous", "old");
        let between = Secret::from_file(&path).unwrap();
        assert!(accepts(&between, "old"));
        replace("secret", "new");
        for secret in [&running, &between, &Secret::from_file(&path).unwrap()] {
            secret.reread();
            assert!(accepts(secret, "old") && accepts(secret, "new"));
        }
    }

    #[test]
    fn a_link_that_is_pointed_elsewhere_is_seen() {
        // As Kubernetes does it: the file is a link into a directory that is itself a link, which is replaced.
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (version, text) in [("v1", "aaa"), ("v2", "bbb")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("secret"), text).unwrap();
        }
        std::os::unix::fs::symlink("v1", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/secret", at("secret")).unwrap();
        let secret = Secret::from_file(&at("secret")).unwrap();
        std::os::unix::fs::symlink("v2", at("..next")).unwrap();
        fs::rename(at("..next"), at("..data")).unwrap();
        assert!(secret.reread());
        assert_eq!(secret.current().expose_secret(), "bbb");
    }

    #[test]
    fn a_replaced_file_of_equal_size_is_seen() {
        let (keep, path) = file("aaa");
        let secret = Secret::from_file(&path).unwrap();
        let next = keep.path().join("next");
        fs::write(&next, "bbb").unwrap();
        fs::rename(&next, &path).unwrap();
        assert!(secret.reread());
        assert_eq!(secret.current().expose_secret(), "bbb");
    }

    #[test]
    fn values_replaced_in_quick_succession_are_all_accepted_for_a_while() {
        let (_keep, path) = file("one");
        let secret = Secret::from_file(&path).unwrap();
        for next in ["second", "the third", "the fourth one"] {
            fs::write(&path, next).unwrap();
            assert!(secret.reread());
        }
        let mut accepted: Vec<_> =
            secret.accepted().iter().map(|value| value.expose_secret().to_owned()).collect();
        accepted.sort();
        assert_eq!(accepted, ["one", "second", "the fourth one", "the third"]);
        for (_, at) in &mut secret.state().replaced {
            *at -= GRACE;
        }
        assert_eq!(secret.accepted().len(), 1);
    }

    #[test]
    fn a_replaced_file_is_seen_although_its_time_and_size_are_those_of_the_one_before() {
        let (_keep, path) = file("aaa");
        let secret = Secret::from_file(&path).unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "bbb").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert!(secret.reread());
        assert_eq!(secret.current().expose_secret(), "bbb");
    }

    /// Kubernetes mounts a directory of links `NAME -> ..data/NAME`, and swaps the link `..data -> ..TIME` for a new version.
    #[test]
    fn a_directory_that_is_swapped_by_a_link_is_followed() {
        let root = tempfile::tempdir().unwrap();
        let version = |name: &str, value: &str, previous: Option<&str>| {
            let directory = root.path().join(name);
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("key"), value).unwrap();
            if let Some(previous) = previous {
                fs::write(directory.join("key.previous"), previous).unwrap();
            }
            let link = root.path().join("..data_tmp");
            symlink(name, &link).unwrap();
            fs::rename(&link, root.path().join("..data")).unwrap();
        };
        version("..2026_11_25_1", "aaa", None);
        symlink("..data/key", root.path().join("key")).unwrap();
        symlink("..data/key.previous", root.path().join("key.previous")).unwrap();
        let secret = Secret::from_file(&root.path().join("key")).unwrap();
        assert_eq!(secret.accepted().len(), 1);
        version("..2026_11_25_2", "bbb", Some("aaa"));
        fs::remove_dir_all(root.path().join("..2026_11_25_1")).unwrap();
        assert!(secret.reread());
        assert_eq!(secret.current().expose_secret(), "bbb");
        assert_eq!(
            Secret::from_file(&root.path().join("key")).unwrap().accepted().len(),
            2,
            "also of a later start"
        );
    }

    #[test]
    fn a_bad_file_leaves_the_last_good_value() {
        let (_keep, path) = file("good");
        let secret = Secret::from_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(!secret.reread());
        fs::write(&path, [0xff, 0xfe, 0xfd]).unwrap();
        assert!(!secret.reread());
        fs::remove_file(&path).unwrap();
        assert!(!secret.reread());
        assert_eq!(secret.current().expose_secret(), "good");
        fs::write(&path, "better").unwrap();
        assert!(secret.reread());
    }

    #[test]
    fn the_file_is_looked_at_once_a_second_without_being_asked() {
        let (_keep, path) = file("old");
        let secret = Secret::from_file(&path).unwrap();
        fs::write(&path, "newer").unwrap();
        assert_eq!(secret.current().expose_secret(), "old");
        secret.state().looked -= LOOK_EVERY;
        assert_eq!(secret.current().expose_secret(), "newer");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::fixed("hunter2")), "Secret(…)");
    }
}
