//! JSON Schema as Gemini reads it (`parametersJsonSchema`, `responseJsonSchema`): what it refuses or silently ignores is
//! rewritten where the meaning can be kept, and taken out where not. What was taken out is reported.
//!
//! Source: <https://ai.google.dev/gemini-api/docs/structured-output#json-schema-support>

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Nobody declares a deeper schema on purpose.
const MAX_DEPTH: usize = 48;

/// Keywords that Gemini does not know. Anything else that it does not know is left alone: it ignores it.
const UNKNOWN: [&str; 32] = [
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
    "allOf",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "else",
    "examples",
    "if",
    "maxContains",
    "minContains",
    "multipleOf",
    "not",
    "patternProperties",
    "propertyNames",
    "readOnly",
    "ref",
    "then",
    "uniqueItems",
    "writeOnly",
];

/// Also unknown, with a name that a list of the alphabet would hide.
const UNEVALUATED: [&str; 2] = ["unevaluatedItems", "unevaluatedProperties"];

/// A keyword that was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Removed {
    /// JSON pointer to the schema that held it.
    pub(super) path: String,
    pub(super) keyword: String,
}

/// A tool's schema as Gemini reads it. Arguments are always an object.
pub(super) fn of_arguments(schema: &Value, removed: &mut Vec<Removed>) -> Value {
    let mut schema = of_answer(schema, removed);
    let Value::Object(fields) = &mut schema else {
        return serde_json::json!({"type": "object", "properties": {}});
    };
    let says_what_it_is = ["type", "$ref", "anyOf"].iter().any(|keyword| fields.contains_key(*keyword));
    if !says_what_it_is {
        fields.insert("type".to_owned(), "object".into());
    }
    if fields.get("type").is_some_and(|kind| kind == "object") && !fields.contains_key("properties") {
        fields.insert("properties".to_owned(), Value::Object(Map::new()));
    }
    schema
}

/// An answer's schema as Gemini reads it.
pub(super) fn of_answer(schema: &Value, removed: &mut Vec<Removed>) -> Value {
    Cleaner { removed, path: String::new(), depth: 0 }.schema(schema)
}

struct Cleaner<'a> {
    removed: &'a mut Vec<Removed>,
    path: String,
    depth: usize,
}

impl Cleaner<'_> {
    fn schema(&mut self, schema: &Value) -> Value {
        let Value::Object(fields) = schema else {
            // `true`, and anything that is no schema, allows everything; `false` cannot be said.
            return Value::Object(Map::new());
        };
        if self.depth >= MAX_DEPTH {
            self.report("(too deep)");
            return Value::Object(Map::new());
        }
        let merged = self.with_all_of(fields);
        let is_reference = merged.contains_key("$ref");
        let mut clean = Map::new();
        for (keyword, value) in merged.iter() {
            match keyword.as_str() {
                _ if is_reference && !keyword.starts_with('$') && keyword != "definitions" => {
                    self.report(keyword);
                }
                "properties" | "$defs" | "definitions" => {
                    let name = if keyword == "definitions" { "$defs" } else { keyword };
                    let schemas = self.each_named(keyword, value);
                    match clean.get_mut(name).and_then(Value::as_object_mut) {
                        Some(known) => known.extend(schemas),
                        None => drop(clean.insert(name.to_owned(), Value::Object(schemas))),
                    }
                }
                "items" if value.is_array() => {
                    clean.insert("prefixItems".to_owned(), self.each(keyword, value));
                }
                "items" | "additionalProperties" if value.is_object() => {
                    clean.insert(keyword.clone(), self.child(keyword, value));
                }
                "items" => {}
                "prefixItems" | "anyOf" => {
                    clean.insert(keyword.clone(), self.each(keyword, value));
                }
                "oneOf" if merged.contains_key("anyOf") => self.report(keyword),
                "oneOf" => {
                    clean.insert("anyOf".to_owned(), self.each(keyword, value));
                }
                "const" if !merged.contains_key("enum") => {
                    clean.insert("enum".to_owned(), Value::Array(vec![value.clone()]));
                }
                "const" => self.report(keyword),
                "exclusiveMinimum" | "exclusiveMaximum" => {
                    self.exclusive(keyword, value, &merged, &mut clean)
                }
                "$ref" => {
                    let target = value.as_str().unwrap_or_default().replace("#/definitions/", "#/$defs/");
                    clean.insert(keyword.clone(), target.into());
                }
                unknown if UNKNOWN.contains(&unknown) || UNEVALUATED.contains(&unknown) => {
                    self.report(keyword);
                }
                _ => drop(clean.insert(keyword.clone(), value.clone())),
            }
        }
        Value::Object(clean)
    }

    /// `allOf` says several things at once; so does their union, as long as no two speak of the same.
    fn with_all_of<'a>(&mut self, fields: &'a Map<String, Value>) -> Cow<'a, Map<String, Value>> {
        let Some(Value::Array(all)) = fields.get("allOf") else { return Cow::Borrowed(fields) };
        let mut merged = fields.clone();
        merged.remove("allOf");
        for schema in all {
            let Value::Object(schema) = schema else { continue };
            for (keyword, value) in schema {
                match (merged.get_mut(keyword), value) {
                    (None, _) => drop(merged.insert(keyword.clone(), value.clone())),
                    (Some(Value::Object(known)), Value::Object(more))
                        if keyword == "properties" || keyword == "$defs" =>
                    {
                        for (name, schema) in more {
                            known.entry(name).or_insert_with(|| schema.clone());
                        }
                    }
                    (Some(Value::Array(known)), Value::Array(more)) if keyword == "required" => {
                        let new: Vec<Value> =
                            more.iter().filter(|name| !known.contains(name)).cloned().collect();
                        known.extend(new);
                    }
                    (Some(known), _) if known == value => {}
                    (Some(_), _) => self.report(&format!("allOf/{keyword}")),
                }
            }
        }
        Cow::Owned(merged)
    }

    /// Whole numbers have a next one; for others the bound itself is let through.
    fn exclusive(
        &mut self,
        keyword: &str,
        value: &Value,
        all: &Map<String, Value>,
        clean: &mut Map<String, Value>,
    ) {
        let (bound, step) = if keyword == "exclusiveMinimum" { ("minimum", 1) } else { ("maximum", -1) };
        if all.contains_key(bound) || !value.is_number() {
            self.report(keyword);
            return;
        }
        let whole = value.as_i64().filter(|_| all.get("type").is_some_and(|kind| kind == "integer"));
        match whole.and_then(|number| number.checked_add(step)) {
            Some(next) => clean.insert(bound.to_owned(), next.into()),
            None => {
                self.report(keyword);
                clean.insert(bound.to_owned(), value.clone())
            }
        };
    }

    fn child(&mut self, keyword: &str, schema: &Value) -> Value {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(&keyword.replace('~', "~0").replace('/', "~1"));
        self.depth += 1;
        let clean = self.schema(schema);
        self.depth -= 1;
        self.path.truncate(length);
        clean
    }

    fn each(&mut self, keyword: &str, schemas: &Value) -> Value {
        let schemas = schemas.as_array().into_iter().flatten().enumerate();
        schemas.map(|(index, schema)| self.child(&format!("{keyword}/{index}"), schema)).collect()
    }

    fn each_named(&mut self, keyword: &str, schemas: &Value) -> Map<String, Value> {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(keyword);
        let schemas = schemas.as_object().into_iter().flatten();
        let clean = schemas.map(|(name, schema)| (name.clone(), self.child(name, schema))).collect();
        self.path.truncate(length);
        clean
    }

    fn report(&mut self, keyword: &str) {
        self.removed.push(Removed { path: self.path.clone(), keyword: keyword.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: Value, expected: Value, reported: &[&str]) {
        let mut removed = Vec::new();
        assert_eq!(of_answer(&schema, &mut removed), expected, "{schema}");
        let removed: Vec<String> =
            removed.into_iter().map(|removed| format!("{} {}", removed.path, removed.keyword)).collect();
        assert_eq!(removed, reported, "{schema}");
    }

    #[test]
    fn what_gemini_reads_stays_as_it_is() {
        let schema = json!({
            "type": "object", "title": "T", "description": "d", "additionalProperties": false,
            "required": ["b", "a"],
            "properties": {
                "b": {"type": ["string", "null"], "minLength": 1, "maxLength": 9, "pattern": "^x", "format": "date"},
                "a": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1, "maximum": 100}},
                "c": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/x"}], "default": "q"},
                "d": {"enum": ["x", 1]}
            },
            "$defs": {"x": {"type": "number"}}
        });
        check(schema.clone(), schema, &[]);
    }

    #[test]
    fn what_gemini_refuses_is_taken_out_and_reported() {
        check(
            json!({"$schema": "x", "$id": "y", "type": "object", "properties": {"a": {"type": "array", "uniqueItems": true,
                "items": {"type": "string", "not": {"const": "x"}}}}, "if": {}, "then": {}}),
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}}),
            &[" $schema", " $id", "/properties/a uniqueItems", "/properties/a/items not", " if", " then"],
        );
    }

    #[test]
    fn properties_may_have_the_names_of_keywords() {
        let schema = json!({"type": "object", "properties": {
            "not": {"type": "string"}, "if": {"type": "string"}, "$ref": {"type": "string"}, "a/b~c": {"not": {}}}});
        let clean = json!({"type": "object", "properties": {
            "not": {"type": "string"}, "if": {"type": "string"}, "$ref": {"type": "string"}, "a/b~c": {}}});
        check(schema, clean, &["/properties/a~1b~0c not"]);
    }

    #[test]
    fn other_ways_to_say_the_same_are_rewritten() {
        check(json!({"oneOf": [{"const": 1}, true]}), json!({"anyOf": [{"enum": [1]}, {}]}), &[]);
        check(
            json!({"type": "integer", "exclusiveMinimum": 0}),
            json!({"type": "integer", "minimum": 1}),
            &[],
        );
        check(
            json!({"type": "integer", "exclusiveMaximum": 5}),
            json!({"type": "integer", "maximum": 4}),
            &[],
        );
        check(
            json!({"type": "number", "exclusiveMinimum": 0}),
            json!({"type": "number", "minimum": 0}),
            &[" exclusiveMinimum"],
        );
        check(
            json!({"definitions": {"x": {"$comment": "c"}}, "items": {"$ref": "#/definitions/x"}}),
            json!({"$defs": {"x": {}}, "items": {"$ref": "#/$defs/x"}}),
            &["/definitions/x $comment"],
        );
        check(
            json!({"$ref": "#/$defs/x", "description": "d"}),
            json!({"$ref": "#/$defs/x"}),
            &[" description"],
        );
    }

    #[test]
    fn all_of_becomes_one_where_its_members_agree() {
        check(
            json!({"allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["a", "b"]}]}),
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"]}),
            &[],
        );
        check(
            json!({"type": "string", "allOf": [{"type": "null"}]}),
            json!({"type": "string"}),
            &[" allOf/type"],
        );
    }

    #[test]
    fn arguments_are_an_object_whatever_was_declared() {
        let empty = json!({"type": "object", "properties": {}});
        for schema in [json!({}), json!(null), json!(true), json!({"type": "object"})] {
            assert_eq!(of_arguments(&schema, &mut Vec::new()), empty, "{schema}");
        }
        assert_eq!(
            of_arguments(&json!({"properties": {"a": {}}}), &mut Vec::new()),
            json!({"properties": {"a": {}}, "type": "object"})
        );
    }

    #[test]
    fn a_schema_without_end_is_cut() {
        let mut schema = json!({});
        for _ in 0..500 {
            schema = json!({"items": schema});
        }
        let mut removed = Vec::new();
        of_answer(&schema, &mut removed);
        assert_eq!(removed.len(), 1);
    }

    fn any_schema() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!({})),
            Just(json!(true)),
            Just(json!("x")),
            Just(json!({"const": 1, "not": {}}))
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let keyword = prop::sample::select(vec![
                "properties",
                "items",
                "anyOf",
                "oneOf",
                "allOf",
                "$ref",
                "not",
                "enum",
                "definitions",
                "type",
                "minimum",
                "exclusiveMinimum",
                "additionalProperties",
                "prefixItems",
            ]);
            let value = prop_oneof![
                inner.clone(),
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| map.into_iter().collect()),
            ];
            prop::collection::vec((keyword, value), 0..4)
                .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
        })
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing_more(schema in any_schema()) {
            let once = of_answer(&schema, &mut Vec::new());
            let mut removed = Vec::new();
            prop_assert_eq!(&of_answer(&once, &mut removed), &once);
            prop_assert_eq!(removed, vec![]);
        }
    }
}
