//! Slots that several processes share. Time passes in Redis, so it passes here too.

use std::time::{Duration, Instant};

use storage::{RedisStore, SharedSlot, SharedSlots, Take};
use test_servers::Redis;

const COUNT: usize = 3;
const COOLING: Duration = Duration::from_millis(300);

async fn connect(server: &Redis) -> SharedSlots {
    let store = RedisStore::new(&server.url().parse().unwrap()).unwrap();
    store.connect().await.unwrap();
    store.slots()
}

/// Two who share a Redis that has been there for a while.
async fn pair(server: &Redis) -> (SharedSlots, SharedSlots) {
    let (one, other) = (connect(server).await, connect(server).await);
    drop(wait_for(&one, "settled").await);
    (one, other)
}

async fn wait_for(slots: &SharedSlots, lane: &str) -> SharedSlot {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        match slots.take(lane, COUNT).await.unwrap() {
            Take::Taken(slot) => return slot,
            Take::Wait(wait) | Take::Paused(wait) => {
                assert!(Instant::now() < patience, "no slot is ever free");
                tokio::time::sleep(wait.min(Duration::from_millis(100))).await;
            }
        }
    }
}

async fn take(slots: &SharedSlots) -> SharedSlot {
    match slots.take("lane", COUNT).await.unwrap() {
        Take::Taken(slot) => slot,
        Take::Wait(wait) | Take::Paused(wait) => panic!("no slot for {wait:?}"),
    }
}

async fn refused(slots: &SharedSlots) -> Duration {
    match slots.take("lane", COUNT).await.unwrap() {
        Take::Taken(_) => panic!("there is one slot too many"),
        Take::Wait(wait) => wait,
        Take::Paused(wait) => panic!("the lane is paused for {wait:?}"),
    }
}

async fn paused(slots: &SharedSlots) -> Duration {
    match slots.take("lane", COUNT).await.unwrap() {
        Take::Paused(wait) => wait,
        Take::Wait(_) | Take::Taken(_) => panic!("the lane is not paused"),
    }
}

/// Until everything that was sent has been done.
async fn settle(slots: &SharedSlots) {
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(wait_for(slots, "another").await);
}

#[tokio::test]
async fn of_all_together_no_more_than_there_are_get_a_slot() {
    let server = Redis::start();
    let (one, other) = pair(&server).await;
    let held = [take(&one).await, take(&other).await, take(&one).await];
    assert!(refused(&one).await > Duration::from_secs(10), "until a lease ends");
    refused(&other).await;
    assert!(matches!(one.take("elsewhere", COUNT).await.unwrap(), Take::Taken(_)));
    drop(held);
    settle(&one).await;
    let _held = [take(&other).await, take(&other).await, take(&other).await];
}

#[tokio::test]
async fn a_slot_is_free_again_some_time_after_the_answer() {
    let server = Redis::start();
    let (one, other) = pair(&server).await;
    let (_a, _b, c) = (take(&one).await, take(&one).await, take(&one).await);
    tokio::time::sleep(COOLING).await;
    c.release(COOLING, true);
    let released = Instant::now();
    settle(&one).await;
    let wait = refused(&other).await;
    assert!(wait <= COOLING, "{wait:?}");
    let _d = wait_for(&other, "lane").await;
    assert!(released.elapsed() >= COOLING, "{:?}", released.elapsed());
}

#[tokio::test]
async fn who_leaves_while_asking_leaves_no_slot_taken() {
    let server = Redis::start();
    let (one, other) = pair(&server).await;
    for _ in 0..20 {
        tokio::select! {
            biased;
            _ = one.take("lane", COUNT) => panic!("Redis answers before it is asked"),
            () = std::future::ready(()) => {} // asked, and gone before the answer
        }
    }
    settle(&one).await;
    let _held = [take(&other).await, take(&other).await, take(&other).await];
}

#[tokio::test]
async fn after_a_pause_for_all_one_goes_first() {
    let server = Redis::start();
    let (one, other) = pair(&server).await;
    take(&one).await.pause(COOLING, Duration::ZERO);
    settle(&other).await;
    assert!(paused(&other).await <= COOLING);
    tokio::time::sleep(COOLING).await;
    let probe = take(&other).await;
    paused(&one).await;
    probe.release(Duration::ZERO, false);
    settle(&other).await;
    let probe = take(&one).await; // the first proved nothing
    paused(&other).await;
    probe.release(Duration::ZERO, true);
    settle(&one).await;
    let _held = [take(&one).await, take(&other).await];
}

#[tokio::test]
async fn a_pause_that_its_probe_brings_again_holds() {
    let server = Redis::start();
    let (one, other) = pair(&server).await;
    take(&one).await.pause(COOLING, Duration::ZERO);
    settle(&one).await;
    tokio::time::sleep(COOLING).await;
    take(&other).await.pause(COOLING * 10, Duration::ZERO);
    settle(&other).await;
    assert!(paused(&one).await > COOLING);
}

#[tokio::test]
async fn slots_of_a_dead_process_come_back_and_those_of_a_living_one_do_not() {
    let server = Redis::start();
    let (_, living) = pair(&server).await;
    let _living = take(&living).await;
    let url = server.url();
    // Everything that a process does ends with its runtime.
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = RedisStore::new(&url.parse().unwrap()).unwrap();
            store.connect().await.unwrap();
            for _ in 0..2 {
                std::mem::forget(take(&store.slots()).await);
            }
        });
    });
    process.join().unwrap();
    let lease = refused(&living).await;
    assert!(lease > Duration::from_secs(10) && lease <= Duration::from_secs(15), "{lease:?}");
    tokio::time::sleep(lease + Duration::from_millis(100)).await;
    let _two = [take(&living).await, take(&living).await];
    refused(&living).await;
}

#[tokio::test]
async fn an_emptied_redis_gives_no_slot_for_a_while() {
    let server = Redis::start();
    let (one, _other) = pair(&server).await;
    let _held = take(&one).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
    let wait = paused(&one).await;
    assert!(wait > Duration::from_secs(1) && wait <= Duration::from_secs(2), "{wait:?}");
}
