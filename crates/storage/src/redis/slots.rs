//! Slots that replicas share: of each lane, so many calls may be under way or have ended within the last while.
//!
//! Every slot is a member of its lane's set, with the time at which it is free as its score: a short lease while the call
//! is under way, renewed as long as its holder lives; then the time that the holder says. All times are by Redis' clock.
//!
//! Redis may have been emptied: then nobody knows which slots were in use a moment ago, and for a while nobody gets any.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use redis::{Script, ScriptInvocation};
use tokio::time::sleep;
use tracing::debug;

use super::link::Link;
use super::{PREFIX, RedisStore};
use crate::StorageError;

/// How long a slot is taken without a sign of life from its holder.
const LEASE: Duration = Duration::from_secs(15);

const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How long nobody gets a slot of a Redis that knows nothing: longer than any slot is kept after its call has ended.
const SETTLE: Duration = Duration::from_secs(2);

/// How soon to ask again while somebody else finds out whether a pause is over.
const PROBE_POLL: Duration = Duration::from_millis(250);

/// Longest pause; one that seems longer is due to a clock that was set.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// The slots of all lanes. Cheap to clone.
#[derive(Clone)]
pub struct SharedSlots(Arc<Inner>);

struct Inner {
    link: Arc<Link>,
    /// Tells processes apart.
    process: u64,
    last: AtomicU64,
    held: Mutex<Held>,
}

/// Slots of this process whose calls are under way.
#[derive(Default)]
struct Held {
    by_lane: HashMap<String, Vec<String>>,
    /// A task renews them.
    renewed: bool,
}

/// The outcome of asking for a slot.
pub enum Take {
    Taken(SharedSlot),
    /// All are taken. Asking again makes sense after this time; sooner if a call ends or a slot is given back unused.
    Wait(Duration),
    /// Nobody gets one for so long, or until somebody has found out whether a pause is over.
    Paused(Duration),
}

/// A slot of a lane. Dropped, it is free at once.
#[must_use]
pub struct SharedSlot {
    inner: Arc<Inner>,
    lane: String,
    token: String,
    released: bool,
}

/// KEYS: the lane's slots, its gate, when Redis began to know. ARGV: slots, token, lease, settle, probe poll, longest pause
/// (times in µs). Gives 1 and 0; or 0, or 2 for a
/// pause, and how long to wait.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local count, token, lease = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local text = function(number) return string.format('%.0f', number) end

        local born = tonumber(redis.call('GET', KEYS[3]) or 0)
        if born == 0 or born > now then
            born = now
            redis.call('SET', KEYS[3], text(now))
        end
        local settle = born + tonumber(ARGV[4]) - now
        if settle > 0 then return {2, settle} end

        local gate = redis.call('HMGET', KEYS[2], 'until', 'probe', 'probe_until')
        local paused = tonumber(gate[1] or 0)
        if paused - now > tonumber(ARGV[6]) then paused = 0 end
        if paused > now then return {2, paused - now} end
        if gate[2] and tonumber(gate[3]) > now then return {2, tonumber(ARGV[5])} end

        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now))
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. text(now + lease), '+inf')
        if redis.call('ZCARD', KEYS[1]) >= count then
            local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
            return {0, math.max(tonumber(first[2]) - now, 1)}
        end
        redis.call('ZADD', KEYS[1], text(now + lease), token)
        redis.call('PEXPIRE', KEYS[1], text(2 * lease / 1000))
        if paused > 0 then
            redis.call('HSET', KEYS[2], 'probe', token, 'probe_until', text(now + lease))
        end
        return {1, 0}
        ",
    )
});

/// KEYS: the lane's slots, its gate. ARGV: token, free after (µs; negative: at once), whether there was an answer, lease.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local token, after = ARGV[1], tonumber(ARGV[2])
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        if after < 0 then
            redis.call('ZREM', KEYS[1], token)
        else
            redis.call('ZADD', KEYS[1], string.format('%.0f', now + after), token)
            redis.call('PEXPIRE', KEYS[1], string.format('%.0f', 2 * ARGV[4] / 1000))
        end
        if redis.call('HGET', KEYS[2], 'probe') == token then
            -- A probe without an answer proved nothing: the next call is one again.
            if ARGV[3] == '1' then
                redis.call('DEL', KEYS[2])
            else
                redis.call('HDEL', KEYS[2], 'probe', 'probe_until')
            end
        end
        ",
    )
});

/// KEYS: the lane's gate. ARGV: pause (µs). The longer of two pauses counts.
static PAUSE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local until_ = math.max(now + ARGV[1], tonumber(redis.call('HGET', KEYS[1], 'until') or 0))
        redis.call('HSET', KEYS[1], 'until', string.format('%.0f', until_))
        redis.call('HDEL', KEYS[1], 'probe', 'probe_until')
        redis.call('PEXPIRE', KEYS[1], string.format('%.0f', 2 * (until_ - now) / 1000 + 1))
        ",
    )
});

/// KEYS: a lane's slots. ARGV: lease (µs), how near to its end a slot is that was released already (µs), tokens.
static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local lease, released = tonumber(ARGV[1]), tonumber(ARGV[2])
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        for i = 3, #ARGV do
            local free = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or 'inf')
            if free - now > released then
                redis.call('ZADD', KEYS[1], string.format('%.0f', now + lease), ARGV[i])
            end
        end
        redis.call('PEXPIRE', KEYS[1], string.format('%.0f', 2 * lease / 1000))
        ",
    )
});

/// KEYS: when Redis began to know.
static BEGIN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        redis.call('SET', KEYS[1], string.format('%.0f', time[1] * 1000000 + time[2]), 'NX')
        ",
    )
});

/// Lets the wait for a Redis that is new begin before the first call needs a slot.
pub(super) async fn begin(link: &Arc<Link>) {
    let begun = link.run::<()>("begin to count slots", BEGIN.prepare_invoke().key(born_key())).await;
    if let Err(error) = begun {
        debug!("the first call has to wait: {error}");
    }
}

impl RedisStore {
    /// The slots that replicas share through this store.
    pub fn slots(&self) -> SharedSlots {
        let process = u64::from(std::process::id()) << 32 | u64::from(rand::random::<u32>());
        let inner =
            Inner { link: self.link.clone(), process, last: AtomicU64::new(0), held: Mutex::default() };
        SharedSlots(Arc::new(inner))
    }
}

impl SharedSlots {
    /// Whether Redis has ever been there, and how often it was lost since. After a loss, slots that others hold may be
    /// unknown to it.
    pub fn losses(&self) -> Option<u64> {
        self.0.link.was_reached().then(|| self.0.link.losses())
    }

    /// Whether asking makes sense.
    pub fn is_reachable(&self) -> bool {
        self.0.link.is_connected()
    }

    /// Takes one of `count` slots of a lane, if one is free.
    ///
    /// After a pause one call alone gets a slot, until it has an answer.
    pub async fn take(&self, lane: &str, count: usize) -> Result<Take, StorageError> {
        let number = self.0.last.fetch_add(1, Ordering::Relaxed);
        let token = format!("{:x}.{number:x}", self.0.process);
        // Made before it is asked for: if the asker leaves meanwhile, it is given back.
        let slot = SharedSlot { inner: self.0.clone(), lane: lane.to_owned(), token, released: false };
        self.0.hold(&slot);
        let mut script = TAKE.arg(count);
        script.arg(&slot.token).arg(micros(LEASE)).arg(micros(SETTLE));
        script.arg(micros(PROBE_POLL)).arg(micros(LONGEST_PAUSE));
        script.key(slots_key(lane)).key(gate_key(lane)).key(born_key());
        let (taken, wait): (u8, u64) = self.0.link.run("take a slot", &script).await?;
        let wait = Duration::from_micros(wait);
        match taken {
            1 => Ok(Take::Taken(slot)),
            kind => {
                slot.forget();
                Ok(if kind == 2 { Take::Paused(wait) } else { Take::Wait(wait) })
            }
        }
    }
}

impl SharedSlot {
    /// The call has ended: with an answer, or given up. The slot is free again after this time.
    pub fn release(mut self, free_after: Duration, answered: bool) {
        self.released = true;
        self.inner.let_go(&self);
        let script = self.release_script(Some(free_after), answered);
        send(self.inner.link.clone(), vec![script]);
    }

    /// The answer is that there were too many calls: nobody gets a slot of this lane for a while. Then one alone goes first.
    pub fn pause(mut self, pause: Duration, free_after: Duration) {
        self.released = true;
        self.inner.let_go(&self);
        let mut pausing = PAUSE.arg(micros(pause.min(LONGEST_PAUSE)));
        pausing.key(gate_key(&self.lane));
        let released = self.release_script(Some(free_after), true);
        send(self.inner.link.clone(), vec![pausing, released]);
    }

    /// It was not given.
    fn forget(mut self) {
        self.released = true;
        self.inner.let_go(&self);
    }

    fn release_script(&self, free_after: Option<Duration>, answered: bool) -> ScriptInvocation<'static> {
        let mut script = RELEASE.arg(&self.token);
        script.arg(free_after.map_or(-1, micros)).arg(u8::from(answered)).arg(micros(LEASE));
        script.key(slots_key(&self.lane)).key(gate_key(&self.lane));
        script
    }
}

impl Drop for SharedSlot {
    fn drop(&mut self) {
        if !self.released {
            self.inner.let_go(self);
            let script = self.release_script(None, false);
            send(self.inner.link.clone(), vec![script]);
        }
    }
}

impl Inner {
    fn hold(self: &Arc<Self>, slot: &SharedSlot) {
        let mut held = self.held();
        if !std::mem::replace(&mut held.renewed, true) {
            tokio::spawn(renew(Arc::downgrade(self)));
        }
        held.by_lane.entry(slot.lane.clone()).or_default().push(slot.token.clone());
    }

    fn let_go(&self, slot: &SharedSlot) {
        let mut held = self.held();
        if let Some(tokens) = held.by_lane.get_mut(&slot.lane) {
            tokens.retain(|token| *token != slot.token);
            if tokens.is_empty() {
                held.by_lane.remove(&slot.lane);
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews what this process holds until it holds nothing.
async fn renew(inner: Weak<Inner>) {
    loop {
        sleep(RENEW_EVERY).await;
        let Some(inner) = inner.upgrade() else { return };
        let lanes = {
            let mut held = inner.held();
            held.renewed = !held.by_lane.is_empty();
            held.by_lane.clone()
        };
        if lanes.is_empty() {
            return;
        }
        for (lane, tokens) in lanes {
            let mut script = RENEW.arg(micros(LEASE));
            script.arg(micros(SETTLE)).arg(tokens).key(slots_key(&lane));
            if let Err(error) = inner.link.run::<()>("renew slots", &script).await {
                debug!("slots are not renewed: {error}");
            }
        }
    }
}

/// Tells Redis in the background, in this order. If it cannot be told, leases end by themselves.
fn send(link: Arc<Link>, scripts: Vec<ScriptInvocation<'static>>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        for script in scripts {
            if let Err(error) = link.run::<()>("give a slot back", &script).await {
                debug!("a slot is not given back: {error}");
            }
        }
    });
}

fn born_key() -> String {
    format!("{PREFIX}slots:born")
}

fn slots_key(lane: &str) -> String {
    format!("{PREFIX}slots:{{{lane}}}")
}

fn gate_key(lane: &str) -> String {
    format!("{PREFIX}gate:{{{lane}}}")
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
