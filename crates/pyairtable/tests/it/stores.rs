//! The command over a configured Postgres and Redis.

use crate::process::{Ports, ended, only_key, pyairtable, signal, until_ready};
use crate::support::client::{Call, Client};
use crate::support::eventually;
use tempfile::TempDir;
use test_servers::{Postgres, Redis};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_live_in_the_configured_database_and_every_tool_finds_them_there() {
    let (mut postgres, mut redis) = (Postgres::start(), Redis::start());
    let (folder, ports) = (TempDir::new().unwrap(), Ports::free());
    // As settings of the predecessor have it.
    let database = postgres.url().replace("postgresql://", "postgresql+asyncpg://");
    let settings = [ports.settings(), vec![("DATABASE_URL", database), ("REDIS_URL", redis.url())]].concat();
    let secrets = [postgres.password().to_owned(), redis.password().to_owned()];
    let run = async |arguments: &[&str]| {
        let done = ended(pyairtable(folder.path(), arguments, &settings).spawn().unwrap()).await;
        let said =
            format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(!secrets.iter().any(|secret| said.contains(secret)), "{said}");
        (done.status.code(), said)
    };

    let (code, said) =
        run(&["keys", "create", "--name", "early", "--scopes", "records:read,schema:read"]).await;
    assert_eq!(code, Some(0), "{said}");
    let early = only_key(&said);
    let child = pyairtable(folder.path(), &["up"], &settings).spawn().unwrap();
    until_ready(&ports).await;
    Client::new(ports.gateway, &early).get("/v0/meta/bases").await.ok();
    assert!(!folder.path().join("data/pyairtable.sqlite").exists(), "the file is not used");
    let (_, said) = run(&["keys", "list"]).await;
    assert!(said.contains("early") && said.contains("local"), "{said}");
    let (code, said) = run(&["doctor"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Postgres at 127.0.0.1:") && said.contains("Redis: 127.0.0.1:"), "{said}");

    redis.kill();
    postgres.kill();
    let (code, said) = run(&["doctor"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("DATABASE_URL") && said.contains("REDIS_URL"), "{said}");
    let (code, said) = run(&["keys", "list"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot open Postgres at 127.0.0.1:"), "{said}");

    redis.restart();
    postgres.restart();
    until_ready(&ports).await;
    Client::new(ports.gateway, &early).get("/v0/meta/bases").await.ok();
    signal(&child, "-TERM");
    assert_eq!(ended(child).await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_database_is_waited_for_the_services_say_that_they_live_and_are_not_ready() {
    let mut postgres = Postgres::start();
    postgres.stop();
    let (folder, ports) = (TempDir::new().unwrap(), Ports::free());
    let settings = [ports.settings(), vec![("DATABASE_URL", postgres.url())]].concat();
    let child = pyairtable(folder.path(), &["up"], &settings).spawn().unwrap();
    for address in [ports.gateway, ports.mcp, ports.chat] {
        let client = Client::new(address, "");
        let health =
            eventually("health", || async { client.try_send(Call::get("/health")).await.ok() }).await;
        assert_eq!(health.status, 200);
        assert_eq!(client.get("/ready").await.status, 503);
    }
    postgres.restart();
    until_ready(&ports).await;
    signal(&child, "-TERM");
    let done = ended(child).await;
    assert_eq!(done.status.code(), Some(0));
    only_key(&String::from_utf8_lossy(&done.stdout));
}
