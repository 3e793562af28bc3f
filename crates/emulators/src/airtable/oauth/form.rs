//! Parameters of OAuth requests: in a query or in a form, each at most once, an empty one as good as none.
//! Source: RFC 6749, section 3.1.

/// Decoded parameters, in the order in which they were sent.
pub(crate) struct Form(Vec<(String, String)>);

/// A parameter that stands there more than once.
#[derive(Debug, PartialEq)]
pub(crate) struct Repeated;

impl Form {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Repeated),
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
        }
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
