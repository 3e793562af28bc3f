//! Files that hold a secret of ours: readable by their owner alone.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The file's content without a trailing newline; if there is no file, makes one (mode 0600, its directory 0700) with what
/// `mint` gives. Processes that start together agree on one content.
pub fn read_or_create<E>(path: &Path, mint: impl FnOnce() -> Result<String, E>) -> io::Result<String>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let directory =
        path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let value = mint().map_err(io::Error::other)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", uuid::Uuid::now_v7()));
    let draft = directory.join(name);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = writeln!(file, "{value}").and_then(|()| file.sync_all());
    // A link is made whole or not at all, and never over a file that another process made meanwhile.
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => Ok(value),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(error),
    }
}

/// The file's content without a trailing newline; an empty file is an error.
pub fn read(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    let value = text.trim_end_matches(['\n', '\r']);
    if value.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty"));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_value_is_minted_once_and_kept_for_its_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data").join("key");
        let mint = |value: &'static str| move || Ok::<_, Infallible>(value.to_owned());
        assert_eq!(read_or_create(&path, mint("one")).unwrap(), "one");
        assert_eq!(read_or_create(&path, mint("two")).unwrap(), "one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft stays behind");
    }

    #[test]
    fn an_empty_file_is_an_error_and_is_not_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("key");
        fs::write(&path, "\n").unwrap();
        assert!(read_or_create(&path, || Ok::<_, Infallible>("one".to_owned())).is_err());
    }
}
