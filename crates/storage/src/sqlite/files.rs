use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::StorageError;

/// Makes the database's file ready for SQLite: there, and readable by its owner alone.
///
/// SQLite gives its side files (`-wal`, `-shm`) the mode of the main file.
pub(super) fn prepare(path: &Path) -> Result<(), StorageError> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed("create the directory", directory))?;
    }
    // An existing file is never opened here: closing any handle of a file drops the POSIX locks that
    // SQLite holds on it elsewhere in this process.
    match fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed("protect", path))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(failed("look at", path)(error)),
    }
}

fn create(path: &Path) -> Result<(), StorageError> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()), // another process was quicker
        Err(error) => Err(failed("create", path)(error)),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    move |source| StorageError::File { action, path: path.to_owned(), source }
}
