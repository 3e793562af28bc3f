//! Which models there are.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llm_api::{Model, Provider};
use service_kit::ApiError;
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::error::no_such_model;

/// The model that stands for this service: a vendor's model with our tools and our prompt.
pub(crate) const ASSISTANT: &str = "airtable-assistant";

/// How long the vendor's list is kept; it changes a few times a year.
const LIFE: Duration = Duration::from_secs(600);
/// How long a failure to get it is: clients ask for the list again and again.
const FAILURE_LIFE: Duration = Duration::from_secs(10);
const TIME: Duration = Duration::from_secs(5);

/// The models of the vendor, asked for now and then. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Models {
    provider: Provider,
    default: Arc<str>,
    kept: Arc<Mutex<Option<Kept>>>,
}

/// A list, and until when it is good.
type Kept = (Instant, Arc<Vec<Model>>);

impl Models {
    pub(crate) fn new(provider: Provider, default: &str) -> Self {
        Self { provider, default: default.into(), kept: Arc::default() }
    }

    /// What `airtable-assistant` stands for.
    pub(crate) fn default(&self) -> &str {
        &self.default
    }

    /// The vendor's models that answer; none if the vendor cannot be asked.
    pub(crate) async fn list(&self) -> Arc<Vec<Model>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, models)) = kept.filter(|(until, _)| Instant::now() < *until) {
            return models;
        }
        let (models, life) = match timeout(TIME, self.provider.models()).await {
            Ok(Ok(models)) => (models.into_iter().filter(|model| model.generates).collect(), LIFE),
            Ok(Err(error)) => {
                warn!("the vendor's models cannot be listed: {error}");
                (Vec::new(), FAILURE_LIFE)
            }
            Err(_) => {
                warn!("the vendor's models cannot be listed: no answer in time");
                (Vec::new(), FAILURE_LIFE)
            }
        };
        let models = Arc::new(models);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now() + life, models.clone()));
        models
    }

    /// The vendor's model that a request means. While the vendor cannot be asked, any name goes: it will say itself.
    pub(crate) async fn resolve(&self, asked: Option<&str>) -> Result<String, ApiError> {
        let asked = asked.unwrap_or(ASSISTANT);
        let asked = asked.strip_prefix("models/").unwrap_or(asked);
        if asked == ASSISTANT || asked == &*self.default || asked.is_empty() {
            return Ok(self.default.to_string());
        }
        let known = self.list().await;
        match known.is_empty() || known.iter().any(|model| model.id == asked) {
            true => Ok(asked.to_owned()),
            false => Err(no_such_model(asked)),
        }
    }
}
