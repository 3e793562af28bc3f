//! Cursors, confirmations and states that travel through clients: signed, bound to the caller and to what they are for,
//! and good for a while.

use std::time::Duration;

use rmcp::model::{RequestStateCodec, RequestStateError, SealOptions};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_kit::config::Secret;
use sha2::{Digest as _, Sha256};

/// How long a confirmation, or a cursor, is good for.
pub(crate) const LIFE: Duration = Duration::from_secs(10 * 60);

/// Separates these signatures from others that are made with the same key.
const DOMAIN: &[u8] = b"pyairtable/mcp/seal/v1";

/// Signs and checks what clients carry. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sealer {
    key: Secret,
}

/// Why something that a client brought back is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsealed {
    Expired,
    /// Changed, made up, of another caller, or for something else.
    NotOurs,
}

impl Sealer {
    /// All processes with the same key accept each other's seals.
    pub(crate) fn new(key: Secret) -> Self {
        Self { key }
    }

    /// A text that only `open` with the same `bound_to` reads, within [`LIFE`]. Signed, not encrypted.
    pub(crate) fn seal(&self, value: &impl Serialize, bound_to: &[u8]) -> String {
        self.seal_for(value, bound_to, LIFE)
    }

    fn seal_for(&self, value: &impl Serialize, bound_to: &[u8], life: Duration) -> String {
        let options = SealOptions::new().associated_data(bound_to).ttl(life);
        let json = serde_json::to_vec(value).expect("states are strings and numbers");
        codec(&self.key.current()).seal_with(&json, &options)
    }

    pub(crate) fn open<T: DeserializeOwned>(&self, text: &str, bound_to: &[u8]) -> Result<T, Unsealed> {
        let mut worst = Unsealed::NotOurs;
        for key in self.key.accepted() {
            match codec(&key).open_with(text, bound_to) {
                Ok(json) => return serde_json::from_slice(&json).map_err(|_| Unsealed::NotOurs),
                Err(RequestStateError::Expired) => worst = Unsealed::Expired,
                Err(_) => {}
            }
        }
        Err(worst)
    }
}

/// What a seal is bound to: a digest of its parts, in which no part can pose as two.
pub(crate) fn bound_to(parts: &[&str]) -> Vec<u8> {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().to_vec()
}

fn codec(key: &secrecy::SecretString) -> RequestStateCodec {
    let mut digest = Sha256::new();
    digest.update(DOMAIN);
    digest.update(key.expose_secret().as_bytes());
    RequestStateCodec::try_new(digest.finalize().to_vec()).expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(key: &str) -> Sealer {
        Sealer::new(Secret::fixed(key))
    }

    #[test]
    fn a_seal_opens_for_what_it_is_bound_to_and_for_nothing_else() {
        let mine = bound_to(&["ada", "delete_records"]);
        let text = sealer("k").seal(&7, &mine);
        assert_eq!(sealer("k").open(&text, &mine), Ok(7));
        assert_eq!(
            sealer("k").open::<i32>(&text, &bound_to(&["bob", "delete_records"])),
            Err(Unsealed::NotOurs)
        );
        assert_eq!(sealer("other").open::<i32>(&text, &mine), Err(Unsealed::NotOurs));
        for wrong in ["", "rs1.a.b", &text[..text.len() - 1]] {
            assert_eq!(sealer("k").open::<i32>(wrong, &mine), Err(Unsealed::NotOurs), "{wrong}");
        }
    }

    #[test]
    fn a_seal_that_is_too_old_is_told_from_one_that_is_not_ours() {
        let text = sealer("k").seal_for(&7, b"x", Duration::from_millis(1));
        let sealed = std::time::Instant::now();
        while sealed.elapsed() < Duration::from_millis(3) {
            std::hint::spin_loop();
        }
        assert_eq!(sealer("k").open::<i32>(&text, b"x"), Err(Unsealed::Expired));
        assert_eq!(sealer("k").open::<i32>(&text, b"y"), Err(Unsealed::NotOurs));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(bound_to(&["ab", "c"]), bound_to(&["a", "bc"]));
        assert_ne!(bound_to(&["a"]), bound_to(&["a", ""]));
    }
}
