use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use service_kit::auth::{
    Authenticator, Bases, Caller, OperatorKey, PRINCIPAL_HEADER, Principal, PrincipalSigner, Scope, Scopes,
};
use service_kit::config::{Reader, Secret};
use service_kit::keys::ApiKey;
use service_kit::{ApiError, ErrorCode};
use storage::{ApiKeyRecord, ApiKeyStore, SqliteStore, StorageError};

const INTERNAL: &str = "an-internal-key-of-the-services-x";

/// A store in a file of its own, and a second way into the same file, as another process would have.
struct Fixture {
    store: Arc<Counting>,
    elsewhere: SqliteStore,
    authenticator: Authenticator,
    _directory: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.sqlite");
        let store =
            Arc::new(Counting { store: SqliteStore::open(&path).await.unwrap(), finds: AtomicUsize::new(0) });
        let elsewhere = SqliteStore::open(&path).await.unwrap();
        let authenticator = Authenticator::new(store.clone(), Some(Secret::fixed(INTERNAL)));
        Self { store, elsewhere, authenticator, _directory: directory }
    }

    async fn key(&self, expires_at: Option<SystemTime>) -> ApiKey {
        let key = ApiKey::mint().unwrap();
        let scopes = Scopes::NONE.with(Scope::RecordsRead);
        let bases = Bases::only(["appAAAAAAAAAAAAAA"]);
        self.elsewhere
            .insert(&key.record("test", scopes, &bases, SystemTime::now(), expires_at))
            .await
            .unwrap();
        key
    }

    async fn status(&self, headers: &HeaderMap) -> u16 {
        status(self.authenticator.authenticate(headers).await)
    }
}

/// Counts look-ups.
struct Counting {
    store: SqliteStore,
    finds: AtomicUsize,
}

#[async_trait]
impl ApiKeyStore for Counting {
    async fn insert(&self, key: &ApiKeyRecord) -> Result<(), StorageError> {
        self.store.insert(key).await
    }
    async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, StorageError> {
        self.finds.fetch_add(1, Ordering::Relaxed);
        self.store.find(id).await
    }
    async fn list(&self) -> Result<Vec<ApiKeyRecord>, StorageError> {
        self.store.list().await
    }
    async fn revoke(&self, id: &str, at: SystemTime) -> Result<bool, StorageError> {
        self.store.revoke(id, at).await
    }
    async fn touch(&self, id: &str, at: SystemTime) -> Result<(), StorageError> {
        self.store.touch(id, at).await
    }
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
}

fn bearer(token: &str) -> HeaderMap {
    headers(&[(AUTHORIZATION, &format!("Bearer {token}"))])
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

fn status(result: Result<impl Sized, ApiError>) -> u16 {
    result.map_or_else(|error| error.status().as_u16(), |_| 200)
}

#[tokio::test]
async fn a_key_is_taken_from_either_header_and_gives_its_rights() {
    let fixture = Fixture::new().await;
    let key = fixture.key(None).await;
    for headers in [
        bearer(key.expose()),
        headers(&[(AUTHORIZATION, &format!("bearer  {}", key.expose()))]),
        headers(&[(X_API_KEY, key.expose())]),
    ] {
        let principal = fixture.authenticator.authenticate(&headers).await.unwrap();
        assert_eq!((&*principal.key_id, &*principal.name), (key.id(), "test"));
        assert!(principal.may(Scope::RecordsRead) && !principal.may(Scope::RecordsWrite));
        assert!(principal.may_reach("appAAAAAAAAAAAAAA") && !principal.may_reach("appBBBBBBBBBBBBBB"));
        assert_eq!(status(principal.require(Scope::RecordsWrite)), 403);
        assert_eq!(status(principal.require_base("appBBBBBBBBBBBBBB")), 403);
    }
}

#[tokio::test]
async fn everything_else_is_401() {
    let fixture = Fixture::new().await;
    let key = fixture.key(None).await;
    let unknown = ApiKey::mint().unwrap();
    let expired = fixture.key(Some(SystemTime::now() - Duration::from_secs(1))).await;
    let mut twice = bearer(key.expose());
    twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    // The id of a known key and the secret of another: well-formed, with a right check.
    let other = ApiKey::mint().unwrap();
    fixture.elsewhere.insert(&ApiKeyRecord { digest: key.digest(), ..record(&other) }).await.unwrap();

    for (name, headers) in [
        ("nothing", HeaderMap::new()),
        ("an unknown key", bearer(unknown.expose())),
        ("an expired key", bearer(expired.expose())),
        ("another key's secret", bearer(other.expose())),
        ("a mistyped key", bearer(&key.expose().replace("live", "lvie"))),
        ("a foreign token", bearer("patAAAAAAAAAAAAAA.0123")),
        ("basic authentication", headers(&[(AUTHORIZATION, "Basic YTpi")])),
        ("two headers", twice),
        (
            "a wrong header wins over a right one",
            headers(&[(AUTHORIZATION, "Bearer x"), (X_API_KEY, key.expose())]),
        ),
        (
            "a junk principal wins over a key",
            headers(&[(PRINCIPAL_HEADER, "v1.a.b"), (X_API_KEY, key.expose())]),
        ),
    ] {
        assert_eq!(fixture.status(&headers).await, 401, "{name}");
    }
}

fn record(key: &ApiKey) -> ApiKeyRecord {
    key.record("test", Scopes::ALL, &Bases::All, SystemTime::now(), None)
}

#[tokio::test]
async fn a_foreign_token_is_told_from_a_bad_key() {
    let fixture = Fixture::new().await;
    match fixture.authenticator.identify(&bearer("patAAAAAAAAAAAAAA.0123")).await.unwrap() {
        Caller::Foreign(token) => assert_eq!(token.expose_secret(), "patAAAAAAAAAAAAAA.0123"),
        Caller::Known(principal) => panic!("{principal:?}"),
    }
    assert_eq!(status(fixture.authenticator.identify(&bearer("pya_live_bad")).await), 401);
}

// The next two let time pass that the store's thread does not know of, so the clock is stopped for short whiles only.

#[tokio::test]
async fn a_revocation_by_another_process_holds_within_five_seconds() {
    let fixture = Fixture::new().await;
    let key = fixture.key(None).await;
    assert_eq!(fixture.status(&bearer(key.expose())).await, 200);
    fixture.elsewhere.revoke(key.id(), SystemTime::now()).await.unwrap();
    skip(Duration::from_secs(5)).await;
    assert_eq!(fixture.status(&bearer(key.expose())).await, 401);
}

#[tokio::test]
async fn a_known_key_is_looked_up_once_in_five_seconds_and_a_wrong_secret_never_profits() {
    let fixture = Fixture::new().await;
    let key = fixture.key(None).await;
    for _ in 0..50 {
        assert_eq!(fixture.status(&bearer(key.expose())).await, 200);
    }
    assert_eq!(fixture.store.finds.load(Ordering::Relaxed), 1);
    skip(Duration::from_secs(5)).await;
    assert_eq!(fixture.status(&bearer(key.expose())).await, 200);
    assert_eq!(fixture.store.finds.load(Ordering::Relaxed), 2);
}

async fn skip(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_key_made_a_moment_ago_works_although_it_was_tried_before() {
    let fixture = Fixture::new().await;
    let key = ApiKey::mint().unwrap();
    assert_eq!(fixture.status(&bearer(key.expose())).await, 401);
    fixture.elsewhere.insert(&record(&key)).await.unwrap();
    assert_eq!(fixture.status(&bearer(key.expose())).await, 200);
}

#[tokio::test]
async fn the_use_of_a_key_is_noted() {
    let fixture = Fixture::new().await;
    let key = fixture.key(None).await;
    fixture.status(&bearer(key.expose())).await;
    let noted = async {
        while fixture.elsewhere.find(key.id()).await.unwrap().unwrap().last_used_at.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), noted).await.expect("it is noted");
}

#[tokio::test]
async fn a_store_that_cannot_say_is_503_and_not_401() {
    let fixture = Fixture::new().await;
    let key = fixture.key(None).await;
    fixture.store.store.close().await;
    let error = fixture.authenticator.authenticate(&bearer(key.expose())).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (ErrorCode::Unavailable, true));
    assert!(error.chain().contains("find a key"), "{}", error.chain());
}

#[tokio::test]
async fn a_signed_principal_has_the_rights_that_were_signed() {
    let fixture = Fixture::new().await;
    let signed = Principal {
        key_id: "abcd1234".into(),
        name: "someone".into(),
        scopes: Scopes::NONE.with(Scope::SchemaRead),
        bases: Bases::only(["appAAAAAAAAAAAAAA"]),
    };
    let value = PrincipalSigner::new(Secret::fixed(INTERNAL)).sign(&signed);
    let headers = HeaderMap::from_iter([(PRINCIPAL_HEADER, value.clone())]);
    assert_eq!(fixture.authenticator.authenticate(&headers).await.unwrap(), signed);

    let without_key = Authenticator::new(fixture.store.clone(), None);
    assert_eq!(status(without_key.authenticate(&headers).await), 401);
    let another = PrincipalSigner::new(Secret::fixed("another")).sign(&signed);
    assert_eq!(fixture.status(&HeaderMap::from_iter([(PRINCIPAL_HEADER, another)])).await, 401);
}

/// The operator's key in a file, and an authenticator whose store fails whatever it is asked.
fn operator(directory: &tempfile::TempDir) -> (ApiKey, std::path::PathBuf, Authenticator) {
    let (key, path) = (ApiKey::mint().unwrap(), directory.path().join("operator-api-key"));
    std::fs::write(&path, format!("{}\n", key.expose())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let place = path.display().to_string();
    let source = |name: &str| (name == "OPERATOR_API_KEY_FILE").then(|| place.clone());
    let mut settings = Reader::new(&source);
    let operator = OperatorKey::read(&mut settings);
    assert!(operator.is_some());
    (key, path, Authenticator::new(Arc::new(Down), None).with_operator(operator))
}

/// A store out of reach.
struct Down;

#[async_trait]
impl ApiKeyStore for Down {
    async fn insert(&self, _: &ApiKeyRecord) -> Result<(), StorageError> {
        Err(StorageError::Unavailable { what: "the database" })
    }
    async fn find(&self, _: &str) -> Result<Option<ApiKeyRecord>, StorageError> {
        Err(StorageError::Unavailable { what: "the database" })
    }
    async fn list(&self) -> Result<Vec<ApiKeyRecord>, StorageError> {
        Err(StorageError::Unavailable { what: "the database" })
    }
    async fn revoke(&self, _: &str, _: SystemTime) -> Result<bool, StorageError> {
        Err(StorageError::Unavailable { what: "the database" })
    }
    async fn touch(&self, _: &str, _: SystemTime) -> Result<(), StorageError> {
        Err(StorageError::Unavailable { what: "the database" })
    }
}

#[tokio::test]
async fn the_operators_key_has_all_rights_also_while_the_database_is_down() {
    let directory = tempfile::tempdir().unwrap();
    let (key, _, authenticator) = operator(&directory);
    let principal = authenticator.authenticate(&bearer(key.expose())).await.unwrap();
    assert_eq!((principal.scopes, &principal.bases), (Scopes::ALL, &Bases::All));
    let other = ApiKey::mint().unwrap();
    assert_eq!(status(authenticator.authenticate(&bearer(other.expose())).await), 503);
}

#[tokio::test]
async fn a_rotated_operators_key_is_the_same_principal_and_the_one_before_stays_valid_until_its_file_is_gone()
{
    let directory = tempfile::tempdir().unwrap();
    let (old, path, authenticator) = operator(&directory);
    let before = authenticator.authenticate(&bearer(old.expose())).await.unwrap();
    let new = ApiKey::mint().unwrap();
    std::fs::write(directory.path().join("operator-api-key.previous"), old.expose()).unwrap();
    std::fs::write(&path, new.expose()).unwrap();
    for key in [&new, &old, &new] {
        assert_eq!(authenticator.authenticate(&bearer(key.expose())).await.unwrap(), before);
    }
    std::fs::remove_file(directory.path().join("operator-api-key.previous")).unwrap();
    // A process that starts now has never seen the old key.
    let place = path.display().to_string();
    let source = |name: &str| (name == "OPERATOR_API_KEY_FILE").then(|| place.clone());
    let operator = OperatorKey::read(&mut Reader::new(&source));
    let fixture = Fixture::new().await;
    let later = Authenticator::new(fixture.store.clone(), None).with_operator(operator);
    assert_eq!(status(later.authenticate(&bearer(new.expose())).await), 200);
    assert_eq!(status(later.authenticate(&bearer(old.expose())).await), 401);
}

#[test]
fn an_operators_key_that_is_no_key_is_refused_without_being_shown() {
    for value in ["hunter2", "patAAAAAAAAAAAAAA.0123", "pya_live_abcdefgh_0123"] {
        let source = |name: &str| (name == "OPERATOR_API_KEY").then(|| value.to_owned());
        let mut settings = Reader::new(&source);
        let operator = OperatorKey::read(&mut settings);
        let error = settings.finish(operator).unwrap_err().to_string();
        assert!(error.contains("OPERATOR_API_KEY") && !error.contains(value), "{error}");
    }
}
