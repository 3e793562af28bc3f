use std::time::Duration;

use storage::Claims;

crate::contracts! {
    sqlite => crate::sqlite(), postgres => crate::postgres(); [
    a_claim_succeeds_once,
        of_many_who_claim_at_once_one_succeeds,
        a_claim_is_forgotten_after_its_time,
    ]
}

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);

async fn a_claim_succeeds_once(claims: &impl Claims) {
    assert!(claims.claim("one", LONG).await.unwrap());
    assert!(!claims.claim("one", LONG).await.unwrap());
    assert!(claims.claim("two", LONG).await.unwrap());
}

async fn of_many_who_claim_at_once_one_succeeds(claims: &impl Claims) {
    let asking = (0..8).map(|_| claims.claim("one", LONG));
    let won = futures_util::future::join_all(asking).await.into_iter().filter(|won| *won.as_ref().unwrap());
    assert_eq!(won.count(), 1);
}

async fn a_claim_is_forgotten_after_its_time(claims: &impl Claims) {
    assert!(claims.claim("one", SHORT).await.unwrap());
    tokio::time::sleep(SHORT * 2).await;
    assert!(claims.claim("one", SHORT).await.unwrap());
}
