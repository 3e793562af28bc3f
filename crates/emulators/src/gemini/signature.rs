//! Thought signatures: made so that the emulator knows its own again, without remembering them.
//!
//! A signature is a keyed digest over the model and what it signs, with the caller's API key as the key: one that is moved to
//! another call, or comes with another model or key, is told from a genuine one. It is the same for the same answer at the
//! same place of the same conversation, so that runs can be repeated.

use hmac::{Hmac, Mac as _};
use serde_json::{Map, Value};
use sha2::Sha256;

/// What clients send for calls that no Gemini made.
pub(super) const BYPASS: &[u8] = b"skip_thought_signature_validator";

const NONCE_BYTES: usize = 8;
const SIGNATURE_BYTES: usize = 32;

/// What is signed.
#[derive(Clone, Copy)]
pub(super) enum Signed<'a> {
    Call {
        name: &'a str,
        args: &'a Map<String, Value>,
    },
    /// A text; which one is not bound, since clients may join and split texts.
    Text,
}

/// Why a signature is refused; Google's words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Refused {
    Corrupted,
    Invalid,
}

/// Makes and checks the signatures of one API key and model.
pub(super) struct Signer<'a> {
    pub(super) key: &'a str,
    pub(super) model: &'a str,
}

impl Signer<'_> {
    /// `nonce` stands for the place in the conversation.
    pub(super) fn sign(&self, signed: Signed<'_>, nonce: u64) -> Vec<u8> {
        self.signature(signed, nonce.to_be_bytes())
    }

    pub(super) fn check(&self, signature: &[u8], signed: Signed<'_>) -> Result<(), Refused> {
        if signature == BYPASS {
            return Ok(());
        }
        let nonce = signature.first_chunk::<NONCE_BYTES>().copied();
        match nonce {
            Some(nonce) if signature.len() == SIGNATURE_BYTES => {
                if self.signature(signed, nonce) == signature { Ok(()) } else { Err(Refused::Invalid) }
            }
            _ => Err(Refused::Corrupted),
        }
    }

    fn signature(&self, signed: Signed<'_>, nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.key.as_bytes()).expect("HMAC takes keys of every length");
        mac.update(&nonce);
        mac.update(self.model.as_bytes());
        match signed {
            Signed::Call { name, args } => {
                mac.update(b"\0call\0");
                mac.update(name.as_bytes());
                let mut text = String::new();
                canonical(&Value::Object(args.clone()), &mut text);
                mac.update(text.as_bytes());
            }
            Signed::Text => mac.update(b"\0text\0"),
        }
        let digest = mac.finalize().into_bytes();
        let mut signature = nonce.to_vec();
        signature.extend_from_slice(&digest[..SIGNATURE_BYTES - NONCE_BYTES]);
        signature
    }
}

/// JSON in one form: keys sorted, numbers as doubles. Clients parse arguments and write them again.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for key in keys {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(&object[key], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) => match number.as_f64() {
            Some(number) => out.push_str(&format!("{number:?}")),
            None => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_signature_belongs_to_its_call_model_and_key() {
        let signer = Signer { key: "k", model: "m" };
        let given = args(json!({"a": 1, "b": [2.5]}));
        let call = Signed::Call { name: "f", args: &given };
        let signature = signer.sign(call, 7);
        assert_eq!(signature.len(), 32);
        let rewritten = args(json!({"b": [2.5], "a": 1.0}));
        assert_eq!(signer.check(&signature, Signed::Call { name: "f", args: &rewritten }), Ok(()));
        assert_eq!(signer.check(BYPASS, call), Ok(()));
        let other = args(json!({"a": 2, "b": [2.5]}));
        for wrong in [Signed::Call { name: "g", args: &given }, Signed::Call { name: "f", args: &other }] {
            assert_eq!(signer.check(&signature, wrong), Err(Refused::Invalid));
        }
        assert_eq!(Signer { key: "k2", model: "m" }.check(&signature, call), Err(Refused::Invalid));
        assert_eq!(Signer { key: "k", model: "m2" }.check(&signature, call), Err(Refused::Invalid));
        assert_eq!(signer.check(&signature[1..], call), Err(Refused::Corrupted));
    }
}
