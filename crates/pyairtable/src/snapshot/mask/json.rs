//! What only travels through (results of rollups, buttons, AI text, attachments): masked by what it looks like.

use serde_json::{Map, Number, Value, json};

use super::Masker;
use crate::snapshot::rules::How;

/// Keys whose values say what state a thing is in, not what it holds.
const STATES: [&str; 7] = ["error", "specialValue", "state", "errorType", "isStale", "label", "type"];

impl Masker {
    /// A value of any form in place of another.
    pub(in crate::snapshot) fn json(&mut self, value: &Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) => self.json_number(number),
            Value::String(text) => self.text(How::Fake, text).unwrap_or_default().into(),
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Object(object) => {
                let id = object.get("id").and_then(Value::as_str).unwrap_or_default();
                if object.contains_key("filename") {
                    return self.attachment(object);
                }
                if id.starts_with("usr") || id.starts_with("ugp") {
                    return self.person(object);
                }
                let part = |(key, value): (&String, &Value)| {
                    let value = if STATES.contains(&key.as_str()) { value.clone() } else { self.json(value) };
                    (key.clone(), value)
                };
                Value::Object(object.iter().map(part).collect())
            }
        }
    }

    /// A number in place of another.
    pub(in crate::snapshot) fn json_number(&self, number: &Number) -> Value {
        serde_json::from_str(&self.number(&number.to_string())).unwrap_or_else(|_| number.clone().into())
    }

    /// An attachment without its URL, name and thumbnails; what kind of file it is stays.
    pub(in crate::snapshot) fn attachment(&mut self, attachment: &Map<String, Value>) -> Value {
        let part = |key: &str| attachment.get(key).and_then(Value::as_str);
        let known = part("id").or_else(|| part("url")).unwrap_or_default();
        let id = self.id(&format!("att{known}"));
        let ending = match part("type") {
            Some("image/png") => ".png",
            Some("image/jpeg") => ".jpg",
            Some("application/pdf") => ".pdf",
            Some("text/plain") => ".txt",
            Some("text/csv") => ".csv",
            _ => "",
        };
        let name = format!("{}{ending}", id.to_lowercase());
        let mut made =
            json!({"id": id, "url": format!("https://example.com/attachments/{name}"), "filename": name});
        if let Some(size) = attachment.get("size").and_then(Value::as_number) {
            made["size"] = self.json_number(size);
        }
        if let Some(kind) = attachment.get("type") {
            made["type"] = kind.clone();
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::masker;
    use super::*;

    #[test]
    fn every_text_and_number_within_is_masked_and_states_stay() {
        let mut masker = masker();
        let secret = json!([
            "Canary Text", 4711.5, {"error": "#ERROR!"}, {"specialValue": "NaN"},
            {"label": "Open", "url": "https://corp.example/canary"},
            {"state": "generated", "isStale": false, "value": "a canary that sings"},
            {"id": "usrAda00000000001", "name": "Canary Person", "email": "canary@corp.example"},
            {"id": "att00000000000001", "url": "https://corp.example/canary.png", "filename": "canary.png", "size": 4711,
             "type": "image/png", "thumbnails": {"small": {"url": "https://corp.example/canary", "width": 3}}},
        ]);
        let masked = masker.json(&secret);
        let text = masked.to_string().to_lowercase();
        assert!(!text.contains("canary") && !text.contains("4711") && !text.contains("corp"), "{masked}");
        assert_eq!((&masked[2], &masked[3]), (&secret[2], &secret[3]));
        assert_eq!(masked[5]["state"], "generated");
        assert_eq!(masked[7]["type"], "image/png");
        assert_eq!(masked[7].get("thumbnails"), None);
    }
}
