use std::time::Duration;

use bytes::Bytes;
use storage::{Cache, MemoryCache};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(20);

crate::contracts! {
    memory => super::memory(), redis => crate::redis(); [
        a_value_is_kept_until_it_is_replaced,
        any_bytes_come_back,
        a_value_is_gone_when_its_life_is_over,
        a_replacement_lives_as_long_as_it_was_put_in_for,
        a_life_of_nothing_keeps_nothing,
        what_does_not_fit_is_not_kept_and_leaves_no_old_value_behind,
    ]
}

async fn memory() -> (MemoryCache, ()) {
    (MemoryCache::new(64 * 1024), ())
}

async fn a_value_is_kept_until_it_is_replaced(cache: &impl Cache) {
    assert_eq!(cache.get("a").await, None);
    cache.put("a", Bytes::from_static(b"1"), LONG).await;
    assert_eq!(cache.get("a").await.as_deref(), Some(&b"1"[..]));
    cache.put("a", Bytes::from_static(b"2"), LONG).await;
    assert_eq!(cache.get("a").await.as_deref(), Some(&b"2"[..]));
}

async fn any_bytes_come_back(cache: &impl Cache) {
    let bytes: Bytes = (0..=u8::MAX).cycle().take(60_000).collect();
    cache.put("a\n\0 \u{e9}", bytes.clone(), LONG).await;
    assert_eq!(cache.get("a\n\0 \u{e9}").await, Some(bytes));
    cache.put("empty", Bytes::new(), LONG).await;
    assert_eq!(cache.get("empty").await, Some(Bytes::new()));
}

// The lives below pass in real time: a store in another process does not follow a test's paused clock.

async fn a_value_is_gone_when_its_life_is_over(cache: &impl Cache) {
    cache.put("a", Bytes::from_static(b"1"), SHORT).await;
    cache.put("b", Bytes::from_static(b"1"), LONG).await;
    tokio::time::sleep(SHORT * 3).await;
    assert_eq!(cache.get("a").await, None);
    assert!(cache.get("b").await.is_some());
}

async fn a_replacement_lives_as_long_as_it_was_put_in_for(cache: &impl Cache) {
    cache.put("a", Bytes::from_static(b"1"), SHORT).await;
    cache.put("a", Bytes::from_static(b"2"), LONG).await;
    tokio::time::sleep(SHORT * 3).await;
    assert!(cache.get("a").await.is_some());
}

async fn a_life_of_nothing_keeps_nothing(cache: &impl Cache) {
    cache.put("a", Bytes::from_static(b"1"), Duration::ZERO).await;
    assert_eq!(cache.get("a").await, None);
}

async fn what_does_not_fit_is_not_kept_and_leaves_no_old_value_behind(cache: &impl Cache) {
    cache.put("other", Bytes::from_static(b"1"), LONG).await;
    cache.put("a", Bytes::from_static(b"1"), LONG).await;
    cache.put("a", vec![0; (1 << 20) + 1].into(), LONG).await;
    assert_eq!(cache.get("a").await, None);
    assert!(cache.get("other").await.is_some());
}

#[tokio::test]
async fn clearing_forgets_everything() {
    let (cache, ()) = memory().await;
    cache.put("a", Bytes::from_static(b"1"), LONG).await;
    cache.clear();
    assert_eq!(cache.get("a").await, None);
    assert_eq!(cache.usage().entries, 0);
}

#[tokio::test]
async fn the_limit_in_bytes_holds() {
    let (cache, ()) = memory().await;
    for n in 0..1_000 {
        cache.put(&format!("key {n}"), vec![0; 1024].into(), LONG).await;
    }
    let usage = cache.usage();
    assert!(usage.bytes <= usage.max_bytes && usage.entries > 10, "{usage:?}");
}

#[tokio::test]
async fn a_cache_of_no_bytes_keeps_nothing() {
    let cache = MemoryCache::new(0);
    cache.put("a", Bytes::new(), LONG).await;
    assert_eq!(cache.get("a").await, None);
    assert_eq!(cache.usage().entries, 0);
}
