use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use storage::{
    Lease, NewEvent, SessionRecord, SessionStore, StorageError, UsageFilter, UsageRecord, UsageTotals,
};

crate::contracts! {
    sqlite => crate::sqlite(), postgres => crate::postgres(); [
    what_is_created_is_found,
        an_unknown_session_is_none,
        a_taken_id_is_refused_and_the_first_session_stays,
        sessions_are_listed_by_owner_the_latest_updated_first,
        pages_of_a_list_meet_without_gap_and_overlap,
        events_come_back_in_order_with_their_members_in_order,
        events_are_read_in_parts,
        an_append_after_another_event_than_the_latest_is_a_conflict_and_leaves_nothing,
        of_two_appends_at_once_one_is_told_of_the_other,
        an_append_to_a_session_that_is_not_there_says_so,
        an_append_moves_the_session_to_the_front,
        a_body_that_could_not_be_read_back_is_refused,
        deleting_takes_the_events_along_but_not_what_was_used,
        old_sessions_are_purged_the_oldest_first_and_none_that_is_worked_on,
        a_session_is_leased_to_one_holder_at_a_time,
        of_two_who_lease_at_once_one_waits,
        a_lease_ends_with_its_time,
        a_lease_is_not_released_by_others,
        a_session_that_is_not_there_cannot_be_leased,
        usage_is_counted_once,
        usage_is_summed_up_by_session_key_run_and_time,
    ]
}

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn session(id: &str, owner: &str, updated: u64) -> SessionRecord {
    SessionRecord {
        id: id.to_owned(),
        owner: owner.to_owned(),
        metadata: json!({"z": "Büro \"1\" \u{0}", "a": [1, 2.50, null]}),
        created_at: at(0),
        updated_at: at(updated),
        last_seq: 0,
    }
}

fn event(body: Value) -> NewEvent {
    NewEvent { kind: "note".to_owned(), body }
}

fn usage(run: &str, step: u32) -> UsageRecord {
    UsageRecord {
        run_id: run.to_owned(),
        step,
        session_id: "s".to_owned(),
        key_id: "k".to_owned(),
        model: "m".to_owned(),
        at: at(0),
        input_fresh: 1,
        input_cached: 2,
        input_cache_write: 3,
        tool_prompt: 4,
        output_text: 5,
        output_reasoning: 6,
        estimated: false,
        emulated: false,
        cost_nano_usd: 7_000_000_000_000,
    }
}

async fn filled(store: &impl SessionStore, events: u64) {
    store.create(&session("s", "k", 0)).await.unwrap();
    let events: Vec<_> = (1..=events).map(|n| event(json!(n))).collect();
    assert_eq!(store.append("s", 0, &events, &[]).await.unwrap(), events.len() as u64);
}

async fn what_is_created_is_found(store: &impl SessionStore) {
    store.create(&session("s", "k", 5)).await.unwrap();
    assert_eq!(store.find("s").await.unwrap(), Some(session("s", "k", 5)));
    assert!(store.events("s", 0, 10).await.unwrap().is_empty());
}

async fn an_unknown_session_is_none(store: &impl SessionStore) {
    assert_eq!(store.find("s").await.unwrap(), None);
    assert!(store.events("s", 0, 10).await.unwrap().is_empty());
    assert!(!store.delete("s").await.unwrap());
    store.release("s", "me").await.unwrap();
}

async fn a_taken_id_is_refused_and_the_first_session_stays(store: &impl SessionStore) {
    store.create(&session("s", "k", 5)).await.unwrap();
    let second = store.create(&session("s", "other", 5)).await;
    assert!(matches!(second, Err(StorageError::Exists { .. })), "{second:?}");
    assert_eq!(store.find("s").await.unwrap().unwrap().owner, "k");
}

async fn sessions_are_listed_by_owner_the_latest_updated_first(store: &impl SessionStore) {
    for (id, owner, updated) in [("a", "k", 1), ("b", "k", 3), ("c", "other", 4), ("d", "k", 2)] {
        store.create(&session(id, owner, updated)).await.unwrap();
    }
    let ids = |list: Vec<SessionRecord>| list.into_iter().map(|session| session.id).collect::<Vec<_>>();
    assert_eq!(ids(store.list("k", None, 10).await.unwrap()), ["b", "d", "a"]);
    assert_eq!(ids(store.list("k", None, 2).await.unwrap()), ["b", "d"]);
    assert!(store.list("nobody", None, 10).await.unwrap().is_empty());
}

async fn pages_of_a_list_meet_without_gap_and_overlap(store: &impl SessionStore) {
    for n in 0..10_u64 {
        store.create(&session(&format!("s{n}"), "k", n / 3)).await.unwrap(); // some at the same time
    }
    let (mut seen, mut before) = (Vec::new(), None);
    for _ in 0..20 {
        let page = store.list("k", before.clone(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.updated_at, last.id.clone()));
        seen.extend(page.into_iter().map(|session| session.id));
    }
    assert_eq!(seen, ["s9", "s8", "s7", "s6", "s5", "s4", "s3", "s2", "s1", "s0"]);
}

async fn events_come_back_in_order_with_their_members_in_order(store: &impl SessionStore) {
    store.create(&session("s", "k", 0)).await.unwrap();
    let bodies = [
        json!({"z": 1, "a": {"y": [], "b": "\u{0}\u{1F600}"}}),
        json!(12_345_678_901_234_567_u64),
        json!(0.1),
        json!(null),
    ];
    let before = SystemTime::now();
    let last =
        store.append("s", 0, &bodies.clone().map(|body| NewEvent { kind: "x".into(), body }), &[]).await;
    assert_eq!(last.unwrap(), 4);
    let events = store.events("s", 0, 100).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    for (event, body) in events.iter().zip(&bodies) {
        assert_eq!((&*event.kind, event.body.to_string()), ("x", body.to_string()));
        let off = event.at.duration_since(before).unwrap_or_else(|error| error.duration());
        assert!(off < Duration::from_secs(60), "{off:?}");
    }
}

async fn events_are_read_in_parts(store: &impl SessionStore) {
    filled(store, 5).await;
    let part = async |after, limit| {
        let events = store.events("s", after, limit).await.unwrap();
        events.into_iter().map(|event| event.seq).collect::<Vec<_>>()
    };
    assert_eq!(part(0, 2).await, [1, 2]);
    assert_eq!(part(2, 100).await, [3, 4, 5]);
    assert!(part(5, 100).await.is_empty());
    assert_eq!(store.append("s", 5, &[event(json!(6))], &[]).await.unwrap(), 6);
    assert_eq!(part(5, 100).await, [6]);
}

async fn an_append_after_another_event_than_the_latest_is_a_conflict_and_leaves_nothing(
    store: &impl SessionStore,
) {
    filled(store, 2).await;
    for after in [0, 1, 3, u64::MAX] {
        let appended = store.append("s", after, &[event(json!("late"))], &[usage("r", 1)]).await;
        assert!(matches!(appended, Err(StorageError::Conflict { .. })), "{after}: {appended:?}");
    }
    assert_eq!(store.find("s").await.unwrap().unwrap().last_seq, 2);
    assert_eq!(store.events("s", 0, 100).await.unwrap().len(), 2);
    assert_eq!(store.usage(&UsageFilter::default()).await.unwrap(), UsageTotals::default());
}

async fn of_two_appends_at_once_one_is_told_of_the_other(store: &impl SessionStore) {
    filled(store, 0).await;
    let (one, two) = ([event(json!(1))], [event(json!(2))]);
    let (one, two) = tokio::join!(store.append("s", 0, &one, &[]), store.append("s", 0, &two, &[]));
    let conflicts = [&one, &two].map(|appended| matches!(appended, Err(StorageError::Conflict { .. })));
    assert!(conflicts[0] != conflicts[1], "{one:?}, {two:?}");
    assert_eq!(store.events("s", 0, 100).await.unwrap().len(), 1);
}

async fn an_append_to_a_session_that_is_not_there_says_so(store: &impl SessionStore) {
    let appended = store.append("s", 0, &[event(json!(1))], &[usage("r", 1)]).await;
    assert!(matches!(appended, Err(StorageError::Missing { .. })), "{appended:?}");
    assert_eq!(store.usage(&UsageFilter::default()).await.unwrap().steps, 0);
}

async fn an_append_moves_the_session_to_the_front(store: &impl SessionStore) {
    for (id, updated) in [("old", 0), ("new", 1)] {
        let session = SessionRecord {
            updated_at: UNIX_EPOCH + Duration::from_secs(updated),
            ..session(id, "k", updated)
        };
        store.create(&session).await.unwrap();
    }
    store.append("old", 0, &[event(json!(1))], &[]).await.unwrap();
    let listed = store.list("k", None, 10).await.unwrap();
    assert_eq!((&*listed[0].id, listed[0].last_seq), ("old", 1));
    assert!(listed[0].updated_at > UNIX_EPOCH + LONG);
}

async fn a_body_that_could_not_be_read_back_is_refused(store: &impl SessionStore) {
    filled(store, 0).await;
    let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let appended = store.append("s", 0, &[event(nested(128))], &[]).await;
    assert!(matches!(appended, Err(StorageError::TooDeep { .. })), "{appended:?}");
    store.append("s", 0, &[event(nested(127))], &[]).await.unwrap();
    assert_eq!(store.events("s", 0, 10).await.unwrap()[0].body, nested(127));
}

async fn deleting_takes_the_events_along_but_not_what_was_used(store: &impl SessionStore) {
    store.create(&session("s", "k", 0)).await.unwrap();
    store.append("s", 0, &[event(json!(1))], &[usage("r", 1)]).await.unwrap();
    assert!(store.delete("s").await.unwrap());
    assert!(!store.delete("s").await.unwrap());
    store.create(&session("s", "k", 0)).await.unwrap();
    assert!(store.events("s", 0, 10).await.unwrap().is_empty());
    assert_eq!(store.usage(&UsageFilter::default()).await.unwrap().steps, 1);
}

async fn old_sessions_are_purged_the_oldest_first_and_none_that_is_worked_on(store: &impl SessionStore) {
    for n in 0..5_u64 {
        store.create(&session(&format!("s{n}"), "k", n)).await.unwrap();
    }
    store.lease("s0", "me", LONG).await.unwrap();
    store.lease("s1", "me", LONG).await.unwrap();
    store.release("s1", "me").await.unwrap();
    assert_eq!(store.purge(at(4), 2).await.unwrap(), 2);
    let left = async || {
        let left = store.list("k", None, 10).await.unwrap();
        left.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(left().await, ["s4", "s3", "s0"]);
    assert_eq!(store.purge(at(4), 100).await.unwrap(), 1);
    assert_eq!(left().await, ["s4", "s0"]);
    assert_eq!(store.purge(at(4), 100).await.unwrap(), 0);
}

async fn a_session_is_leased_to_one_holder_at_a_time(store: &impl SessionStore) {
    filled(store, 0).await;
    assert_eq!(store.lease("s", "me", LONG).await.unwrap(), Lease::Held);
    assert_eq!(store.lease("s", "me", LONG).await.unwrap(), Lease::Held, "renewed");
    match store.lease("s", "you", LONG).await.unwrap() {
        Lease::Busy { holder, remaining } => {
            assert_eq!(holder, "me");
            assert!(remaining <= LONG && remaining > LONG / 2, "{remaining:?}");
        }
        Lease::Held => panic!("two hold it"),
    }
    store.release("s", "me").await.unwrap();
    assert_eq!(store.lease("s", "you", LONG).await.unwrap(), Lease::Held);
}

async fn of_two_who_lease_at_once_one_waits(store: &impl SessionStore) {
    filled(store, 0).await;
    let (one, two) = tokio::join!(store.lease("s", "one", LONG), store.lease("s", "two", LONG));
    let held = [one.unwrap(), two.unwrap()].map(|lease| lease == Lease::Held);
    assert!(held[0] != held[1], "{held:?}");
}

async fn a_lease_ends_with_its_time(store: &impl SessionStore) {
    filled(store, 0).await;
    store.lease("s", "me", SHORT).await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(store.lease("s", "you", LONG).await.unwrap(), Lease::Held);
    assert!(matches!(store.lease("s", "me", LONG).await.unwrap(), Lease::Busy { .. }));
}

async fn a_lease_is_not_released_by_others(store: &impl SessionStore) {
    filled(store, 0).await;
    store.lease("s", "me", LONG).await.unwrap();
    store.release("s", "you").await.unwrap();
    assert!(matches!(store.lease("s", "you", LONG).await.unwrap(), Lease::Busy { .. }));
}

async fn a_session_that_is_not_there_cannot_be_leased(store: &impl SessionStore) {
    let lease = store.lease("s", "me", LONG).await;
    assert!(matches!(lease, Err(StorageError::Missing { .. })), "{lease:?}");
}

async fn usage_is_counted_once(store: &impl SessionStore) {
    filled(store, 0).await;
    store.append("s", 0, &[event(json!(1))], &[usage("r", 1), usage("r", 2)]).await.unwrap();
    let again = UsageRecord { output_text: 1_000, ..usage("r", 2) };
    store.append("s", 1, &[], &[again, usage("r", 3)]).await.unwrap();
    assert_eq!(store.find("s").await.unwrap().unwrap().last_seq, 1, "usage alone is no event");
    let totals = store.usage(&UsageFilter::default()).await.unwrap();
    let expected = UsageTotals {
        runs: 1,
        steps: 3,
        input_fresh: 3,
        input_cached: 6,
        input_cache_write: 9,
        tool_prompt: 12,
        output_text: 15,
        output_reasoning: 18,
        estimated: false,
        emulated: false,
        cost_nano_usd: 21_000_000_000_000,
    };
    assert_eq!(totals, expected);
}

async fn usage_is_summed_up_by_session_key_run_and_time(store: &impl SessionStore) {
    filled(store, 0).await;
    let rows = [
        usage("r1", 1),
        UsageRecord { at: at(10), estimated: true, ..usage("r1", 2) },
        UsageRecord { session_id: "t".into(), at: at(20), emulated: true, ..usage("r2", 1) },
        UsageRecord { key_id: "other".into(), at: at(30), ..usage("r3", 1) },
    ];
    store.append("s", 0, &[], &rows).await.unwrap();
    let sum = async |filter: UsageFilter| {
        let totals = store.usage(&filter).await.unwrap();
        (totals.runs, totals.steps, totals.estimated, totals.emulated)
    };
    assert_eq!(sum(UsageFilter::default()).await, (3, 4, true, true));
    assert_eq!(
        sum(UsageFilter { session: Some("s".into()), ..Default::default() }).await,
        (2, 3, true, false)
    );
    assert_eq!(sum(UsageFilter { key: Some("k".into()), ..Default::default() }).await, (2, 3, true, true));
    assert_eq!(sum(UsageFilter { run: Some("r1".into()), ..Default::default() }).await, (1, 2, true, false));
    assert_eq!(sum(UsageFilter { since: Some(at(20)), ..Default::default() }).await, (2, 2, false, true));
    let all = UsageFilter {
        session: Some("t".into()),
        key: Some("k".into()),
        run: Some("r2".into()),
        since: Some(at(20)),
    };
    assert_eq!(sum(all).await, (1, 1, false, true));
    assert_eq!(sum(UsageFilter { run: Some("none".into()), ..Default::default() }).await.1, 0);
}
