//! Every service as a process of its own, on a real Redis and a real Postgres.

use crate::process::{Ports, ended, pyairtable, signal, until_ready};
use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::processes::Service;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_servers::{Postgres, Redis};
use tokio::process::Child;

struct Apart {
    folder: TempDir,
    ports: Ports,
    settings: Vec<(&'static str, String)>,
}

impl Apart {
    fn new(postgres: &Postgres, redis: &Redis) -> Self {
        let ports = Ports::free();
        let url = |address| format!("http://{address}");
        let elsewhere = vec![
            ("DATABASE_URL", postgres.url()),
            ("REDIS_URL", redis.url()),
            ("AIRTABLE_API_URL", url(ports.emulator)),
            ("GEMINI_API_URL", url(ports.model)),
        ];
        let settings = [ports.settings(), elsewhere].concat();
        Self { folder: TempDir::new().unwrap(), ports, settings }
    }

    fn start(&self, service: Service) -> Child {
        service.start(self.folder.path(), &self.settings)
    }

    async fn key(&self) -> String {
        let arguments = [
            "keys",
            "create",
            "--name",
            "apart",
            "--scopes",
            "records:read,records:write,schema:read,llm:chat",
        ];
        let done = ended(pyairtable(self.folder.path(), &arguments, &self.settings).spawn().unwrap()).await;
        crate::process::only_key(&String::from_utf8_lossy(&done.stdout))
    }

    fn chat(&self, key: &str) -> Client {
        Client::new(self.ports.chat, key)
    }
}

fn question(text: &str, session: Option<&str>) -> Value {
    let mut body = json!({"model": "airtable-assistant", "messages": [{"role": "user", "content": text}]});
    if let Some(session) = session {
        body["session_id"] = session.into();
    }
    body
}

fn said(answer: &Answer) -> String {
    answer.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_of_their_own_share_state_and_keep_it_when_any_of_them_is_killed() {
    let (mut postgres, mut redis) = (Postgres::start(), Redis::start());
    let apart = Apart::new(&postgres, &redis);
    let emulators = [apart.start(Service::Airtable), apart.start(Service::Model)];
    let key = apart.key().await;
    let mut services =
        [Service::Gateway, Service::Tools, Service::Chat].map(|service| (service, apart.start(service)));
    until_ready(&apart.ports).await;
    let chat = apart.chat(&key);
    let ask = async |text: &str, session: Option<&str>| {
        chat.post("/v1/chat/completions", question(text, session)).await
    };

    let first = ask("how many tasks are there?", None).await.ok();
    assert!(said(&first).contains("240"), "{}", said(&first));
    let session = first.json()["session_id"].as_str().unwrap().to_owned();

    // Each service is killed in turn: the question fails clearly or not at all, and the next one is answered.
    for (service, running) in &mut services {
        signal(running, "-KILL");
        running.wait().await.unwrap();
        if *service != Service::Chat {
            let away = ask("how many tasks are there?", Some(&session)).await;
            let text = away.text();
            assert!(!text.contains("240") || away.status == 200, "{service:?}: {text}");
        }
        *running = apart.start(*service);
        until_ready(&apart.ports).await;
        let back = ask("how many tasks are there?", Some(&session)).await.ok();
        assert!(said(&back).contains("240"), "after {service:?}: {}", said(&back));
        assert_eq!(back.json()["session_id"], session);
    }
    let kept = chat.get(format!("/api/v1/sessions/{session}/messages?limit=100")).await.ok().text();
    assert!(kept.matches("how many tasks are there?").count() >= 4, "{kept}");

    // Without Redis things go on, and say so; without Postgres nobody is let in on trust.
    redis.kill();
    let degraded = ask("how many projects are there?", Some(&session)).await.ok();
    assert!(said(&degraded).contains("16"), "{}", said(&degraded));
    redis.restart();
    postgres.kill();
    let refused = ask("how many projects are there?", Some(&session)).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.json()["error"]["message"].is_string());
    postgres.restart();
    eventually("the database is found again", || async {
        let answer =
            chat.post("/v1/chat/completions", question("how many projects are there?", Some(&session))).await;
        (answer.status == 200).then_some(())
    })
    .await;

    for (_, running) in services {
        signal(&running, "-TERM");
        assert_eq!(ended(running).await.status.code(), Some(0));
    }
    drop(emulators);
}
