//! Servers of this machine: the only ones that the emulator ever asks for anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// Where the emulator's own API is. It answers this machine only, which a call from here would come from.
const ADMIN: &str = "/__emulator";

/// Where a URL leads, as far as can be said without asking.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Destination {
    /// To a server of this machine.
    Here(Place),
    /// To the rest of the world, which is never asked.
    Elsewhere,
    /// Nowhere that could be asked: this machine, but not by http, or the emulator's own API; or it is no URL.
    Nowhere,
}

/// A server of this machine, and what is asked of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    url: Url,
    /// `localhost` has two, and the first that answers is taken.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Destination {
    pub(crate) fn of(url: &str) -> Self {
        Url::parse(url).map_or(Self::Nowhere, Self::parsed)
    }

    fn parsed(url: Url) -> Self {
        let ips: Vec<IpAddr> = match url.host() {
            None => return Self::Nowhere,
            Some(Host::Domain(name)) if name.eq_ignore_ascii_case("localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Some(Host::Domain(_)) => return Self::Elsewhere,
            Some(Host::Ipv4(ip)) => vec![ip.into()],
            Some(Host::Ipv6(ip)) => vec![ip.into()],
        };
        if !ips.iter().all(IpAddr::is_loopback) {
            return Self::Elsewhere;
        }
        if url.scheme() != "http" || url.path().starts_with(ADMIN) {
            return Self::Nowhere;
        }
        let port = url.port_or_known_default().unwrap_or(80);
        let addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        Self::Here(Place { url, addresses })
    }
}

impl Place {
    /// Where a `Location` in its answer leads, which may leave out what is the same.
    pub(crate) fn redirected(&self, location: &str) -> Destination {
        self.url.join(location).map_or(Destination::Nowhere, Destination::parsed)
    }

    /// What `Host` says: neither user nor password, whatever the URL has.
    pub(crate) fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Path and query.
    pub(crate) fn target(&self) -> String {
        let path = self.url.path();
        self.url.query().map_or(path.to_owned(), |query| format!("{path}?{query}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Place {
        match Destination::of(url) {
            Destination::Here(place) => place,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn only_servers_of_this_machine_are_asked_and_never_the_emulators_own_api() {
        for (url, host, target) in [
            ("http://127.0.0.1:1/a?b", "127.0.0.1:1", "/a?b"),
            ("http://LOCALHOST:1", "localhost:1", "/"),
            ("http://localhost:80", "localhost", "/"),
            ("http://[::1]:1/", "[::1]:1", "/"),
            ("http://127.9.9.9/a#b", "127.9.9.9", "/a"),
            ("http://user:word@127.0.0.1:1/?", "127.0.0.1:1", "/?"),
            ("http://127.0.0.1/a\r\nb c", "127.0.0.1", "/ab%20c"),
            ("http://2130706433/", "127.0.0.1", "/"),
        ] {
            let place = place(url);
            assert_eq!((place.host().as_str(), place.target().as_str()), (host, target), "{url}");
        }
        assert_eq!(place("http://localhost:1").addresses.len(), 2);
        for url in [
            "http://example.com/a",
            "https://example.com/a",
            "http://10.0.0.1/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "http://localhost@example.com/",
            "http://127.0.0.1:80@example.com/",
            "http://0.0.0.0/",
            "http://[::ffff:10.0.0.1]/",
        ] {
            assert_eq!(Destination::of(url), Destination::Elsewhere, "{url}");
        }
        for url in [
            "https://127.0.0.1/a",
            "ftp://localhost/a",
            "http://localhost:1/__emulator/requests",
            "http://localhost:1/a/../__emulator/requests",
            "http://",
            "http://a b/",
            "a",
        ] {
            assert_eq!(Destination::of(url), Destination::Nowhere, "{url}");
        }
    }

    #[test]
    fn a_location_may_leave_out_what_is_the_same() {
        let from = place("http://127.0.0.1:1/a/b?c");
        for (location, url) in [
            ("http://127.0.0.1:2/y", "http://127.0.0.1:2/y"),
            ("//127.0.0.1:2/y", "http://127.0.0.1:2/y"),
            ("/y?z", "http://127.0.0.1:1/y?z"),
            ("?z", "http://127.0.0.1:1/a/b?z"),
            ("y", "http://127.0.0.1:1/a/y"),
            ("/y?from=http://example.com/x", "http://127.0.0.1:1/y?from=http://example.com/x"),
            ("y?from=http://example.com/x", "http://127.0.0.1:1/a/y?from=http://example.com/x"),
        ] {
            assert_eq!(from.redirected(location), Destination::of(url), "{location}");
        }
        assert_eq!(from.redirected("//example.com/y"), Destination::Elsewhere);
        assert_eq!(from.redirected("../__emulator/requests"), Destination::Nowhere);
    }
}
