//! Passwords that change while the process runs.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::time::sleep;

use crate::config::Secret;
use crate::serve::Shutdown;

/// How soon a new password is used for new connections.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Calls `apply` each time the password has changed, until `shutdown`.
pub(super) fn follow(password: Secret, shutdown: Shutdown, apply: impl Fn() + Send + 'static) {
    tokio::spawn(async move {
        let mut used = password.current();
        loop {
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = shutdown.requested() => return,
            }
            let now = password.current();
            if now.expose_secret() != used.expose_secret() {
                apply();
                used = now;
            }
        }
    });
}
