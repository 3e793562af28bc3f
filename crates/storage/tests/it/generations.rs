use std::time::{SystemTime, UNIX_EPOCH};

use storage::{Generations, MemoryGenerations};

crate::contract!(memory, super::memory();
    a_missing_counter_starts_from_the_clock_in_microseconds,
    a_counter_stays_until_it_is_raised,
    raising_a_missing_counter_creates_it,
    scopes_do_not_touch_each_other,
);

async fn memory() -> (MemoryGenerations, ()) {
    (MemoryGenerations::new(), ())
}

async fn a_missing_counter_starts_from_the_clock_in_microseconds(generations: &impl Generations) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let counter = u128::from(generations.current("app").await.unwrap());
    assert!(counter.abs_diff(now) < 60_000_000, "{counter} is not near {now}");
}

async fn a_counter_stays_until_it_is_raised(generations: &impl Generations) {
    let before = generations.current("app").await.unwrap();
    assert_eq!(generations.current("app").await.unwrap(), before);
    let raised = generations.raise("app").await.unwrap();
    assert!(raised > before);
    assert_eq!(generations.current("app").await.unwrap(), raised);
    assert!(generations.raise("app").await.unwrap() > raised);
}

async fn raising_a_missing_counter_creates_it(generations: &impl Generations) {
    let raised = generations.raise("app").await.unwrap();
    assert_eq!(generations.current("app").await.unwrap(), raised);
}

async fn scopes_do_not_touch_each_other(generations: &impl Generations) {
    let one = generations.current("one").await.unwrap();
    generations.raise("two").await.unwrap();
    assert_eq!(generations.current("one").await.unwrap(), one);
}
