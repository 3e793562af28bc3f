use std::time::{SystemTime, UNIX_EPOCH};

use storage::{Generations, MemoryGenerations};

crate::contracts! {
    memory => super::memory(), redis => crate::redis(); [
    a_missing_counter_starts_from_the_clock_in_microseconds,
    a_counter_stays_until_it_is_raised,
    raising_a_missing_counter_creates_it,
    scopes_do_not_touch_each_other,
        several_counters_are_read_and_raised_at_once_in_their_order,
    ]
}

async fn memory() -> (MemoryGenerations, ()) {
    (MemoryGenerations::new(), ())
}

async fn current(generations: &impl Generations, scope: &str) -> u64 {
    generations.current_of(&[scope]).await.unwrap()[0]
}

async fn raise(generations: &impl Generations, scope: &str) -> u64 {
    generations.raise_all(&[scope]).await.unwrap()[0]
}

async fn a_missing_counter_starts_from_the_clock_in_microseconds(generations: &impl Generations) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let counter = u128::from(current(generations, "app").await);
    assert!(counter.abs_diff(now) < 60_000_000, "{counter} is not near {now}");
}

async fn a_counter_stays_until_it_is_raised(generations: &impl Generations) {
    let before = current(generations, "app").await;
    assert_eq!(current(generations, "app").await, before);
    let raised = raise(generations, "app").await;
    assert!(raised > before);
    assert_eq!(current(generations, "app").await, raised);
    assert!(raise(generations, "app").await > raised);
}

async fn raising_a_missing_counter_creates_it(generations: &impl Generations) {
    let before = current(generations, "other").await;
    let raised = raise(generations, "app").await;
    assert!(raised >= before);
    assert_eq!(current(generations, "app").await, raised);
}

async fn scopes_do_not_touch_each_other(generations: &impl Generations) {
    let one = current(generations, "one").await;
    raise(generations, "two").await;
    assert_eq!(current(generations, "one").await, one);
}

async fn several_counters_are_read_and_raised_at_once_in_their_order(generations: &impl Generations) {
    let two = raise(generations, "two").await;
    let all = generations.current_of(&["one", "two", "three"]).await.unwrap();
    assert_eq!((all.len(), all[1]), (3, two));
    let raised = generations.raise_all(&["three", "one"]).await.unwrap();
    assert!(raised[0] > all[2] && raised[1] > all[0]);
    let after = generations.current_of(&["one", "two", "three"]).await.unwrap();
    assert_eq!(after, [raised[1], two, raised[0]]);
    assert!(generations.current_of(&[]).await.unwrap().is_empty());
}
