//! Made-up people.

use serde_json::{Map, Value, json};

use super::words::{FAMILY_NAMES, GIVEN_NAMES};
use super::{Masker, text};

impl Masker {
    /// A collaborator object in place of another: with an id and, where those stood there, an e-mail address and a name.
    pub(in crate::snapshot) fn person(&mut self, person: &Map<String, Value>) -> Value {
        let part = |key: &str| person.get(key).and_then(Value::as_str);
        let Some(known) = part("id").or_else(|| part("email")) else { return json!({}) };
        let id = if part("id").is_some() { self.id(known) } else { self.id(&format!("usr{known}")) };
        let name = self.distinct(&format!("person {known}"), |stream, _, attempt| {
            let number = if attempt < 10 { String::new() } else { format!(" {attempt}") };
            format!("{} {}{number}", stream.pick(&GIVEN_NAMES), stream.pick(&FAMILY_NAMES))
        });
        let mut made = json!({"id": id});
        if part("email").is_some() {
            made["email"] = text::address_of(&name).into();
        }
        if part("name").is_some() {
            made["name"] = name.into();
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::masker;
    use super::*;

    #[test]
    fn a_person_is_the_same_made_up_one_everywhere() {
        let mut masker = masker();
        let Value::Object(ada) =
            json!({"id": "usrAda00000000001", "email": "ada@corp.example", "name": "Ada L"})
        else {
            panic!()
        };
        let made = masker.person(&ada);
        assert_eq!(made, masker.person(&ada));
        assert!(
            !made.to_string().to_lowercase().contains("ada l") && !made.to_string().contains("corp"),
            "{made}"
        );
        assert!(made["email"].as_str().unwrap().ends_with("@example.com"), "{made}");
        let Value::Object(short) = json!({"id": "usrAda00000000001"}) else { panic!() };
        assert_eq!(masker.person(&short), json!({"id": made["id"]}));
    }
}
