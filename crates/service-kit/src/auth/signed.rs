use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Bases, Principal, Scopes};
use crate::config::Secret;

/// Carries a caller's rights from one of our services to the next: `v1.<base64url of JSON>.<base64url of HMAC-SHA256>`.
pub const PRINCIPAL_HEADER: HeaderName = HeaderName::from_static("x-pyairtable-principal");

/// Long enough for two machines' clocks, short enough to be useless when found in a log later.
const LIFE: Duration = Duration::from_secs(60);

/// How far ahead the signer's clock may be.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

const VERSION: &str = "v1";

/// Signs and checks principal headers with the services' common key.
#[derive(Clone, Debug)]
pub struct PrincipalSigner {
    key: Secret,
}

/// The signed part. Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Claims {
    key_id: String,
    name: String,
    scopes: Vec<String>,
    /// Absent: all bases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bases: Option<Vec<String>>,
    issued_at: u64,
    expires_at: u64,
}

impl PrincipalSigner {
    /// `key` is the setting `INTERNAL_API_KEY`.
    pub fn new(key: Secret) -> Self {
        Self { key }
    }

    /// The header's value for a call that is sent now. Sign per call: it is valid for a minute.
    pub fn sign(&self, principal: &Principal) -> HeaderValue {
        self.sign_at(principal, SystemTime::now())
    }

    pub(super) fn sign_at(&self, principal: &Principal, now: SystemTime) -> HeaderValue {
        let issued_at = seconds(now);
        let claims = Claims {
            key_id: principal.key_id.to_string(),
            name: principal.name.to_string(),
            scopes: principal.scopes.iter().map(|scope| scope.to_string()).collect(),
            bases: principal.bases.names(),
            issued_at,
            expires_at: issued_at + LIFE.as_secs(),
        };
        let json = serde_json::to_vec(&claims).expect("strings and numbers always serialise");
        let signed = format!("{VERSION}.{}", URL_SAFE_NO_PAD.encode(json));
        let code = mac(&self.key.current(), &signed).finalize().into_bytes();
        let mut value = HeaderValue::from_str(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(code)))
            .expect("base64url and dots are header characters");
        value.set_sensitive(true);
        value
    }

    /// The principal, exactly as signed; `None` for anything that is not a valid header of the present minute.
    pub(super) fn verify(&self, value: &str, now: SystemTime) -> Option<Principal> {
        let (signed, code) = value.rsplit_once('.')?;
        let code = URL_SAFE_NO_PAD.decode(code).ok()?;
        let json = URL_SAFE_NO_PAD.decode(signed.strip_prefix(VERSION)?.strip_prefix('.')?).ok()?;
        // An unknown signature may be of a key that was replaced a moment ago: look at its file once before refusing.
        let is_signed =
            self.is_signature(signed, &code) || (self.key.reread() && self.is_signature(signed, &code));
        if !is_signed {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&json).ok()?;
        let now = seconds(now);
        let life = claims.expires_at.checked_sub(claims.issued_at)?;
        let is_fresh = claims.issued_at <= now + CLOCK_SKEW.as_secs() && now <= claims.expires_at;
        (is_fresh && life <= LIFE.as_secs()).then(|| Principal {
            key_id: claims.key_id.into(),
            name: claims.name.into(),
            scopes: Scopes::from_names(&claims.scopes),
            bases: Bases::from_names(claims.bases),
        })
    }

    fn is_signature(&self, signed: &str, code: &[u8]) -> bool {
        self.key.accepted().iter().any(|key| mac(key, signed).verify_slice(code).is_ok())
    }
}

fn mac(key: &SecretString, signed: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes())
        .expect("HMAC takes keys of every length");
    mac.update(signed.as_bytes());
    mac
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Scope;
    use super::*;

    fn signer(key: &str) -> PrincipalSigner {
        PrincipalSigner::new(Secret::fixed(key))
    }

    fn principal() -> Principal {
        Principal {
            key_id: "abcd1234".into(),
            name: "Büro".into(),
            scopes: Scopes::NONE.with(Scope::RecordsRead),
            bases: Bases::only(["appAAAAAAAAAAAAAA"]),
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    fn text(value: &HeaderValue) -> &str {
        value.to_str().unwrap()
    }

    #[test]
    fn rights_arrive_exactly_as_signed() {
        for principal in [principal(), Principal { bases: Bases::All, ..principal() }] {
            let value = signer("key").sign_at(&principal, at(0));
            assert_eq!(signer("key").verify(text(&value), at(1)), Some(principal));
        }
    }

    #[test]
    fn a_header_lives_for_a_minute_and_not_before_it_was_signed() {
        let value = signer("key").sign_at(&principal(), at(100));
        for (second, valid) in [(94, false), (95, true), (100, true), (160, true), (161, false)] {
            assert_eq!(signer("key").verify(text(&value), at(second)).is_some(), valid, "second {second}");
        }
    }

    #[test]
    fn another_key_is_refused() {
        let value = signer("key").sign_at(&principal(), at(0));
        assert_eq!(signer("other").verify(text(&value), at(0)), None);
    }

    #[test]
    fn a_header_that_claims_a_longer_life_is_refused_though_its_signature_is_right() {
        let json = r#"{"key_id":"a","name":"a","scopes":[],"issued_at":1800000000,"expires_at":1800003600}"#;
        let signed = format!("v1.{}", URL_SAFE_NO_PAD.encode(json));
        let code = mac(&SecretString::from("key"), &signed).finalize().into_bytes();
        let value = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(code));
        assert_eq!(signer("key").verify(&value, at(0)), None);
    }

    #[test]
    fn a_key_that_was_replaced_a_moment_ago_is_found_by_reading_its_file_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "old").unwrap();
        let receiver = PrincipalSigner::new(Secret::from_file(file.path()).unwrap());
        std::fs::write(file.path(), "newer").unwrap();
        let by_new_key = signer("newer").sign_at(&principal(), at(0));
        assert!(receiver.verify(text(&by_new_key), at(0)).is_some());
        let by_old_key = signer("old").sign_at(&principal(), at(0));
        assert!(receiver.verify(text(&by_old_key), at(0)).is_some(), "its sender may not have noticed yet");
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_refused(index in any::<prop::sample::Index>(), byte in b'!'..=b'~') {
            let value = signer("key").sign_at(&principal(), at(0));
            let mut bytes = text(&value).as_bytes().to_vec();
            let index = index.index(bytes.len());
            prop_assume!(bytes[index] != byte);
            bytes[index] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(signer("key").verify(&changed, at(0)), None);
        }

        #[test]
        fn no_text_makes_the_check_panic(value in "\\PC*") {
            prop_assert_eq!(signer("key").verify(&value, at(0)), None);
        }
    }
}
