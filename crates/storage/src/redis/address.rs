use std::fmt;
use std::str::FromStr;

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion};

/// Where a Redis server is, and how to get in. Shows host and port only.
#[derive(Clone)]
pub struct RedisAddress(ConnectionInfo);

/// Says nothing of the text: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be redis://[USER:PASSWORD@]HOST:PORT[/DATABASE], or rediss:// for an encrypted connection")]
pub struct InvalidRedisAddress;

impl RedisAddress {
    /// Whether the text held a password.
    pub fn has_password(&self) -> bool {
        self.0.redis_settings().password().is_some_and(|password| !password.is_empty())
    }

    /// The same place with this password.
    #[must_use]
    pub fn with_password(&self, password: &str) -> Self {
        let settings = self.0.redis_settings().clone().set_password(password);
        Self(self.0.clone().set_redis_settings(settings))
    }

    pub(super) fn info(&self) -> ConnectionInfo {
        self.0.clone()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.0.addr(), ConnectionAddr::TcpTls { .. })
    }
}

impl FromStr for RedisAddress {
    type Err = InvalidRedisAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let info = text.into_connection_info().map_err(|_| InvalidRedisAddress)?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            return Err(InvalidRedisAddress);
        }
        // The older protocol: with the newer one, the library may connect again without our notice.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
        let tcp = TcpSettings::default().set_nodelay(true);
        Ok(Self(info.set_redis_settings(settings).set_tcp_settings(tcp)))
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.addr())
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_host_and_port_only() {
        for (text, shown) in [
            ("redis://:hunter2@cache.example:6380/3", "cache.example:6380"),
            ("rediss://user:hunter2@cache", "cache:6379"),
            ("redis+unix:///run/redis.sock?pass=hunter2", "/run/redis.sock"),
        ] {
            let address: RedisAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown, "{text}");
            assert!(!format!("{address:?}").contains("hunter2"), "{address:?}");
            assert_eq!(address.is_encrypted(), text.starts_with("rediss"), "{text}");
        }
    }

    #[test]
    fn an_address_knows_whether_it_came_with_a_password() {
        for (text, has_password) in
            [("redis://cache:6379", false), ("redis://user@cache", false), ("redis://:secret@cache/1", true)]
        {
            let address: RedisAddress = text.parse().unwrap();
            assert_eq!(address.has_password(), has_password, "{text}");
            let changed = address.with_password("p@ss");
            assert!(changed.has_password() && changed.to_string() == address.to_string());
        }
    }

    #[test]
    fn what_is_no_address_of_redis_is_refused_without_being_quoted() {
        for text in [
            "",
            "hunter2",
            "http://:hunter2@h",
            "redis://:hunter2@h:port",
            "redis://:hunter2@h/db",
            "rediss://:hunter2@h/#insecure",
        ] {
            let error = text.parse::<RedisAddress>().unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
