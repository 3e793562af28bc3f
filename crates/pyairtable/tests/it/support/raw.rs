//! Bytes on a socket, for requests that no client library would send.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// A GET whose target is exactly `target`, on a connection of its own.
pub(crate) fn get(target: &[u8], key: &str) -> Vec<u8> {
    let mut request = b"GET ".to_vec();
    request.extend_from_slice(target);
    request.extend_from_slice(
        format!(" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n")
            .as_bytes(),
    );
    request
}

/// Sends the bytes and reads to the end; `None` if the connection ended without a status line.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> Option<RawAnswer> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut received = Vec::new();
    let talk = async {
        // A server may answer and close before it has read everything.
        let _ = stream.write_all(request).await;
        let _ = stream.read_to_end(&mut received).await;
    };
    tokio::time::timeout(ANSWER_WITHIN, talk).await.expect("the server neither answers nor closes");
    parse(&received)
}

fn parse(received: &[u8]) -> Option<RawAnswer> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(RawAnswer { status, head, body: received[end + 4..].to_vec() })
}
