//! A gate before Airtable that holds a write: before Airtable sees it, or after it is done and before anybody hears of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::{Method, Uri};
use tokio::sync::watch;

use super::client::{Call, Client};
use super::seeds::TOKEN;
use super::system::{Running, anywhere, run};
use service_kit::serve::Shutdown;

/// When the next write is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hold {
    Before,
    After,
}

pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _running: Running,
}

struct Shared {
    airtable: Client,
    hold: Mutex<Option<Hold>>,
    /// How many writes were held so far.
    held: watch::Sender<usize>,
    is_open: watch::Sender<bool>,
}

impl Gate {
    pub(crate) async fn before(airtable: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            airtable: Client::new(airtable, TOKEN),
            hold: Mutex::new(None),
            held: watch::Sender::new(0),
            is_open: watch::Sender::new(true),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let (address, running) = run(anywhere(), router, Shutdown::manual()).await;
        Self { address, shared, _running: running }
    }

    /// Holds the next write, once.
    pub(crate) fn hold_next(&self, hold: Hold) {
        self.shared.is_open.send_replace(false);
        self.shared.held.send_replace(0);
        *self.shared.hold.lock().unwrap() = Some(hold);
    }

    /// Waits until a write is held.
    pub(crate) async fn until_held(&self) {
        self.shared.held.subscribe().wait_for(|held| *held > 0).await.expect("the gate stands");
    }

    pub(crate) fn release(&self) {
        self.shared.is_open.send_replace(true);
    }
}

async fn pass(State(gate): State<Arc<Shared>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let writes = method != Method::GET && !uri.path().ends_with("/listRecords");
    let hold = if writes { gate.hold.lock().unwrap().take() } else { None };
    // On its own feet: whoever asked may leave, or die, meanwhile.
    let going = tokio::spawn(async move {
        if hold == Some(Hold::Before) {
            gate.wait().await;
        }
        let mut call = Call::new(method, uri.to_string());
        call.body = (!body.is_empty()).then(|| serde_json::from_slice(&body).expect("JSON"));
        let answer = gate.airtable.send(call).await;
        if hold == Some(Hold::After) {
            gate.wait().await;
        }
        answer
    });
    let answer = going.await.expect("the call is passed on");
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status.try_into().expect("a status");
    for name in ["content-type", "x-pyairtable-emulated"] {
        if let Some(value) = answer.headers.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

impl Shared {
    async fn wait(&self) {
        let mut open = self.is_open.subscribe();
        self.held.send_modify(|held| *held += 1);
        open.wait_for(|open| *open).await.expect("the gate stands");
    }
}
