use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName};
use secrecy::SecretString;
use storage::{ApiKeyRecord, ApiKeyStore};
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;
use tracing::{Span, warn};

use super::credential::{Presented, only, presented};
use super::{Bases, Caller, OperatorKey, PRINCIPAL_HEADER, Principal, PrincipalSigner, Scopes};
use crate::config::Secret;
use crate::error::{ApiError, ErrorCode};
use crate::keys::ApiKey;

/// How long a known key is trusted without asking the store: the longest that a revocation by another process takes to hold.
const TRUST: Duration = Duration::from_secs(5);

/// How often a key's use is noted at most.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// Keys remembered at once. Beyond it all are forgotten, which costs one look-up each.
const MAX_REMEMBERED: usize = 4096;

/// Finds out who presents a request. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    store: Arc<dyn ApiKeyStore>,
    signer: Option<PrincipalSigner>,
    operator: Option<OperatorKey>,
    remembered: Arc<Mutex<HashMap<String, Remembered>>>,
}

#[derive(Clone)]
struct Remembered {
    key: Arc<KnownKey>,
    /// When the store said so.
    asked: Instant,
    touched: Option<Instant>,
}

struct KnownKey {
    digest: [u8; 32],
    principal: Principal,
    expires_at: Option<SystemTime>,
    revoked: bool,
}

impl Authenticator {
    /// `internal_key` (`INTERNAL_API_KEY`) is what other services of ours sign principals with; without it none is accepted.
    pub fn new(store: Arc<dyn ApiKeyStore>, internal_key: Option<Secret>) -> Self {
        Self {
            store,
            signer: internal_key.map(PrincipalSigner::new),
            operator: None,
            remembered: Arc::default(),
        }
    }

    /// Accepts this key (`OPERATOR_API_KEY`) too, without asking the store.
    #[must_use]
    pub fn with_operator(self, operator: Option<OperatorKey>) -> Self {
        Self { operator, ..self }
    }

    /// The principal of a request: 401 if there is none, 503 if the store cannot say.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, ApiError> {
        match self.identify(headers).await? {
            Caller::Known(principal) => Ok(principal),
            Caller::Foreign(_) => Err(refused()),
        }
    }

    /// Like [`Authenticator::authenticate`], but a bearer token that is not one of our keys is handed back unchecked:
    /// for a service that passes it on. A signed principal decides, then `Authorization: Bearer`, then `X-API-Key`.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        match only(headers, &PRINCIPAL_HEADER) {
            Ok(None) => {}
            Ok(Some(value)) => {
                let signer = self.signer.as_ref().ok_or_else(refused)?;
                let principal = signer.verify(value, SystemTime::now()).ok_or_else(refused)?;
                Span::current().record("key_id", &*principal.key_id);
                return Ok(Caller::Known(principal));
            }
            Err(_) => return Err(refused()),
        }
        match presented(headers) {
            Presented::OurKey(text) => self.by_key(text).await.map(Caller::Known),
            Presented::Foreign(token) => Ok(Caller::Foreign(SecretString::from(token))),
            Presented::Nothing => Err(ApiError::new(
                ErrorCode::AuthenticationRequired,
                "send an API key as `Authorization: Bearer …` or `X-API-Key`",
            )),
            Presented::Unusable => Err(refused()),
        }
    }

    /// The principal of a key given as text.
    pub async fn by_key(&self, text: &str) -> Result<Principal, ApiError> {
        let key = ApiKey::parse(text).map_err(|_| refused())?;
        if let Some(principal) = self.operator.as_ref().and_then(|operator| operator.verify(&key)) {
            Span::current().record("key_id", &*principal.key_id);
            return Ok(principal);
        }
        let digest = key.digest();
        let known = self.known(key.id()).await?;
        // An unknown id is compared too, so that the time taken does not tell it from a wrong secret.
        let expected = known.as_ref().map_or([0; 32], |known| known.digest);
        let is_equal = bool::from(digest.ct_eq(&expected));
        match known {
            Some(known) if is_equal && known.is_valid(SystemTime::now()) => {
                self.note_use(key.id());
                Span::current().record("key_id", key.id());
                Ok(known.principal.clone())
            }
            _ => Err(refused()),
        }
    }

    /// What signs principals for calls to other services of ours; `None` without an internal key.
    pub fn signer(&self) -> Option<&PrincipalSigner> {
        self.signer.as_ref()
    }

    /// The headers that carry credentials of ours, and must not travel on to a foreign service.
    pub fn credential_headers() -> [HeaderName; 3] {
        [http::header::AUTHORIZATION, HeaderName::from_static("x-api-key"), PRINCIPAL_HEADER]
    }

    async fn known(&self, id: &str) -> Result<Option<Arc<KnownKey>>, ApiError> {
        let fresh = self.remembered().get(id).filter(|known| known.asked.elapsed() < TRUST).cloned();
        if let Some(remembered) = fresh {
            return Ok(Some(remembered.key));
        }
        let asked = Instant::now();
        let found = self.store.find(id).await?.map(|record| Arc::new(KnownKey::from(record)));
        let mut remembered = self.remembered();
        match &found {
            Some(key) => {
                if remembered.len() >= MAX_REMEMBERED && !remembered.contains_key(id) {
                    remembered.clear();
                }
                let touched = remembered.get(id).and_then(|before| before.touched);
                remembered.insert(id.to_owned(), Remembered { key: key.clone(), asked, touched });
            }
            None => {
                remembered.remove(id);
            }
        }
        Ok(found)
    }

    /// Notes the use in the background: a request does not wait for it, nor fail with it.
    fn note_use(&self, id: &str) {
        {
            let mut remembered = self.remembered();
            let Some(known) = remembered.get_mut(id) else { return };
            if known.touched.is_some_and(|touched| touched.elapsed() < TOUCH_EVERY) {
                return;
            }
            known.touched = Some(Instant::now());
        }
        let (store, id) = (self.store.clone(), id.to_owned());
        tokio::spawn(async move {
            if let Err(error) = store.touch(&id, SystemTime::now()).await {
                warn!(key.id = id, "the use of a key was not noted: {error}");
            }
        });
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownKey {
    fn is_valid(&self, now: SystemTime) -> bool {
        !self.revoked && self.expires_at.is_none_or(|end| now < end)
    }
}

impl From<ApiKeyRecord> for KnownKey {
    fn from(record: ApiKeyRecord) -> Self {
        Self {
            digest: record.digest,
            principal: Principal {
                key_id: record.id.into(),
                name: record.name.into(),
                scopes: Scopes::from_names(&record.scopes),
                bases: Bases::from_names(record.bases),
            },
            expires_at: record.expires_at,
            revoked: record.revoked_at.is_some(),
        }
    }
}

/// One answer for every kind of bad credential.
fn refused() -> ApiError {
    ApiError::new(ErrorCode::AuthenticationRequired, "the API key is not valid")
}
