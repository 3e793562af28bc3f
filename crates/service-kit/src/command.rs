//! What every binary of ours can do beside serving.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::config::{ConfigError, Reader, Source};

const PROBE_TIME: Duration = Duration::from_secs(2);

/// `NAME healthcheck`: asks the service that listens on `listen` whether it is ready. Exit code 0 or 1.
///
/// For images that have neither a shell nor curl; starts no runtime.
pub fn healthcheck(listen: SocketAddr) -> ExitCode {
    match probe(reachable(listen)) {
        Ok(status) if status == "200" => ExitCode::SUCCESS,
        Ok(status) => {
            eprintln!("not ready: /ready answered {status}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("not ready: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `NAME check-config`: reads the settings with `read`, prints where each comes from, then every problem. Exit code 0 or 78.
pub fn check_config<T>(source: Source<'_>, read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> ExitCode {
    let mut settings = Reader::new(source);
    let config = read(&mut settings);
    for setting in settings.report() {
        println!("{setting}");
    }
    let checked: Result<T, ConfigError> = settings.finish(config);
    match checked {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => error.exit(),
    }
}

/// A service that listens everywhere is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The status of `GET /ready`, as text.
fn probe(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PROBE_TIME)?;
    stream.set_read_timeout(Some(PROBE_TIME))?;
    stream.set_write_timeout(Some(PROBE_TIME))?;
    write!(stream, "GET /ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(String::from_utf8_lossy(&head[9..]).into_owned())
}
