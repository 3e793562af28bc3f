use std::time::{Duration, SystemTime, UNIX_EPOCH};

use storage::{ApiKeyRecord, ApiKeyStore, StorageError};

crate::contracts! {
    sqlite => crate::sqlite(), postgres => crate::postgres(); [
    what_is_inserted_is_found,
        an_unknown_id_is_none,
        a_taken_id_is_refused_and_the_first_key_stays,
        keys_are_listed_oldest_first,
        a_revocation_keeps_its_first_time,
        revoking_an_unknown_key_says_so,
        a_use_is_noted_at_most_once_a_minute,
        a_use_is_never_noted_backwards,
        no_bases_and_all_bases_are_different,
    ]
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn key(id: &str) -> ApiKeyRecord {
    ApiKeyRecord {
        id: id.to_owned(),
        name: "Büro \"1\"".to_owned(),
        digest: [7; 32],
        last4: "wxyz".to_owned(),
        scopes: vec!["records:read".to_owned(), "not a scope of this version".to_owned()],
        bases: Some(vec!["appAAAAAAAAAAAAAA".to_owned()]),
        created_at: at(0),
        expires_at: Some(at(1_000)),
        last_used_at: None,
        revoked_at: None,
    }
}

async fn what_is_inserted_is_found(store: &impl ApiKeyStore) {
    store.insert(&key("one")).await.unwrap();
    assert_eq!(store.find("one").await.unwrap(), Some(key("one")));
}

async fn an_unknown_id_is_none(store: &impl ApiKeyStore) {
    assert_eq!(store.find("one").await.unwrap(), None);
}

async fn a_taken_id_is_refused_and_the_first_key_stays(store: &impl ApiKeyStore) {
    store.insert(&key("one")).await.unwrap();
    let second = ApiKeyRecord { name: "second".to_owned(), ..key("one") };
    assert!(matches!(store.insert(&second).await, Err(StorageError::Exists { .. })));
    assert_eq!(store.find("one").await.unwrap(), Some(key("one")));
}

async fn keys_are_listed_oldest_first(store: &impl ApiKeyStore) {
    for (id, created) in [("c", 2), ("a", 3), ("b", 1)] {
        store.insert(&ApiKeyRecord { created_at: at(created), ..key(id) }).await.unwrap();
    }
    let ids: Vec<_> = store.list().await.unwrap().into_iter().map(|key| key.id).collect();
    assert_eq!(ids, ["b", "c", "a"]);
}

async fn a_revocation_keeps_its_first_time(store: &impl ApiKeyStore) {
    store.insert(&key("one")).await.unwrap();
    assert!(store.revoke("one", at(5)).await.unwrap());
    assert!(store.revoke("one", at(9)).await.unwrap());
    assert_eq!(store.find("one").await.unwrap().unwrap().revoked_at, Some(at(5)));
}

async fn revoking_an_unknown_key_says_so(store: &impl ApiKeyStore) {
    assert!(!store.revoke("one", at(5)).await.unwrap());
}

async fn a_use_is_noted_at_most_once_a_minute(store: &impl ApiKeyStore) {
    store.insert(&key("one")).await.unwrap();
    for (used, noted) in [(100, 100), (159, 100), (160, 160), (161, 160)] {
        store.touch("one", at(used)).await.unwrap();
        assert_eq!(store.find("one").await.unwrap().unwrap().last_used_at, Some(at(noted)), "used at {used}");
    }
}

async fn a_use_is_never_noted_backwards(store: &impl ApiKeyStore) {
    store.insert(&key("one")).await.unwrap();
    store.touch("one", at(500)).await.unwrap();
    store.touch("one", at(100)).await.unwrap();
    assert_eq!(store.find("one").await.unwrap().unwrap().last_used_at, Some(at(500)));
}

async fn no_bases_and_all_bases_are_different(store: &impl ApiKeyStore) {
    store.insert(&ApiKeyRecord { bases: None, ..key("all") }).await.unwrap();
    store.insert(&ApiKeyRecord { bases: Some(Vec::new()), ..key("none") }).await.unwrap();
    assert_eq!(store.find("all").await.unwrap().unwrap().bases, None);
    assert_eq!(store.find("none").await.unwrap().unwrap().bases, Some(Vec::new()));
}
