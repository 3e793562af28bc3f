//! The query-string dialect of Airtable's API: `name[]=a`, `name[0]=a`, `sort[0][field]=A`, in any order.

use std::collections::BTreeMap;

use super::errors::AirtableError;

/// The parameters of a query string, decoded.
pub(crate) struct Query {
    entries: Vec<(Key, String)>,
}

/// `sort[0][field]` is the name `sort` and the path `0`, `field`.
struct Key {
    name: String,
    path: Vec<String>,
}

impl Key {
    fn parse(text: &str) -> Self {
        let whole = || Self { name: text.to_owned(), path: Vec::new() };
        let Some(open) = text.find('[').filter(|&at| at > 0) else { return whole() };
        let Some(inner) = text[open..].strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
            return whole();
        };
        let path = inner.split("][").map(str::to_owned).collect();
        Self { name: text[..open].to_owned(), path }
    }
}

impl Query {
    /// `raw` is what stands after the `?`; nothing in it is an error yet.
    pub(crate) fn parse(raw: &str) -> Self {
        let entries = form_urlencoded::parse(raw.as_bytes())
            .map(|(key, value)| (Key::parse(&key), value.into_owned()))
            .collect();
        Self { entries }
    }

    /// The value of a plain parameter, `None` when absent. Giving it twice, or with brackets, is an error.
    pub(crate) fn scalar(&self, name: &str) -> Result<Option<&str>, AirtableError> {
        let mut found = None;
        for (key, value) in self.named(name) {
            if !key.path.is_empty() || found.is_some() {
                return Err(AirtableError::invalid_request());
            }
            found = Some(value.as_str());
        }
        Ok(found)
    }

    /// A list of values; a single `name=a` without brackets is not a list, as on the live service.
    pub(crate) fn list(&self, name: &str) -> Result<Option<Vec<String>>, AirtableError> {
        let list = self.loose_list(name)?;
        let bare = self.named(name).any(|(key, _)| key.path.is_empty());
        match list {
            Some(values) if bare && values.len() == 1 => Err(AirtableError::invalid_request()),
            list => Ok(list),
        }
    }

    /// A list of values, where one bare value will do (`include=visibleFieldIds`).
    pub(crate) fn loose_list(&self, name: &str) -> Result<Option<Vec<String>>, AirtableError> {
        let mut indexed = BTreeMap::new();
        let mut appended = Vec::new();
        for (key, value) in self.named(name) {
            match key.path.as_slice() {
                [] => appended.push(value.clone()),
                [index] if index.is_empty() => appended.push(value.clone()),
                [index] => {
                    indexed.insert(parse_index(index)?, value.clone());
                }
                _ => return Err(AirtableError::invalid_request()),
            }
        }
        let values: Vec<_> = indexed.into_values().chain(appended).collect();
        Ok((!values.is_empty()).then_some(values))
    }

    /// A list of objects, in the order of their numbers: `sort[10]` comes after `sort[2]`.
    pub(crate) fn objects(&self, name: &str) -> Result<Option<Vec<BTreeMap<String, String>>>, AirtableError> {
        let mut objects: BTreeMap<usize, BTreeMap<String, String>> = BTreeMap::new();
        for (key, value) in self.named(name) {
            let [index, property] = key.path.as_slice() else { return Err(AirtableError::invalid_request()) };
            objects.entry(parse_index(index)?).or_default().insert(property.clone(), value.clone());
        }
        Ok((!objects.is_empty()).then(|| objects.into_values().collect()))
    }

    fn named(&self, name: &str) -> impl Iterator<Item = (&Key, &String)> {
        self.entries.iter().filter(move |(key, _)| key.name == name).map(|(key, value)| (key, value))
    }
}

fn parse_index(text: &str) -> Result<usize, AirtableError> {
    text.parse().map_err(|_| AirtableError::invalid_request())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_with_empty_brackets_numbers_or_repeated_names() {
        for raw in [
            "f[]=a&f[]=b",
            "f%5B%5D=a&f%5B%5D=b",
            "f[0]=a&f[1]=b",
            "f[1]=b&x=9&f[0]=a",
            "f=a&f=b",
            "f%5b0%5d=a&f%5b1%5d=b",
        ] {
            let list = Query::parse(raw).list("f").unwrap();
            assert_eq!(list, Some(vec!["a".to_owned(), "b".to_owned()]), "{raw}");
        }
        assert_eq!(Query::parse("").list("f").unwrap(), None);
    }

    #[test]
    fn one_bare_value_is_no_list_except_where_said() {
        assert!(Query::parse("records=recX").list("records").is_err());
        assert_eq!(Query::parse("include=a").loose_list("include").unwrap(), Some(vec!["a".to_owned()]));
    }

    #[test]
    fn objects_are_ordered_by_number_and_their_keys_come_in_any_order() {
        let raw = "sort[10][field]=c&sort[2][direction]=desc&sort[2][field]=b&sort%5B0%5D%5Bfield%5D=a+a";
        let objects = Query::parse(raw).objects("sort").unwrap().unwrap();
        let fields: Vec<_> = objects.iter().map(|object| object["field"].as_str()).collect();
        assert_eq!(fields, ["a a", "b", "c"]);
        assert_eq!(objects[1]["direction"], "desc");
        assert!(Query::parse("sort=Name").objects("sort").is_err());
        assert!(Query::parse("sort[x][field]=Name").objects("sort").is_err());
    }

    #[test]
    fn a_plain_parameter_is_given_once_and_plus_is_a_space() {
        let query = Query::parse("a=x+y%20z%2B&b=1&b=2&c[]=1");
        assert_eq!(query.scalar("a").unwrap(), Some("x y z+"));
        assert_eq!(query.scalar("none").unwrap(), None);
        assert!(query.scalar("b").is_err());
        assert!(query.scalar("c").is_err());
    }
}
