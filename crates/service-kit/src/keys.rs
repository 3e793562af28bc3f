//! API keys as text: `pya_live_<id: 8><_><secret: 43><check: 6>`.
//!
//! The prefix makes a leaked key findable, the id is its public name, the secret is 32 random bytes in base64url, and
//! the check refuses a mistyped key without asking the store: the CRC-32 of all before it, in base 62.

use std::fmt::{self, Debug};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use storage::ApiKeyRecord;

use crate::auth::{Bases, Scopes};

/// What all our keys of all kinds start with; a credential without it is not ours.
pub const PREFIX: &str = "pya_";

const LIVE: &str = "pya_live_";
const ID_LEN: usize = 8;
const SECRET_LEN: usize = 43;
const CHECK_LEN: usize = 6;
const LEN: usize = LIVE.len() + ID_LEN + 1 + SECRET_LEN + CHECK_LEN;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A well-formed API key. Whether it is known is for [`crate::auth::Authenticator`] to say.
#[derive(Clone)]
pub struct ApiKey {
    text: SecretString,
}

/// The text is not one of our keys, or has a typing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a well-formed API key")]
pub struct NotAKey;

impl ApiKey {
    /// A new key. Fails if the operating system has no randomness to give.
    pub fn mint() -> Result<Self, getrandom::Error> {
        let mut random = [0; 32 + ID_LEN];
        getrandom::fill(&mut random)?;
        let (secret, id) = random.split_at(32);
        // 36 characters of 256 values: the first four are a little likelier, which an identifier may be.
        let id: String = id.iter().map(|byte| char::from(BASE62[usize::from(byte % 36)])).collect();
        let body = format!("{LIVE}{}_{}", id.to_ascii_lowercase(), URL_SAFE_NO_PAD.encode(secret));
        let check = check(&body);
        Ok(Self { text: SecretString::from(body + &check) })
    }

    /// Checks form and check digits.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        if text.len() != LEN || !text.is_ascii() || !text.starts_with(LIVE) {
            return Err(NotAKey);
        }
        let (body, given) = text.split_at(LEN - CHECK_LEN);
        let (id, rest) = body[LIVE.len()..].split_at(ID_LEN);
        let secret = rest.strip_prefix('_').ok_or(NotAKey)?;
        let is_id = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let is_secret =
            secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if is_id && is_secret && given == check(body) {
            Ok(Self { text: SecretString::from(text) })
        } else {
            Err(NotAKey)
        }
    }

    /// The public part, by which the key is found and named.
    pub fn id(&self) -> &str {
        &self.expose()[LIVE.len()..LIVE.len() + ID_LEN]
    }

    /// The whole key. To be shown once to its owner, or sent; never logged.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// SHA-256 of the whole key, which is what is stored.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.expose()).into()
    }

    /// What to store of this key.
    pub fn record(
        &self,
        name: impl Into<String>,
        scopes: Scopes,
        bases: &Bases,
        created_at: SystemTime,
        expires_at: Option<SystemTime>,
    ) -> ApiKeyRecord {
        ApiKeyRecord {
            id: self.id().to_owned(),
            name: name.into(),
            digest: self.digest(),
            last4: self.expose()[LEN - 4..].to_owned(),
            scopes: scopes.iter().map(|scope| scope.to_string()).collect(),
            bases: bases.names(),
            created_at,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        }
    }
}

impl Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}…)", self.id())
    }
}

/// Six digits hold a CRC-32, since 62^6 is larger than 2^32.
fn check(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECK_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_minted_key_has_the_documented_form_and_is_read_back() {
        let key = ApiKey::mint().unwrap();
        assert_eq!(key.expose().len(), 67);
        assert!(key.expose().starts_with("pya_live_"));
        let read = ApiKey::parse(key.expose()).unwrap();
        assert_eq!((read.id(), read.digest()), (key.id(), key.digest()));
        assert_eq!(key.id().len(), 8);
    }

    #[test]
    fn minted_keys_differ() {
        assert_ne!(ApiKey::mint().unwrap().expose(), ApiKey::mint().unwrap().expose());
    }

    #[test]
    fn a_key_of_the_past_stays_valid() {
        // The format is stored in people's configuration; this one was minted by the first version.
        let body = "pya_live_abcd1234_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(check(body), "0iTRDV");
        assert!(ApiKey::parse(&format!("{body}0iTRDV")).is_ok());
    }

    #[test]
    fn debug_shows_the_id_alone() {
        let key = ApiKey::mint().unwrap();
        assert_eq!(format!("{key:?}"), format!("ApiKey({}…)", key.id()));
    }

    proptest! {
        #[test]
        fn one_changed_character_is_noticed(position in 0_usize..67, character in "[ -~]") {
            let key = ApiKey::mint().unwrap();
            let mut text = key.expose().to_owned();
            text.replace_range(position..=position, &character);
            prop_assume!(text != key.expose());
            prop_assert!(ApiKey::parse(&text).is_err());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*", tail in "\\PC{50,60}") {
            let _ = ApiKey::parse(&text);
            let _ = ApiKey::parse(&format!("pya_live_{tail}"));
        }
    }
}
