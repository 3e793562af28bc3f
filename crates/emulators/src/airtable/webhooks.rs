//! Webhooks: who wants to know of which changes, and the payloads that tell of them.
//!
//! A payload is made when the change is, while the base is still locked, and gets the hook's next number: cursors have no
//! gaps. Where bases are kept in a file, hooks and payloads are, too: what is to be written is noted in a journal, and
//! goes into the file together with the change.

mod changes;
mod hook;
mod kept;
mod ping;
mod specification;
mod told;
mod wanted;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

pub(crate) use self::changes::Transaction;
use self::hook::Hook;
pub(crate) use self::kept::{Document, ReadHook, read};
use self::kept::{all_documents, hook_document, payload_document};
pub(crate) use self::ping::{Next, Ping, Step};
pub(crate) use self::wanted::{Asker, Wanted};
use super::ids::{BaseId, WebhookId};

/// Where a change comes from; others than these do not happen here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Source {
    PublicApi,
    /// Airtable's own interface.
    Client,
    Sync,
}

impl Source {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PublicApi => "publicApi",
            Self::Client => "client",
            Self::Sync => "sync",
        }
    }
}

/// The webhooks of a base, in the order of their creation.
#[derive(Debug, Clone, Default)]
struct OfBase {
    /// How many writes the hooks were asked about.
    transactions: u64,
    hooks: Vec<Hook>,
}

/// A ping that is tried again.
#[derive(Debug, Clone, Copy)]
struct Chain {
    /// Tells it from those that were given up; no two have the same.
    number: u64,
    state: Retry,
}

impl Chain {
    fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self { number: LAST.fetch_add(1, Ordering::Relaxed) + 1, state: Retry::Waits }
    }
}

/// Until all webhooks are replaced. Pings of another era concern nobody any more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Era(u64);

impl Default for Era {
    /// One that has not been.
    fn default() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// How far it is with a chain.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Retry {
    /// The next attempt will tell of what happens until then.
    Waits,
    /// On its way; `news`: something has happened since it left.
    Runs { news: bool },
}

/// All webhooks. Clones share payloads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Webhooks {
    live: HashMap<BaseId, OfBase>,
    /// What there was at the start.
    initial: HashMap<BaseId, OfBase>,
    /// Hooks whose ping has failed and is tried again: one ping at a time, however many writes there are meanwhile.
    retried: HashMap<(BaseId, WebhookId), Chain>,
    era: Era,
    /// What has to get into the file; `None`: there is none.
    journal: Option<Vec<Document>>,
}

impl Webhooks {
    /// As they are now, to begin with elsewhere.
    pub(crate) fn snapshot(&self) -> Self {
        Self { live: self.live.clone(), initial: self.live.clone(), ..Self::default() }
    }

    /// Notes from now on what has to get into a file, which has what there is now.
    pub(crate) fn keep_journal(&mut self) {
        self.journal = Some(Vec::new());
    }

    /// What has to get into the file since this was last asked. It must be handed over while this is still locked, so that the
    /// order is right.
    pub(crate) fn take_journal(&mut self) -> Vec<Document> {
        self.journal.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn note(&mut self, documents: impl IntoIterator<Item = Document>) {
        if let Some(journal) = &mut self.journal {
            journal.extend(documents);
        }
    }

    /// Whether changes of the base have to be told.
    pub(crate) fn watch(&self, base: BaseId) -> bool {
        self.live.get(&base).is_some_and(|of_base| !of_base.hooks.is_empty())
    }

    /// Makes all hooks what they were at the start.
    pub(crate) fn reset(&mut self) {
        let before = std::mem::replace(&mut self.live, self.initial.clone());
        self.retried.clear();
        self.era = Era::default();
        if self.journal.is_some() {
            for (base, of_base) in before {
                let documents = |hook: &Hook| all_documents(base, hook, of_base.transactions, false);
                let gone: Vec<_> = of_base.hooks.iter().flat_map(documents).collect();
                self.note(gone);
            }
            self.note(self.documents());
        }
    }

    /// Tells the hooks of a base what a write has changed in it; gives those that want to be pinged.
    pub(crate) fn tell(&mut self, transaction: &Transaction<'_>) -> Vec<Ping> {
        let mut pings = Vec::new();
        let base = transaction.after.id;
        let Some(of_base) = self.live.get_mut(&base) else { return pings };
        let now = transaction.actor.now.as_millisecond();
        let changes = transaction.changes();
        let after = transaction.after;
        let ends = |hook: &Hook| hook.works && !hook.specification.still_holds(after);
        // A view that has gone is no change, but those who watched it have to know.
        if changes.is_empty() && !of_base.hooks.iter().any(ends) {
            return pings;
        }
        of_base.transactions += 1;
        let mut documents = Vec::new();
        for hook in of_base.hooks.iter_mut() {
            let (was_enabled, ends) = (hook.is_enabled(now), ends(hook));
            if ends {
                hook.works = false;
                documents.push(hook_document(base, hook, of_base.transactions));
            }
            let told = match ends {
                _ if !was_enabled => continue,
                false if !hook.specification.wants_source(transaction.source) => continue,
                false => match changes.told(&hook.specification) {
                    Some(told) => told,
                    None => continue,
                },
                true => Map::from_iter([
                    ("error".to_owned(), json!(true)),
                    ("code".to_owned(), json!("INVALID_FILTERS")),
                ]),
            };
            let mut payload = transaction.envelope(of_base.transactions);
            payload.extend(told);
            let text = Value::Object(payload).to_string();
            let number = hook.payloads.push(now, text.as_str().into());
            documents.push(payload_document(base, hook, number, Some(&text)));
            for number in hook.payloads.prune(now) {
                documents.push(payload_document(base, hook, number, None));
            }
            let Some(url) = hook.notification_url.clone().filter(|_| hook.notifies) else { continue };
            match self.retried.get_mut(&(base, hook.id)) {
                None => {
                    let (era, secret) = (self.era, hook.secret);
                    pings.push(Ping { base, hook: hook.id, url, secret, era, chain: None });
                }
                Some(Chain { state: Retry::Waits, .. }) => {}
                Some(Chain { state: Retry::Runs { news }, .. }) => *news = true,
            }
        }
        if documents.is_empty()
            && let Some(hook) = of_base.hooks.first()
        {
            // What number the next transaction has stands with hooks.
            documents.push(hook_document(base, hook, of_base.transactions));
        }
        self.note(documents);
        pings
    }

    /// Notes how far a ping has come. After the last attempt that failed, the hook is not pinged any more.
    pub(crate) fn pinged(&mut self, ping: &Ping, step: Step, now: i64) -> Next {
        let place = (ping.base, ping.hook);
        let chain = self.retried.get(&place).copied();
        // All there was has been replaced, or its chain been given up: notifications were switched.
        if ping.era != self.era || (ping.chain.is_some() && chain.map(|chain| chain.number) != ping.chain) {
            return Next::Ends;
        }
        let of_base = self.live.get_mut(&ping.base);
        let hooks = of_base.map(|of_base| (of_base.transactions, &mut of_base.hooks));
        let Some((transactions, hook)) = hooks.and_then(|(transactions, hooks)| {
            Some((transactions, hooks.iter_mut().find(|hook| hook.id == ping.hook)?))
        }) else {
            self.retried.remove(&place);
            return Next::Ends;
        };
        let Step::Ended(result) = step else {
            return match self.retried.get_mut(&place).filter(|_| hook.notifies && now < hook.expires) {
                Some(chain) => {
                    chain.state = Retry::Runs { news: false };
                    Next::Goes
                }
                None => {
                    self.retried.remove(&place);
                    Next::Ends
                }
            };
        };
        let has_failed = result["success"] != true;
        if !has_failed {
            hook.last_success = result["completionTimestamp"].as_str().map(str::to_owned);
        } else if result["willBeRetried"] == false {
            hook.notifies = false;
        }
        hook.last_result = result;
        let notifies = hook.notifies;
        let document = hook_document(ping.base, hook, transactions);
        self.note([document]);
        match self.retried.get_mut(&place) {
            // Another one is tried again already, and tells of this one's news, too.
            Some(chain) if ping.chain.is_none() => {
                if let Retry::Runs { news } = &mut chain.state {
                    *news |= has_failed;
                }
                Next::Ends
            }
            Some(Chain { number, state: Retry::Runs { news: true } }) if notifies && !has_failed => {
                Next::GoesAnew(*number)
            }
            Some(chain) if notifies && has_failed => {
                chain.state = Retry::Waits;
                Next::Waits(chain.number)
            }
            None if notifies && has_failed => {
                let chain = Chain::new();
                self.retried.insert(place, chain);
                Next::Waits(chain.number)
            }
            _ => {
                self.retried.remove(&place);
                Next::Ends
            }
        }
    }
}
