use axum::Router;
use axum::body::Bytes;
use axum::response::Redirect;
use axum::routing::{get, post};
use http::Request;
use http_body_util::BodyExt as _;
use service_kit::edge::{Subtree, with_shared_layers};
use service_kit::outbound::{empty, full, http_client};

use crate::wire::Service;

#[tokio::test]
async fn a_call_goes_out_as_it_was_made_and_follows_no_redirect() {
    let routes = Router::new()
        .route("/echo", post(async |body: Bytes| body))
        .route("/elsewhere", get(async || Redirect::temporary("/echo")));
    let service = Service::start(with_shared_layers(routes, [Subtree::OWN], "test")).await;
    let base = format!("http://{}", service.address);
    let client = http_client(&base.parse().unwrap()).unwrap();

    let request = Request::post(format!("{base}/echo")).body(full("hello")).unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");

    let request = Request::get(format!("{base}/elsewhere")).body(empty()).unwrap();
    assert_eq!(client.request(request).await.unwrap().status(), 307);
}

#[tokio::test]
async fn a_host_that_is_not_there_is_an_error_of_connecting() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = http_client(&format!("http://{nobody}").parse().unwrap()).unwrap();
    let request = Request::get(format!("http://{nobody}/")).body(empty()).unwrap();
    assert!(client.request(request).await.unwrap_err().is_connect());
}

#[test]
fn an_https_client_can_be_made_with_the_machines_authorities() {
    assert!(http_client(&"https://api.airtable.com".parse().unwrap()).is_ok());
}
