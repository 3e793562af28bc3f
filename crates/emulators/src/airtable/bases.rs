//! The bases that there are, each behind a lock of its own.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use super::access::Roles;
use super::emulator::{read, write};
use super::ids::BaseId;
use super::kept::{Keeper, Pending};
use super::model::Base;
use super::webhooks::Document;

/// A base, and what it was like when the emulator started (unchanged records are shared).
pub(super) struct Kept {
    pub(super) id: BaseId,
    pub(super) name: String,
    pub(super) roles: Roles,
    /// What its requests count against.
    pub(super) workspace: String,
    pub(super) live: RwLock<Base>,
    /// `None`: it was made later.
    initial: Option<Base>,
}

/// All bases, in the order in which they were made. Their positions are what the file knows them by.
#[derive(Default)]
pub(super) struct Bases {
    list: RwLock<List>,
}

#[derive(Default)]
struct List {
    bases: Vec<Arc<Kept>>,
    index: HashMap<BaseId, usize>,
}

impl List {
    fn push(&mut self, base: Base, is_initial: bool) {
        let initial = is_initial.then(|| base.clone());
        self.index.insert(base.id, self.bases.len());
        let (id, name, roles, workspace) =
            (base.id, base.name.clone(), base.roles.clone(), base.workspace.clone());
        self.bases.push(Arc::new(Kept { id, name, roles, workspace, live: RwLock::new(base), initial }));
    }
}

impl Bases {
    pub(super) fn new(bases: Vec<Base>) -> Self {
        let this = Self::default();
        let mut list = write(&this.list);
        bases.into_iter().for_each(|base| list.push(base, true));
        drop(list);
        this
    }

    pub(super) fn all(&self) -> Vec<Arc<Kept>> {
        read(&self.list).bases.clone()
    }

    pub(super) fn get(&self, id: BaseId) -> Option<Arc<Kept>> {
        let list = read(&self.list);
        list.index.get(&id).map(|&position| Arc::clone(&list.bases[position]))
    }

    /// Adds a base; gives what to wait for until it is in the file.
    pub(super) fn add(&self, mut base: Base, keeper: Option<&Keeper>) -> Option<Pending> {
        if keeper.is_some() {
            base.tables.iter_mut().for_each(|table| table.rows.note_changes());
        }
        let mut list = write(&self.list);
        let pending = keeper.map(|keeper| keeper.replace(list.bases.len(), &base));
        list.push(base, false);
        pending
    }

    /// Hands over what has changed in a base, which the caller has locked, and documents that belong to the change. A base that a reset has removed meanwhile is kept
    /// nowhere.
    pub(super) fn keep(
        &self,
        base: &mut Base,
        documents: Vec<Document>,
        keeper: Option<&Keeper>,
    ) -> Option<Pending> {
        let list = read(&self.list);
        let position = *list.index.get(&base.id)?;
        keeper.map(|keeper| keeper.keep(position, base, documents))
    }

    /// Makes all bases what they were at the start; those that were made since are gone.
    pub(super) fn reset(&self, keeper: Option<&Keeper>) -> Vec<Pending> {
        let mut pending = Vec::new();
        let mut list = write(&self.list);
        let count = list.bases.iter().take_while(|base| base.initial.is_some()).count();
        if list.bases.len() > count {
            list.bases.truncate(count);
            list.index.retain(|_, position| *position < count);
            pending.extend(keeper.map(|keeper| keeper.forget_from(count)));
        }
        let bases = list.bases.clone();
        drop(list); // a base is locked before the list, never after it
        for (position, base) in bases.iter().enumerate() {
            let Some(initial) = &base.initial else { continue };
            let mut live = write(&base.live);
            *live = initial.clone();
            pending.extend(keeper.map(|keeper| keeper.replace(position, &live)));
        }
        pending
    }
}
