use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// Where a Postgres database is, and how to get in. Shows host and port only.
#[derive(Clone)]
pub struct PostgresAddress {
    options: PgConnectOptions,
    has_password: bool,
}

/// Says nothing of the text: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE")]
pub struct InvalidPostgresAddress;

impl PostgresAddress {
    /// Whether the text held a password.
    pub fn has_password(&self) -> bool {
        self.has_password
    }

    /// The same place with this password.
    #[must_use]
    pub fn with_password(&self, password: &str) -> Self {
        Self { options: self.options.clone().password(password), has_password: true }
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }
}

impl FromStr for PostgresAddress {
    type Err = InvalidPostgresAddress;

    /// Also takes the forms of Python's libraries: `postgresql+asyncpg://…?ssl=require`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidPostgresAddress)?;
        let dialect = scheme.split('+').next().unwrap_or_default();
        if !matches!(dialect, "postgres" | "postgresql") {
            return Err(InvalidPostgresAddress);
        }
        let rest = match rest.split_once('?') {
            Some((rest, query)) => {
                let query = query.split('&').map(|part| match part.strip_prefix("ssl=") {
                    Some(mode) => format!("sslmode={mode}"),
                    None => part.to_owned(),
                });
                format!("{rest}?{}", query.collect::<Vec<_>>().join("&"))
            }
            None => rest.to_owned(),
        };
        let options = PgConnectOptions::from_str(&format!("postgresql://{rest}"));
        let options = options.map_err(|_| InvalidPostgresAddress)?;
        Ok(Self { options, has_password: holds_password(&rest) })
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.options.get_socket() {
            Some(socket) => write!(f, "{}", socket.display()),
            None => write!(f, "{}:{}", self.options.get_host(), self.options.get_port()),
        }
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresAddress({self})")
    }
}

/// `rest` is what follows the scheme. The library does not tell.
fn holds_password(rest: &str) -> bool {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let user = place.split('/').next().and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    let in_user =
        user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty());
    in_user || query.split('&').any(|part| part.starts_with("password="))
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgSslMode;

    use super::*;

    #[test]
    fn an_address_shows_host_and_port_only() {
        for (text, shown) in [
            ("postgresql://user:hunter2@db.example:5433/pya?sslmode=require", "db.example:5433"),
            ("postgres://user:hunter2@db/pya", "db:5432"),
            ("postgresql+asyncpg://user:hunter2@db/pya", "db:5432"),
            ("postgresql+psycopg2://user:hunter2@[::1]:1/pya", "[::1]:1"),
            ("postgresql://user:hunter2@%2Frun%2Fpostgresql/pya", "/run/postgresql"),
        ] {
            let address: PostgresAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown, "{text}");
            assert!(!format!("{address:?}").contains("hunter2"), "{address:?}");
        }
    }

    #[test]
    fn an_address_knows_whether_it_came_with_a_password() {
        for (text, has_password) in [
            ("postgresql://user@db:5432/pya", false),
            ("postgresql://user:@db:5432/pya", false),
            ("postgresql://db:5432/pya", false),
            ("postgresql+asyncpg://user:secret@db/pya", true),
            ("postgresql://user@db/pya?sslmode=require&password=secret", true),
            ("postgresql://user:secret@%2Frun%2Fpostgresql/pya", true),
        ] {
            let address: PostgresAddress = text.parse().unwrap();
            assert_eq!(address.has_password(), has_password, "{text}");
            let changed = address.with_password("it's");
            assert!(changed.has_password() && changed.to_string() == address.to_string());
        }
    }

    #[test]
    fn the_way_of_encrypting_is_understood_in_both_spellings() {
        for text in [
            "postgresql+asyncpg://u@h/d?ssl=verify-full&application_name=x",
            "postgresql://u@h/d?sslmode=verify-full",
        ] {
            let address: PostgresAddress = text.parse().unwrap();
            assert!(matches!(address.options.get_ssl_mode(), PgSslMode::VerifyFull), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_of_postgres_is_refused_without_being_quoted() {
        for text in ["", "hunter2", "mysql://u:hunter2@h/d", "postgresql://u:hunter2@h:port/d", "redis://h"] {
            let error = text.parse::<PostgresAddress>().unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
