//! Ten thousand random reads and writes, done on an emulator directly and on its twin through the gateway's cache.
//! Every answer must be the same: what was just written is read at once, in every form of the request.

mod answers;
mod operations;
mod world;

use crate::support::client::{Call, Client};
use crate::support::number_from_environment;
use crate::support::seeds::{BASE, linked_base, no_limits, seed};
use crate::support::system::{Emulator, Gateway, System};
use answers::Pairs;
use operations::{Kind, Operation};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use std::collections::HashMap;
use std::collections::VecDeque;
use world::World;

const REMEMBERED_READS: usize = 40;
/// Times of much writing and times of almost only the same reads take turns, for the cache to matter.
const PHASE: u64 = 50;

/// What the gateway answered to a read before, so that a 304 can be judged.
struct Remembered {
    operation: Operation,
    etag: Option<String>,
}

struct Twins {
    rng: StdRng,
    direct: Client,
    /// Two keys with equal rights: a write with one must show to the other.
    gateway: [Client; 2],
    world: World,
    pairs: Pairs,
    reads: VecDeque<Remembered>,
    bodies: HashMap<(String, String), Value>,
    hits: usize,
    unchanged: usize,
    reads_done: usize,
    refused: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_reads_and_writes_through_the_gateway_equal_those_on_a_twin() {
    let operations = number_from_environment("PYAIRTABLE_TWIN_OPERATIONS", 10_000);
    let random_seed = number_from_environment("PYAIRTABLE_TWIN_SEED", rand::rng().random::<u32>().into());
    println!("PYAIRTABLE_TWIN_SEED={random_seed} repeats this run");

    let twin = Emulator::start(seed(vec![linked_base(BASE)], no_limits())).await;
    let system = System::start(seed(vec![linked_base(BASE)], no_limits()), &[("PACING", "off")]).await;
    let second_key = system.gateway.key(&["records:read", "records:write", "schema:read"], None).await;
    let mut twins = Twins {
        rng: StdRng::seed_from_u64(random_seed),
        direct: twin.client(),
        gateway: [system.gateway.client(), system.gateway.client_with(&second_key)],
        world: World::default(),
        pairs: Pairs::default(),
        reads: VecDeque::new(),
        bodies: HashMap::new(),
        hits: 0,
        unchanged: 0,
        reads_done: 0,
        refused: 0,
    };
    for number in 0..operations {
        if let Err(difference) = twins.step(number / PHASE % 2 == 1).await {
            panic!("operation {number} of PYAIRTABLE_TWIN_SEED={random_seed}: {difference}");
        }
    }
    let Twins { hits, unchanged, reads_done, refused, .. } = twins;
    println!(
        "{operations} operations, {refused} refused, {reads_done} reads, {hits} from the cache, {unchanged} answered 304"
    );
    assert!((refused as u64) * 5 < operations, "{refused} of {operations} were refused: little was tested");
    assert!(hits * 10 > reads_done, "only {hits} of {reads_done} reads came from the cache");
    assert!(operations < 1_000 || unchanged > 0, "no conditional read was answered 304");
    Gateway::stop(system.gateway).await;
}

impl Twins {
    async fn step(&mut self, quiet: bool) -> Result<(), String> {
        if self.rng.random_bool(if quiet { 0.9 } else { 0.2 }) && !self.reads.is_empty() {
            let index = self.rng.random_range(0..self.reads.len());
            let Remembered { operation, etag } = self.reads.remove(index).expect("within the length");
            return self.run(operation, etag).await;
        }
        let operation = self.world.operation(&mut self.rng);
        self.run(operation, None).await
    }

    async fn run(&mut self, operation: Operation, etag: Option<String>) -> Result<(), String> {
        let direct = self.direct.send(self.pairs.for_direct(&operation.call)).await;
        let mut call = self.pairs.for_gateway(&operation.call);
        if operation.kind == Kind::Read {
            call = self.with_conditions(call, etag);
        }
        let (target, key) = (call.target.clone(), self.rng.random_range(0..2));
        let gateway = self.gateway[key].send(call).await;
        let say = |what: &str| {
            format!(
                "{what}\n  {} {}\n  {:?}\n  direct:  {} {}\n  gateway: {} {}",
                operation.call.method,
                operation.call.target,
                operation.call.body,
                direct.status,
                direct.text(),
                gateway.status,
                gateway.text()
            )
        };
        let expected = direct.json();
        let mut actual_status = gateway.status;
        let actual = if gateway.status == 304 {
            self.unchanged += 1;
            actual_status = 200;
            let tag = gateway.header("etag").to_owned();
            self.bodies
                .get(&(target.clone(), tag))
                .cloned()
                .ok_or_else(|| say("304 for a tag never given"))?
        } else {
            gateway.json()
        };
        if direct.status != actual_status {
            return Err(say("the statuses differ"));
        }
        self.refused += usize::from(direct.status != 200);
        let created = self
            .pairs
            .compare(&expected, &actual, operation.ordered)
            .map_err(|difference| say(&difference))?;
        self.world.learn(&operation, &self.pairs, &expected, &created);
        if operation.kind == Kind::Read {
            self.reads_done += 1;
            self.hits += usize::from(gateway.is_cache_hit());
            if direct.status == 200 {
                let etag = (!gateway.header("etag").is_empty()).then(|| gateway.header("etag").to_owned());
                if let Some(tag) = &etag {
                    self.bodies.insert((target, tag.clone()), actual);
                }
                self.remember(Remembered { operation, etag });
            }
        }
        Ok(())
    }

    /// Some reads ask conditionally, some refuse the cache; the answer must be right all the same.
    fn with_conditions(&mut self, call: Call, etag: Option<String>) -> Call {
        match (etag, self.rng.random_range(0..10)) {
            (Some(tag), 0..4) => call.header("if-none-match", tag),
            (_, 4) => call.header("cache-control", "no-cache"),
            (_, 5) => call.header("cache-control", "max-age=60"),
            _ => call,
        }
    }

    fn remember(&mut self, read: Remembered) {
        if self.reads.len() == REMEMBERED_READS {
            self.reads.pop_front();
        }
        self.reads.push_back(read);
    }
}
