//! Notification pings: that there is something new, and not what. They go to this machine only.

use std::time::{Duration, Instant};

use airtable_formula::Timestamp;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Era;
use crate::airtable::fields::date;
use crate::airtable::ids::{BaseId, WebhookId};
use crate::airtable::loopback::Destination;

/// How long a receiver may take. Source: <https://airtable.com/developers/web/api/webhooks-overview>.
const PATIENCE: Duration = Duration::from_secs(25);

/// Attempts after the first, ten seconds after it, then twice as long each time.
const RETRIES: u32 = 13;
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// How often a pause looks at the clock.
const GLANCE: Duration = Duration::from_millis(50);

/// How far a ping has come.
pub(crate) enum Step {
    /// It is tried again, or anew.
    Begins,
    /// With what the hook shows as its last result.
    Ended(Value),
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Next {
    /// It is sent.
    Goes,
    /// It is tried again after a pause, as a chain of that number.
    Waits(u64),
    /// It was taken, but something has happened since it left: the chain begins anew.
    GoesAnew(u64),
    /// Nobody wants to be told any more, or has been, or is by another ping.
    Ends,
}

/// One hook that has to be told.
#[derive(Debug, Clone)]
pub(crate) struct Ping {
    pub(crate) base: BaseId,
    pub(crate) hook: WebhookId,
    pub(crate) url: String,
    pub(crate) secret: [u8; 32],
    pub(crate) era: Era,
    /// The chain that it belongs to, if it is tried again.
    pub(crate) chain: Option<u64>,
}

impl Ping {
    /// Sends it, again and again until it is taken; `note` is told of each step, and says what follows. Times and pauses are
    /// those of the emulator's clock, which `clock` reads.
    pub(crate) async fn send<N: Future<Output = Next>>(
        mut self,
        note: impl Fn(Ping, Step) -> N,
        clock: impl Fn() -> (Timestamp, Instant),
    ) {
        let mut retry = 0;
        while self.chain.is_none() || note(self.clone(), Step::Begins).await == Next::Goes {
            let started = Instant::now();
            let sent = tokio::time::timeout(PATIENCE, self.attempt(clock().0)).await;
            let problem = match sent {
                Ok(Ok(200 | 204)) => None,
                Ok(Ok(status)) => Some(format!("The receiver answered {status}")),
                Ok(Err(problem)) => Some(problem),
                Err(_) => Some("The receiver did not answer in time".to_owned()),
            };
            let mut result = json!({
                "success": problem.is_none(),
                "completionTimestamp": date::iso(clock().0.as_millisecond()),
                "durationMs": started.elapsed().as_millis() as u64,
                "retryNumber": retry,
            });
            if let Some(problem) = &problem {
                result["error"] = json!({"message": problem});
                result["willBeRetried"] = (retry < RETRIES).into();
            }
            match note(self.clone(), Step::Ended(result)).await {
                Next::Goes | Next::Ends => return,
                Next::GoesAnew(chain) => (self.chain, retry) = (Some(chain), 0),
                Next::Waits(chain) => {
                    self.chain = Some(chain);
                    let due = clock().1 + FIRST_PAUSE * 2_u32.pow(retry);
                    retry += 1;
                    // The clock may stand still, or be turned.
                    while let left = due.saturating_duration_since(clock().1)
                        && !left.is_zero()
                    {
                        tokio::time::sleep(left.min(GLANCE)).await;
                    }
                }
            }
        }
    }

    /// The status of the answer.
    async fn attempt(&self, now: Timestamp) -> Result<u16, String> {
        let Destination::Here(place) = Destination::of(&self.url) else {
            return Err("The URL is not http on this machine, or the emulator's own".to_owned());
        };
        let body = json!({
            "base": {"id": self.base.to_string()},
            "webhook": {"id": self.hook.to_string()},
            "timestamp": date::iso(now.as_millisecond()),
        })
        .to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).map_err(|error| error.to_string())?;
        mac.update(body.as_bytes());
        let mac: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             X-Airtable-Content-MAC: hmac-sha256={mac}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            place.target(),
            place.host(),
            body.len()
        );
        let exchange = async {
            let mut stream = TcpStream::connect(&place.addresses[..]).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut head = [0; 12]; // "HTTP/1.1 200"
            stream.read_exact(&mut head).await?;
            Ok::<_, std::io::Error>(head)
        };
        let head = exchange.await.map_err(|error| error.to_string())?;
        let status = std::str::from_utf8(&head[9..]).ok().and_then(|status| status.parse().ok());
        status.ok_or_else(|| "The answer was not HTTP".to_owned())
    }
}
