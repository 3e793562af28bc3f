use std::fmt::{self, Display};

use sha2::{Digest as _, Sha256};

/// What `check-config` tells about one setting: never its value.
#[derive(Clone, Debug)]
pub struct SettingReport {
    pub name: &'static str,
    origin: Origin,
    secret: Option<SecretShape>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    Environment,
    File,
    Unset,
}

#[derive(Clone, Debug)]
struct SecretShape {
    chars: usize,
    /// Eight hexadecimal digits: enough to see whether two machines have the same value.
    fingerprint: String,
}

impl SettingReport {
    pub(super) fn plain(name: &'static str, origin: Origin) -> Self {
        Self { name, origin, secret: None }
    }

    pub(super) fn secret(name: &'static str, origin: Origin, value: &str) -> Self {
        let mut fingerprint = fingerprint(value);
        fingerprint.truncate(8);
        Self { name, origin, secret: Some(SecretShape { chars: value.chars().count(), fingerprint }) }
    }
}

impl Display for SettingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.origin {
            Origin::Environment => "environment",
            Origin::File => "file",
            Origin::Unset => "default",
        };
        write!(f, "{:<28} {origin}", self.name)?;
        match &self.secret {
            Some(SecretShape { chars, fingerprint }) => write!(f, ", {chars} characters, {fingerprint}"),
            None => Ok(()),
        }
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn fingerprint(value: &str) -> String {
    hex::encode(Sha256::digest(value))
}
