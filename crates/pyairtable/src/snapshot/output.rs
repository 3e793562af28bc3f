//! The file: whole or not at all, for its owner alone, and never over another one unasked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// A file that is being written beside the place where it is to be.
pub(super) struct Draft {
    path: PathBuf,
    place: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Draft {
    pub(super) fn begin(place: &Path, replace: bool) -> anyhow::Result<Self> {
        if !replace && place.symlink_metadata().is_ok() {
            bail!("{} is there already; --force replaces it", place.display());
        }
        if place.is_dir() {
            bail!("{} is a directory", place.display());
        }
        let mut name =
            place.file_name().with_context(|| format!("{} is no file", place.display()))?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = place.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path, place: place.to_owned(), file: Some(BufWriter::new(file)) })
    }

    pub(super) fn writer(&mut self) -> io::Result<&mut BufWriter<File>> {
        self.file.as_mut().ok_or_else(|| io::Error::other("it is closed"))
    }

    /// What has been written.
    pub(super) fn read(&mut self) -> io::Result<Vec<u8>> {
        self.writer()?.flush()?;
        fs::read(&self.path)
    }

    /// Puts it where it is to be.
    pub(super) fn finish(mut self, replace: bool) -> anyhow::Result<()> {
        let mut put = || -> io::Result<()> {
            let file = self.file.take().ok_or_else(|| io::Error::other("it is closed"))?;
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            match replace {
                true => fs::rename(&self.path, &self.place),
                // A link is never made over a file that has come there meanwhile.
                false => fs::hard_link(&self.path, &self.place),
            }
        };
        let place = self.place.display().to_string();
        put().with_context(|| format!("cannot write {place}"))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It is gone if it was renamed.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_appears_whole_for_its_owner_alone_and_leaves_no_draft() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("seed.json");
        let write = |replace: bool, text: &str| {
            let mut draft = Draft::begin(&place, replace)?;
            draft.writer()?.write_all(text.as_bytes())?;
            assert_eq!(draft.read()?, text.as_bytes());
            draft.finish(replace)
        };
        write(false, "one").unwrap();
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = write(false, "two").unwrap_err().to_string();
        assert!(refused.contains("--force"), "{refused}");
        assert_eq!(fs::read_to_string(&place).unwrap(), "one");
        write(true, "two").unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "two");
        drop(Draft::begin(&place, true).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft stays behind");
        assert!(Draft::begin(dir.path(), true).is_err());
    }

    #[test]
    fn a_file_that_has_come_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("seed.json");
        let draft = Draft::begin(&place, false).unwrap();
        fs::write(&place, "theirs").unwrap();
        assert!(draft.finish(false).is_err());
        assert_eq!(fs::read_to_string(&place).unwrap(), "theirs");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
