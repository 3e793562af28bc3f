//! Secrets as the project's own script makes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A folder with the scripts and the secrets that they made.
pub(crate) struct Credentials {
    folder: TempDir,
}

impl Credentials {
    pub(crate) fn generate() -> Self {
        let folder = TempDir::new().unwrap();
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
        std::fs::create_dir_all(folder.path().join("scripts/lib")).unwrap();
        for directory in ["", "lib"] {
            for entry in std::fs::read_dir(scripts.join(directory)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "sh") {
                    let to = folder.path().join("scripts").join(directory).join(path.file_name().unwrap());
                    std::fs::copy(&path, to).unwrap();
                }
            }
        }
        let made = Self { folder };
        made.run(&[]);
        made
    }

    /// Blocks until the script ends, which must be in success.
    pub(crate) fn run(&self, arguments: &[&str]) {
        let done = Command::new(self.folder.path().join("scripts/generate-secure-credentials.sh"))
            .args(arguments)
            .env("DOCKER", "/nonexistent")
            .env_remove("AIRTABLE_TOKEN")
            .env_remove("GEMINI_API_KEY")
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("secrets").join(name)
    }

    pub(crate) fn value(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap().trim_end().to_owned()
    }

    /// A setting that names the file of this secret.
    pub(crate) fn setting(&self, setting: &'static str, name: &str) -> (&'static str, String) {
        (setting, self.path(name).display().to_string())
    }
}
