use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;

use super::{Bases, Principal, Scopes};
use crate::config::{Reader, Secret};
use crate::keys::ApiKey;

/// What the operator's key is known by. No minted key has an id of this length.
const KEY_ID: &str = "operator-key";

/// The key of whoever runs the services: it has all rights, and lives in a setting instead of the database, so that there is
/// a way in before the first key was made, and while the database is down.
///
/// Its id stays the same when the key is replaced: sessions and usage go on. While the file `NAME.previous` is there,
/// the key before is accepted too.
#[derive(Clone, Debug)]
pub struct OperatorKey(Secret);

impl OperatorKey {
    /// Reads `OPERATOR_API_KEY`; `None` if it is not set or, then noted as a problem, is no key.
    pub fn read(settings: &mut Reader<'_>) -> Option<Self> {
        let secret = settings.optional_secret("OPERATOR_API_KEY")?;
        if ApiKey::parse(secret.current().expose_secret()).is_err() {
            settings.problem(
                "OPERATOR_API_KEY",
                "is not a well-formed API key (pya_live_…): scripts/generate-secure-credentials.sh makes one",
            );
            return None;
        }
        Some(Self(secret))
    }

    /// The operator, if this is the key. An unknown one may have been put into the file a moment ago: then it is read again.
    pub(super) fn verify(&self, key: &ApiKey) -> Option<Principal> {
        let is_known = self.is_accepted(key) || (self.0.reread() && self.is_accepted(key));
        is_known.then(|| Principal {
            key_id: KEY_ID.into(),
            name: KEY_ID.into(),
            scopes: Scopes::ALL,
            bases: Bases::All,
        })
    }

    fn is_accepted(&self, key: &ApiKey) -> bool {
        let equals = |value: &secrecy::SecretString| {
            bool::from(value.expose_secret().as_bytes().ct_eq(key.expose().as_bytes()))
        };
        // All are compared, so that the time taken does not tell which was nearly right.
        self.0.accepted().iter().fold(false, |known, value| known | equals(value))
    }
}
