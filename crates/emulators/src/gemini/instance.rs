//! A value that fits a JSON Schema, for JSON mode and for calls that must be made.

use serde_json::{Map, Number, Value, json};

/// Optional properties are left out, and lists empty, below this depth: schemas may contain themselves.
const MAX_DEPTH: usize = 8;

/// Builds a value for the schema; texts say `text` where the schema lets them.
///
/// Understood: `type`, `enum`, `const`, `properties`, `required`, `items`, `prefixItems`, `minItems`, `anyOf`, `$ref` to
/// `$defs`, least and most of numbers, lengths of texts, `format` of dates. A `pattern` is not.
pub(super) fn instance(schema: &Value, text: &str) -> Value {
    Builder { root: schema, text }.value(schema, 0)
}

struct Builder<'a> {
    root: &'a Value,
    text: &'a str,
}

impl Builder<'_> {
    fn value(&self, schema: &Value, depth: usize) -> Value {
        if let Some(target) = schema["$ref"].as_str()
            && depth < 4 * MAX_DEPTH
        {
            let pointer = target.strip_prefix('#').unwrap_or_default();
            return self.root.pointer(pointer).map_or(Value::Null, |schema| self.value(schema, depth + 1));
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(first) = schema["enum"].get(0) {
            // A choice that the text names is a better answer than the first one.
            let named = schema["enum"].as_array().into_iter().flatten().find(|choice| {
                choice
                    .as_str()
                    .is_some_and(|choice| self.text.to_lowercase().contains(&choice.to_lowercase()))
            });
            return named.unwrap_or(first).clone();
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(options) = schema[key].as_array() {
                // Null ends what contains itself.
                let null = options.iter().find(|option| option["type"] == "null");
                let first = if depth >= MAX_DEPTH { null.or(options.first()) } else { options.first() };
                if let Some(option) = first {
                    return self.value(option, depth + 1);
                }
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
            kind => kind.as_str(),
        };
        match kind {
            Some("object") => self.object(schema, depth),
            Some("array") => self.array(schema, depth),
            Some("integer") => json!(number(schema).ceil() as i64),
            Some("number") => {
                let number = number(schema);
                if number.fract() == 0.0 {
                    json!(number as i64)
                } else {
                    Number::from_f64(number).map_or(Value::Null, Value::Number)
                }
            }
            Some("boolean") => json!(true),
            Some("null") => Value::Null,
            Some(_) => self.text_of(schema),
            None if schema.get("properties").is_some() => self.object(schema, depth),
            None if schema.get("items").is_some() => self.array(schema, depth),
            None => self.text_of(schema),
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required = |name: &str| {
            schema["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name))
        };
        let mut out = Map::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if depth < MAX_DEPTH || required(name) && depth < 4 * MAX_DEPTH {
                out.insert(name.clone(), self.value(property, depth + 1));
            }
        }
        Value::Object(out)
    }

    fn array(&self, schema: &Value, depth: usize) -> Value {
        let mut items: Vec<Value> = schema["prefixItems"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|schema| self.value(schema, depth + 1))
            .collect();
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        let least = schema["minItems"].as_u64().unwrap_or(if depth < MAX_DEPTH { 1.min(most) } else { 0 });
        let item = &schema["items"];
        // A schema may ask for more than anybody can read.
        while (items.len() as u64) < least.min(10_000) && item != &Value::Bool(false) {
            items.push(self.value(item, depth + 1));
        }
        Value::Array(items)
    }

    fn text_of(&self, schema: &Value) -> Value {
        let fixed = match schema["format"].as_str() {
            Some("date") => Some("2026-01-01"),
            Some("date-time") => Some("2026-01-01T00:00:00Z"),
            Some("time") => Some("00:00:00Z"),
            Some("duration") => Some("PT0S"),
            Some("email") => Some("someone@example.com"),
            Some("uri") => Some("https://example.com/"),
            Some("uuid") => Some("00000000-0000-4000-8000-000000000000"),
            _ => None,
        };
        if let Some(fixed) = fixed {
            return fixed.into();
        }
        let most = schema["maxLength"].as_u64().map_or(usize::MAX, |most| most as usize);
        let least = schema["minLength"].as_u64().map_or(0, |least| least.min(10_000) as usize);
        let mut text: String = self.text.chars().take(most).collect();
        let missing = least.saturating_sub(text.chars().count());
        text.extend(std::iter::repeat_n('.', missing));
        text.into()
    }
}

/// The least number that is allowed, or the greatest if that is below zero, or zero.
fn number(schema: &Value) -> f64 {
    let least = schema["minimum"].as_f64().or(schema["exclusiveMinimum"].as_f64().map(|least| least + 1.0));
    let most = schema["maximum"].as_f64().or(schema["exclusiveMaximum"].as_f64().map(|most| most - 1.0));
    match (least, most) {
        (Some(least), _) if least > 0.0 => least,
        (_, Some(most)) if most < 0.0 => most.floor(),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_built_for_each_kind_of_schema() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "mood": {"enum": ["sad", "happy"]},
                "age": {"type": "integer", "minimum": 18},
                "score": {"type": ["number", "null"], "maximum": -1.5},
                "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "minItems": 2},
                "next": {"$ref": "#/$defs/node"},
            },
            "required": ["name"],
            "$defs": {"node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}},
        });
        let value = instance(&schema, "I am happy");
        assert_eq!(value["name"], "I am happy");
        assert_eq!(value["mood"], "happy");
        assert_eq!(value["age"], 18);
        assert_eq!(value["score"], -2);
        assert_eq!(value["tags"], json!(["I a", "I a"]));
        assert!(value["next"].is_object());
    }

    #[test]
    fn what_is_built_is_valid_by_its_schema() {
        for schema in [
            json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 3, "maximum": 5}}, "required": ["a"], "additionalProperties": false}),
            json!({"type": "array", "items": {"type": "string", "minLength": 30, "maxLength": 40}, "minItems": 3, "maxItems": 3}),
            json!({"type": "array", "prefixItems": [{"type": "boolean"}, {"type": "number", "exclusiveMinimum": 1.5}], "items": false}),
            json!({"anyOf": [{"type": "object", "properties": {"kind": {"const": "x"}}, "required": ["kind"]}, {"type": "null"}]}),
            json!({"type": ["string", "null"], "format": "date"}),
            json!({"type": "number", "maximum": -0.5}),
            json!({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "required": ["name", "children"], "properties": {
                "name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}}}),
        ] {
            let value = instance(&schema, "some text");
            let validator = jsonschema::validator_for(&schema).unwrap();
            assert!(validator.is_valid(&value), "{schema}\n{value}");
        }
    }
}
