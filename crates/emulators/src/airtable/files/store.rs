//! The bytes of attachments, in memory for as long as a cell holds them: cells share a file, and the last one that lets
//! go of it frees it. A base as it was at the start, for a reset, holds its files as well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use crate::airtable::ids::AttachmentId;

/// A file that stands in cells. It never changes.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) id: AttachmentId,
    pub(crate) name: Box<str>,
    /// What `Content-Type` says of it, byte for byte as it came.
    pub(crate) content_type: Box<str>,
    pub(crate) content: Bytes,
    room: Room,
}

impl Drop for File {
    fn drop(&mut self) {
        let mut state = self.room.index.lock();
        // Another file may go by the same id by now.
        if state.files.get(&self.id).is_some_and(|known| std::ptr::eq(known.as_ptr(), self)) {
            state.files.remove(&self.id);
            state.gone.push(self.id);
        }
    }
}

/// All files, by id, and how much memory they take.
#[derive(Debug, Clone)]
pub(crate) struct Store(Arc<Index>);

#[derive(Debug)]
struct Index(Mutex<State>);

#[derive(Debug)]
struct State {
    files: HashMap<AttachmentId, Weak<File>>,
    bytes: u64,
    max_bytes: u64,
    /// Files that no cell holds any more since this was last asked.
    gone: Vec<AttachmentId>,
}

impl Index {
    // Nobody lets go of a file while holding this lock, which its end takes.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Files would take more memory than they may.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("files of attachments would take more than {max_bytes} bytes")]
pub(crate) struct Full {
    pub(crate) max_bytes: u64,
}

/// Memory that a file takes, or is about to; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    index: Arc<Index>,
    bytes: u64,
}

impl Store {
    pub(crate) fn new(max_bytes: u64) -> Self {
        let state = State { files: HashMap::new(), bytes: 0, max_bytes, gone: Vec::new() };
        Self(Arc::new(Index(Mutex::new(state))))
    }

    /// What is there already stays, even if it is more.
    pub(crate) fn set_max_bytes(&self, max_bytes: u64) {
        self.0.lock().max_bytes = max_bytes;
    }

    /// Room for nothing yet.
    pub(crate) fn room(&self) -> Room {
        Room { index: Arc::clone(&self.0), bytes: 0 }
    }

    /// A file that takes the room that was made for it.
    pub(crate) fn add(
        &self,
        id: AttachmentId,
        (name, content_type): (&str, &str),
        content: Bytes,
        room: Room,
    ) -> Arc<File> {
        debug_assert_eq!(room.bytes, content.len() as u64);
        let file = Arc::new(File { id, name: name.into(), content_type: content_type.into(), content, room });
        let mut state = self.0.lock();
        state.files.insert(id, Arc::downgrade(&file));
        // A snapshot has brought it back before it was forgotten.
        state.gone.retain(|gone| *gone != id);
        drop(state);
        file
    }

    pub(crate) fn find(&self, id: AttachmentId) -> Option<Arc<File>> {
        self.0.lock().files.get(&id).and_then(Weak::upgrade)
    }

    /// The files that nothing holds any more since this was last asked.
    pub(crate) fn take_gone(&self) -> Vec<AttachmentId> {
        std::mem::take(&mut self.0.lock().gone)
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.0.lock().bytes
    }
}

impl Room {
    /// Takes more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let mut state = self.index.lock();
        let wanted = state.bytes.saturating_add(bytes as u64);
        if wanted > state.max_bytes {
            return Err(Full { max_bytes: state.max_bytes });
        }
        state.bytes = wanted;
        self.bytes += bytes as u64;
        Ok(())
    }

    /// Takes more whether or not it may: for what a seed or a file of bases has brought.
    pub(crate) fn grow_anyway(&mut self, bytes: usize) {
        self.index.lock().bytes += bytes as u64;
        self.bytes += bytes as u64;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.index.lock().bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(store: &Store, id: AttachmentId, content: &'static [u8]) -> Arc<File> {
        let mut room = store.room();
        room.grow(content.len()).unwrap();
        store.add(id, ("a.txt", "text/plain"), Bytes::from_static(content), room)
    }

    #[test]
    fn a_file_is_there_until_the_last_cell_lets_go_of_it() {
        let (store, id) = (Store::new(10), AttachmentId::mint());
        let file = add(&store, id, b"hello");
        let copy = Arc::clone(&file);
        drop(file);
        assert_eq!((&store.find(id).unwrap().content[..], store.bytes()), (&b"hello"[..], 5));
        assert!(store.take_gone().is_empty());
        drop(copy);
        assert!(store.find(id).is_none());
        assert_eq!((store.bytes(), store.take_gone(), store.take_gone()), (0, vec![id], vec![]));
    }

    #[test]
    fn files_take_no_more_memory_than_they_may_and_what_was_not_used_is_given_back() {
        let store = Store::new(8);
        let file = add(&store, AttachmentId::mint(), b"hello");
        let mut room = store.room();
        room.grow(3).unwrap();
        assert_eq!(room.grow(1), Err(Full { max_bytes: 8 }));
        drop(room);
        assert_eq!(store.bytes(), 5);
        let mut room = store.room();
        room.grow_anyway(100);
        assert_eq!(store.bytes(), 105);
        drop((file, room));
        assert_eq!(store.bytes(), 0);
    }

    #[test]
    fn a_file_that_took_anothers_id_stays_when_that_one_goes() {
        let (store, id) = (Store::new(100), AttachmentId::mint());
        let old = add(&store, id, b"old");
        let new = add(&store, id, b"new");
        drop(old);
        assert_eq!(&store.find(id).unwrap().content[..], b"new");
        assert!(store.take_gone().is_empty());
        drop(new);
        let again = add(&store, id, b"again");
        assert!(store.take_gone().is_empty(), "it is back");
        drop(again);
        assert_eq!(store.take_gone(), [id]);
    }
}
