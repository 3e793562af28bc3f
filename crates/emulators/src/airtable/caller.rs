//! What each call does in the world, for whoever makes it: with the rights of a token, and told to webhooks and kept
//! before it is answered.

use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::access::{Grant, Reach, Role, Scope};
use super::bases::Kept;
use super::computed::Eval;
use super::emulator::{Shared, World, apart, lock, read, write};
use super::errors::AirtableError;
use super::files::{Trouble, Upload, Urls};
use super::ids::{BaseId, RecordId};
use super::kept::Pending;
use super::model::Base;
use super::records::{Actor, Written};
use super::structure::find_table;
use super::webhooks::{Source, Transaction};
use super::{comments, list, meta, records, structure, sync, webhooks};

/// How long a formula may go through a table. Airtable says 503 when a request "timed out", not when that is.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whoever calls, and the world as it is while the call works.
pub(super) struct Caller<'c> {
    pub(super) shared: &'c Arc<Shared>,
    pub(super) world: &'c World,
    pub(super) grant: &'c Grant,
    pub(super) source: Source,
    pub(super) urls: &'c Urls,
}

impl Caller<'_> {
    /// The bases that the token reaches.
    pub(super) fn bases(&self) -> Vec<meta::BaseEntry> {
        let visible = self.world.bases.all().into_iter().filter(|base| self.grant.reaches(base.id));
        let entry = |base: Arc<Kept>| meta::BaseEntry {
            id: base.id,
            name: base.name.clone(),
            role: self.role(&base),
        };
        visible.map(entry).collect()
    }

    pub(super) fn schema(&self, base: BaseId, visible_fields: bool) -> Result<Value, AirtableError> {
        let base = self.visible(base, Scope::SchemaRead)?;
        Ok(meta::schema(&read(&base.live), visible_fields))
    }

    /// Locks the base, and waits for that.
    pub(super) fn records(
        &self,
        id: BaseId,
        table: &str,
        wanted: &records::Wanted,
    ) -> Result<Value, AirtableError> {
        match wanted {
            records::Wanted::Read(wanted) => {
                let base = self.visible(id, Scope::RecordsRead)?;
                let base = read(&base.live);
                let table = find_table(&base, table)?;
                let eval = Eval::new(&base, &self.world.users, self.shared.clock.now()).with_urls(self.urls);
                match wanted {
                    records::Read::List(params) => {
                        let limits = self.shared.limits();
                        let times = list::Times {
                            now: self.shared.clock.instant(),
                            until: Instant::now() + PATIENCE,
                            offset_life: limits.offset_life,
                        };
                        list::page(&eval, table, params, &self.world.listings, times)
                    }
                    records::Read::Get(record, rendering) => {
                        let found = records::get(&eval, table, *record, rendering);
                        found.ok_or_else(|| match self.shared.unconfirmed().unknown_record_status {
                            404 => AirtableError::record_not_found(),
                            _ => AirtableError::not_found_or_not_allowed(),
                        })
                    }
                }
            }
            records::Wanted::Write(wanted) => {
                let base = self.visible(id, Scope::RecordsWrite)?;
                let mut locked = write(&base.live);
                let actor = self.actor(&base); // its time is that of its turn
                let table = find_table(&locked, table)?;
                let before = self.before_if_watched(&locked);
                let Written { mut answer, attached } = wanted.apply(&mut locked, table, actor)?;
                let kept = self.finish(before.as_ref(), locked, actor, self.source, Value::Null);
                let troubles = self.shared.ingest(id, attached);
                if !troubles.is_empty() {
                    let reasons: Vec<_> = troubles.into_iter().map(Trouble::reason).collect();
                    answer["details"] = json!({"message": "partialSuccess", "reasons": reasons});
                }
                kept.map(|_| answer)
            }
        }
    }

    /// As [`Self::records`], for a file that is uploaded into a cell.
    pub(super) fn upload(&self, base: BaseId, upload: &Upload) -> Result<Value, AirtableError> {
        let base = self.visible(base, Scope::RecordsWrite)?;
        let mut locked = write(&base.live);
        let actor = self.actor(&base); // its time is that of its turn
        let before = self.before_if_watched(&locked);
        let (answer, file) = upload.apply(&mut locked, &self.shared.files, actor)?;
        // Handed over before the record that holds it.
        let file = self.shared.files.keep(&file, self.shared.keeper.as_ref());
        let kept = self.finish(before.as_ref(), locked, actor, self.source, answer);
        match file.is_none_or(Pending::wait) {
            true => kept,
            false => Err(AirtableError::server_error()),
        }
    }

    /// As [`Self::records`], for the structure of a base.
    pub(super) fn structure(&self, id: BaseId, wanted: &structure::Wanted) -> Result<Value, AirtableError> {
        let held = wanted.scopes().iter().find(|scope| self.grant.has(**scope));
        let base = self.visible(id, *held.ok_or_else(AirtableError::not_found_or_not_allowed)?)?;
        if let structure::Wanted::Read(wanted) = wanted {
            return wanted.answer(&read(&base.live), &self.world.users, self.role(&base));
        }
        if let Some(place) = wanted.new_formula().filter(|_| !self.shared.unconfirmed().formulas_creatable) {
            return Err(AirtableError::field_type_not_creatable(&place, "formula"));
        }
        let mut locked = write(&base.live);
        let actor = self.actor(&base); // its time is that of its turn
        let before = self.before_if_watched(&locked);
        let answer = wanted.apply(&mut locked, actor)?;
        self.finish(before.as_ref(), locked, actor, self.source, answer)
    }

    /// CSV data from a source; only personal access tokens may send it.
    pub(super) fn sync(
        &self,
        id: BaseId,
        table: &str,
        sync: &str,
        sheet: &sync::Sheet,
    ) -> Result<Value, AirtableError> {
        self.grant.require(Scope::SchemaWrite)?;
        let base = self.visible(id, Scope::RecordsWrite)?;
        if self.role(&base) < Role::Create || !self.grant.is_personal() {
            return Err(AirtableError::not_permitted());
        }
        let limits = self.shared.limits();
        let counted = lock(&self.shared.limiter).sync(id, &limits, self.shared.clock.instant());
        counted.map_err(|refused| refused.error(&limits))?;
        let mut locked = write(&base.live);
        let actor = self.actor(&base); // its time is that of its turn
        let table = find_table(&locked, table)?;
        let found = locked.tables[table].syncs.iter().find(|own| own.id == sync);
        let sync = found.cloned().ok_or_else(AirtableError::not_found_or_not_allowed)?;
        let before = self.before_if_watched(&locked);
        let answer = sync::apply(&mut locked, table, &sync, sheet, actor)?;
        self.finish(before.as_ref(), locked, actor, Source::Sync, answer)
    }

    pub(super) fn webhooks(&self, id: BaseId, wanted: &webhooks::Wanted) -> Result<Value, AirtableError> {
        let base = self.visible(id, Scope::WebhookManage)?;
        if wanted.changes_hooks() && self.role(&base) < Role::Create {
            return Err(AirtableError::not_permitted());
        }
        let base = read(&base.live);
        let now = self.shared.clock.now().as_millisecond();
        let most = self.shared.limits().max_webhooks_per_base;
        let mut webhooks = lock(&self.world.webhooks);
        let mut answer = webhooks.answer(wanted, &base, &webhooks::Asker { grant: self.grant, most, now })?;
        let documents = webhooks.take_journal();
        let keeper = self.shared.keeper.as_ref().filter(|_| !documents.is_empty());
        let pending = keeper.map(|keeper| keeper.put_documents(documents));
        drop(webhooks);
        if matches!(wanted, webhooks::Wanted::Payloads { .. }) {
            self.urls.complete_all(&mut answer);
        }
        // Reading payloads makes a hook live longer, and waits for nothing.
        match pending.filter(|_| wanted.changes_hooks()).is_none_or(Pending::wait) {
            true => Ok(answer),
            false => Err(AirtableError::server_error()),
        }
    }

    /// The base as it is (unchanged records are shared), if a webhook has to be told what a write changes.
    fn before_if_watched(&self, base: &Base) -> Option<Base> {
        lock(&self.world.webhooks).watch(base.id).then(|| base.past())
    }

    /// Tells webhooks of a write, and gives its answer once both are where bases are kept.
    fn finish(
        &self,
        before: Option<&Base>,
        mut locked: RwLockWriteGuard<'_, Base>,
        actor: Actor<'_>,
        source: Source,
        answer: Value,
    ) -> Result<Value, AirtableError> {
        let Some(before) = before else { return self.keep(locked, answer) };
        let mut webhooks = lock(&self.world.webhooks);
        let transaction = Transaction { before, after: &locked, actor, source };
        let pings = webhooks.tell(&transaction);
        let documents = webhooks.take_journal();
        let pending = self.world.bases.keep(&mut locked, documents, self.shared.keeper.as_ref());
        drop(webhooks);
        drop(locked); // others go on while the file is written
        self.shared.files.forget_gone(self.shared.keeper.as_ref());
        let is_kept = pending.is_none_or(Pending::wait);
        for ping in pings.into_iter().filter(|_| self.shared.pings.load(Ordering::Relaxed)) {
            let (told, timed) = (Arc::clone(self.shared), Arc::clone(self.shared));
            let note = move |ping: webhooks::Ping, step| {
                let told = Arc::clone(&told);
                let noted = apart(move || told.pinged(&ping, step));
                async { noted.await.unwrap_or(webhooks::Next::Ends) }
            };
            tokio::spawn(ping.send(note, move || (timed.clock.now(), timed.clock.instant())));
        }
        match is_kept {
            true => Ok(answer),
            false => Err(AirtableError::server_error()),
        }
    }

    /// Only a token that reaches everything may add to it.
    pub(super) fn create_base(&self, wanted: &Map<String, Value>) -> Result<Value, AirtableError> {
        if self.grant.bases != Reach::All {
            return Err(AirtableError::not_found_or_not_allowed());
        }
        let base = structure::create_base(wanted, self.shared.clock.now())?;
        let answer = structure::created_base(&base);
        let pending = self.world.bases.add(base, self.shared.keeper.as_ref());
        match pending.is_none_or(Pending::wait) {
            true => Ok(answer),
            false => Err(AirtableError::server_error()),
        }
    }

    /// As [`Self::records`], for the comments of a record.
    pub(super) fn comments(
        &self,
        base: BaseId,
        table: &str,
        record: RecordId,
        wanted: &comments::Wanted,
    ) -> Result<Value, AirtableError> {
        if let comments::Wanted::List(page) = wanted {
            let base = self.visible(base, Scope::CommentsRead)?;
            let base = read(&base.live);
            let table = find_table(&base, table)?;
            return comments::list(&base, table, record, &self.world.users, page);
        }
        let base = self.visible(base, Scope::CommentsWrite)?;
        let mut locked = write(&base.live);
        let actor = self.actor(&base); // its time is that of its turn
        let table = find_table(&locked, table)?;
        let answer = comments::write(&mut locked, table, record, wanted, actor)?;
        self.keep(locked, answer)
    }

    /// Gives the answer to a write once it is where bases are kept.
    fn keep(&self, mut locked: RwLockWriteGuard<'_, Base>, answer: Value) -> Result<Value, AirtableError> {
        let pending = self.world.bases.keep(&mut locked, Vec::new(), self.shared.keeper.as_ref());
        drop(locked); // others go on while the file is written
        self.shared.files.forget_gone(self.shared.keeper.as_ref());
        match pending.is_none_or(Pending::wait) {
            true => Ok(answer),
            false => Err(AirtableError::server_error()),
        }
    }

    /// A base that the token reaches, with that scope, and in which its user has any role.
    fn visible(&self, id: BaseId, scope: Scope) -> Result<Arc<Kept>, AirtableError> {
        self.grant.require(scope)?;
        let base = self.world.bases.get(id);
        if base.is_none() && self.shared.unconfirmed().unknown_base_status == 404 {
            return Err(AirtableError::no_route());
        }
        let base = base.filter(|base| self.grant.reaches(id) && self.role(base) > Role::None);
        base.ok_or_else(AirtableError::not_found_or_not_allowed)
    }

    /// What the token's user may do in the base, which the token may narrow down.
    fn role(&self, base: &Kept) -> Role {
        if self.source == Source::Client {
            return Role::Create;
        }
        let user = self.world.users.get(self.grant.user);
        let role = base.roles.of(user.map_or("", |user| &user.id));
        self.grant.most.map_or(role, |most| role.min(most))
    }

    fn actor(&self, base: &Kept) -> Actor<'_> {
        Actor {
            users: &self.world.users,
            user: self.grant.user,
            role: self.role(base),
            now: self.shared.clock.now(),
            urls: self.urls,
        }
    }
}

impl Shared {
    /// Notes how far a ping has come; gives what follows.
    fn pinged(&self, ping: &webhooks::Ping, step: webhooks::Step) -> webhooks::Next {
        let world = self.hold();
        let mut webhooks = lock(&world.webhooks);
        let next = webhooks.pinged(ping, step, self.clock.now().as_millisecond());
        let documents = webhooks.take_journal();
        if let Some(keeper) = self.keeper.as_ref().filter(|_| !documents.is_empty()) {
            keeper.put_documents(documents); // nobody waits for it
        }
        next
    }
}
