//! The protocol in its revisions, and everything that is no message.

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn a_modern_client_discovers_and_lists() {
    let server = World::new(1, 1).server().await;
    let discovered = server.modern("server/discover", json!({})).await.json();
    assert_eq!(discovered["result"]["resultType"], "complete", "{discovered}");
    let listed = server.modern("tools/list", json!({})).await;
    println!("{}", listed.body.len());
    let listed = listed.json();
    assert_eq!(listed["result"]["tools"][0]["name"], "list_bases");
    assert_eq!(listed["result"]["cacheScope"], "private");
}
