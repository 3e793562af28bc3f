use std::io;
use std::path::PathBuf;

/// Why a store could not do what it was asked to do. "Not there" is no error where it is an ordinary answer: it is `None`.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database refused or could not be reached; `action` completes "cannot …".
    #[error("cannot {action}")]
    Database {
        action: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// Redis refused or could not be reached; `action` completes "cannot …".
    #[error("cannot {action}")]
    Redis {
        action: &'static str,
        #[source]
        source: redis::RedisError,
    },
    /// A file or directory of the store could not be created or read.
    #[error("cannot {action} {}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The database was written by a newer version of this program, whose schema we do not know.
    #[error("{place} has schema version {found}, and this program knows versions up to {known}")]
    TooNew { place: String, found: i64, known: i64 },
    /// The store is out of reach, and was before this call: since the start, or since it was lost.
    #[error("{what} is out of reach")]
    Unavailable { what: &'static str },
    /// Something of this identity is there already.
    #[error("{what} exists already")]
    Exists { what: &'static str },
    /// What was to be changed is not there.
    #[error("{what} does not exist")]
    Missing { what: &'static str },
    /// What was to be changed is not what the caller thinks it is: somebody else was there first.
    #[error("{what} has changed meanwhile")]
    Conflict { what: &'static str },
    /// Nested deeper than it could be read back.
    #[error("{what} is nested too deeply")]
    TooDeep { what: &'static str },
    /// A stored value does not read back as what was written.
    #[error("the stored {what} is damaged")]
    Damaged { what: &'static str },
}

impl StorageError {
    pub(crate) fn database(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action, source }
    }

    /// What a row of this kind that cannot be read means.
    pub(crate) fn unreadable(what: &'static str, error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Decode(_) => Self::Damaged { what },
            source => Self::Database { action: "read what is stored", source },
        }
    }
}
