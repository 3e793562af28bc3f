//! Many small questions to Redis as few large ones: those who ask while a question is under way share the next one.
//!
//! What is read is read after it was asked for, so nobody gets an older value for the sharing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::RedisStore;
use crate::StorageError;

#[derive(Default)]
pub(super) struct Batch(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    asked: Vec<Question>,
    /// Somebody takes care of `asked`.
    served: bool,
}

struct Question {
    scopes: Vec<String>,
    answer: oneshot::Sender<Result<Vec<u64>, StorageError>>,
}

impl Batch {
    /// The values of these scopes, with what others ask for.
    pub(super) async fn ask(&self, store: &RedisStore, scopes: &[&str]) -> Result<Vec<u64>, StorageError> {
        let (answer, answered) = oneshot::channel();
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let idle = {
            let mut waiting = self.lock();
            waiting.asked.push(Question { scopes, answer });
            !std::mem::replace(&mut waiting.served, true)
        };
        if idle {
            // A task of its own: whoever asked may leave, and others still wait.
            tokio::spawn(serve(store.clone()));
        }
        answered.await.unwrap_or(Err(StorageError::Unavailable { what: "Redis" }))
    }

    /// What was asked since the last time; nothing: nobody takes care of it any more.
    fn take(&self) -> Vec<Question> {
        let mut waiting = self.lock();
        waiting.served = !waiting.asked.is_empty();
        std::mem::take(&mut waiting.asked)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(store: RedisStore) {
    loop {
        let asked = store.batch.take();
        if asked.is_empty() {
            return;
        }
        let mut places = HashMap::new();
        let mut scopes = Vec::new();
        for scope in asked.iter().flat_map(|question| &question.scopes) {
            places.entry(scope.as_str()).or_insert_with(|| {
                scopes.push(scope.as_str());
                scopes.len() - 1
            });
        }
        let mut outcome = store.read_counters(&scopes).await;
        let answers: Vec<_> = asked
            .iter()
            .map(|question| match &outcome {
                Ok(values) => {
                    Ok(question.scopes.iter().map(|scope| values[places[scope.as_str()]]).collect())
                }
                Err(_) => {
                    // The first is told why, and the others that it is so.
                    let others = Err(StorageError::Unavailable { what: "Redis" });
                    std::mem::replace(&mut outcome, others).map(|_| Vec::new())
                }
            })
            .collect();
        for (question, answer) in asked.into_iter().zip(answers) {
            let _ = question.answer.send(answer); // who has left does not need it
        }
    }
}
