//! The key that our services vouch for callers with.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::{Reader, Secret};
use crate::private_file;

/// The file under `DATA_DIR` that stands in for the setting.
const FILE: &str = "internal-key";

/// Where the services' common key is.
#[derive(Clone, Debug)]
pub enum InternalKey {
    /// The setting `INTERNAL_API_KEY`.
    Setting(Secret),
    /// A file under `DATA_DIR`, so that the services of one machine trust each other without a setting.
    File(PathBuf),
}

impl InternalKey {
    /// Reads `INTERNAL_API_KEY`. Without it, it is the file `internal-key` in `data_dir`; nothing is made yet.
    pub fn read(settings: &mut Reader<'_>, data_dir: &Path) -> Self {
        match settings.optional_strong_secret("INTERNAL_API_KEY") {
            Some(key) => Self::Setting(key),
            None => Self::File(data_dir.join(FILE)),
        }
    }

    /// The key. A file that is not there is made (mode 0600) by whoever comes first.
    pub fn open(&self) -> io::Result<Secret> {
        match self {
            Self::Setting(key) => Ok(key.clone()),
            Self::File(path) => {
                private_file::read_or_create(path, mint)?;
                Secret::from_file(path).map_err(io::Error::other)
            }
        }
    }
}

/// 256 random bits in hexadecimal digits.
fn mint() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(data_dir: &Path, setting: Option<&str>) -> InternalKey {
        let source = |name: &str| setting.filter(|_| name == "INTERNAL_API_KEY").map(str::to_owned);
        InternalKey::read(&mut Reader::new(&source), data_dir)
    }

    #[test]
    fn services_of_one_machine_find_the_same_key_without_a_setting() {
        let root = tempfile::tempdir().unwrap();
        let data_dir = root.path().join("data");
        let one = read(&data_dir, None);
        assert!(!data_dir.exists(), "reading settings makes nothing");
        let (one, two) = (one.open().unwrap(), read(&data_dir, None).open().unwrap());
        assert_eq!(one.current().expose_secret(), two.current().expose_secret());
        assert_eq!(one.current().expose_secret().len(), 64);
    }

    #[test]
    fn the_setting_wins() {
        let root = tempfile::tempdir().unwrap();
        let setting = "0123456789abcdef0123456789abcdef";
        let key = read(root.path(), Some(setting)).open().unwrap();
        assert_eq!(key.current().expose_secret(), setting);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
