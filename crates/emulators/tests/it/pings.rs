//! Pings that are not taken.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::support::{BASE, TestApp, seed};

/// An emulator whose clock stands still, with a hook whose receiver is not there.
struct Hooked {
    app: TestApp,
    receiver: SocketAddr,
    /// Where its notifications are switched.
    switch: String,
}

impl Hooked {
    async fn begin() -> Self {
        let mut seed = seed();
        seed["tokens"][0]["scopes"] = json!(["data.records:read", "data.records:write", "webhook:manage"]);
        let app = TestApp::with_seed(&seed).await;
        app.put("/__emulator/clock", json!({"stopped": true})).await.ok();
        // A port where nobody listens any more.
        let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let options = json!({"filters": {"dataTypes": ["tableData"]}});
        let hook =
            json!({"notificationUrl": format!("http://{receiver}/"), "specification": {"options": options}});
        let hooks = format!("/v0/bases/{BASE}/webhooks");
        let made = app.post(&hooks, hook).await.ok();
        let switch = format!("{hooks}/{}/enableNotifications", made["id"].as_str().unwrap());
        Self { app, receiver, switch }
    }

    async fn write(&self, name: &str) {
        self.app.create("Things", json!({"Name": name})).await;
    }

    async fn wait(&self, seconds: u32) {
        self.app.put("/__emulator/clock", json!({"advanceSeconds": seconds})).await.ok();
    }

    async fn switch(&self, on: bool) {
        self.app.post(&self.switch, json!({"enable": on})).await.ok();
    }

    /// The hook, as soon as its last result is like this.
    async fn once(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let reached = async {
            loop {
                let listed = self.app.get(&format!("/v0/bases/{BASE}/webhooks")).await.ok();
                let hook = listed["webhooks"][0].clone();
                if is_it(&hook["lastNotificationResult"]) {
                    break hook;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), reached).await.unwrap()
    }
}

/// Waits for a ping, and answers it after `meanwhile`.
async fn answer(receiver: &TcpListener, status: &str, meanwhile: impl Future<Output = ()>) {
    let accepted = timeout(Duration::from_secs(10), receiver.accept()).await;
    let (mut stream, _): (TcpStream, _) = accepted.expect("a ping").unwrap();
    let mut text = String::new();
    while !text.ends_with('}') {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    meanwhile.await;
    stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.unwrap();
}

async fn nothing_comes(receiver: &TcpListener) {
    let comes = timeout(Duration::from_millis(300), receiver.accept()).await;
    assert!(comes.is_err(), "{comes:?}");
}

const TAKEN: &str = "204 No Content";

#[tokio::test]
async fn a_ping_is_tried_again_when_the_clock_says_so_and_at_last_no_more() {
    let hooked = Hooked::begin().await;
    hooked.write("a").await;
    for retry in 0..14_u32 {
        let hook = hooked.once(|result| result["retryNumber"] == retry).await;
        let result = &hook["lastNotificationResult"];
        let expected = (&json!(false), &json!(retry < 13));
        assert_eq!((&result["success"], &result["willBeRetried"]), expected, "{result}");
        assert_eq!(hook["areNotificationsEnabled"], retry < 13, "the last one ends it");
        hooked.wait(10 * 2_u32.pow(retry) + 1).await;
    }
}

#[tokio::test]
async fn while_a_ping_is_tried_again_writes_send_none_of_their_own_and_none_is_missed() {
    let hooked = Hooked::begin().await;
    hooked.write("a").await;
    hooked.once(|result| result["willBeRetried"] == true).await;
    let receiver = TcpListener::bind(hooked.receiver).await.unwrap();
    for name in ["b", "c", "d"] {
        hooked.write(name).await;
    }
    nothing_comes(&receiver).await;
    hooked.wait(11).await;
    answer(&receiver, TAKEN, hooked.write("e")).await;
    answer(&receiver, TAKEN, async {}).await;
    hooked.once(|result| result["success"] == true && result["retryNumber"] == 0).await;
    hooked.write("f").await;
    answer(&receiver, TAKEN, async {}).await;
}

#[tokio::test]
async fn a_ping_is_not_tried_again_once_notifications_are_switched_or_a_snapshot_was_put_back() {
    let hooked = Hooked::begin().await;
    hooked.write("a").await;
    hooked.once(|result| result["willBeRetried"] == true).await;
    let receiver = TcpListener::bind(hooked.receiver).await.unwrap();
    for on in [false, true] {
        hooked.switch(on).await;
        hooked.wait(11).await;
        nothing_comes(&receiver).await;
    }
    hooked.write("b").await;
    answer(&receiver, "500 No", async {}).await;
    let has_failed = |status: &'static str| {
        move |result: &Value| result["error"]["message"].as_str().is_some_and(|why| why.ends_with(status))
    };
    hooked.once(has_failed("500")).await;
    hooked.switch(true).await;
    hooked.wait(11).await;
    answer(&receiver, "501 No", async {}).await; // they were on already
    hooked.once(has_failed("501")).await;
    let snapshot = hooked.app.text("GET", "/__emulator/snapshot", "").await;
    hooked.app.raw("PUT", "/__emulator/snapshot", "", snapshot.as_bytes()).await.ok();
    hooked.wait(21).await;
    nothing_comes(&receiver).await;
    // Nor is what was on its way when all was reset any more.
    hooked.write("c").await;
    let reset = async {
        hooked.app.post("/__emulator/reset", json!({"data": true})).await.ok();
    };
    answer(&receiver, "502 No", reset).await;
    hooked.app.put("/__emulator/clock", json!({"stopped": true})).await.ok();
    hooked.wait(41).await;
    nothing_comes(&receiver).await;
    let hook = hooked.once(|_| true).await;
    assert!(!hook["lastNotificationResult"].to_string().contains("502"), "{hook}");
    hooked.write("d").await;
    answer(&receiver, TAKEN, async {}).await;
}
