use std::io;
use std::path::PathBuf;

/// Why a store could not do what it was asked to do. "Not there" is no error: it is `None`.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database refused or could not be reached; `action` completes "cannot …".
    #[error("cannot {action}")]
    Database {
        action: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// A file or directory of the store could not be created or read.
    #[error("cannot {action} {}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file was written by a newer version of this program, whose schema we do not know.
    #[error("{} has schema version {found}, and this program knows versions up to {known}", path.display())]
    TooNew { path: PathBuf, found: i64, known: i64 },
    /// Something of this identity is there already.
    #[error("{what} exists already")]
    Exists { what: &'static str },
    /// A stored value does not read back as what was written.
    #[error("the stored {what} is damaged")]
    Damaged { what: &'static str },
}

impl StorageError {
    pub(crate) fn database(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action, source }
    }
}
