//! A base written out as a seed, and everything that an emulator holds.
//!
//! What is written reads back as what it was written from, and is written the same again, byte for byte. Records are written
//! one by one, each on a line of its own, so that a large base is never there a second time.

mod records;

use std::collections::BTreeMap;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Seed, compile};
use crate::airtable::access::{Grant, Role};
use crate::airtable::fields::{date, people};
use crate::airtable::files::Sources;
use crate::airtable::ids::AttachmentId;
use crate::airtable::list::sort::SortKey;
use crate::airtable::model::{Base, FormulaKind, Kind, ResultFormat, RollupKind, Sync, Table};
use crate::airtable::{meta, structure};

impl Base {
    /// The entry in `bases` of a seed, without records: with all ids, and with what the metadata that Airtable serves leaves
    /// out (how a rollup aggregates, which fields and records a view shows).
    pub(crate) fn to_seed(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "name": self.name,
            "permissionLevel": self.roles.others.name(),
            "collaborators": self.roles.named.iter().map(collaborator).collect::<Vec<_>>(),
            "workspaceId": self.workspace,
            "createdTime": date::iso(self.created),
            "tables": self.tables.iter().map(table).collect::<Vec<_>>(),
        })
    }
}

fn collaborator((user, role): (&String, &Role)) -> Value {
    json!({"user": user, "permissionLevel": role.name()})
}

fn table(table: &Table) -> Value {
    let mut seed = meta::table(table, false);
    for (index, field) in table.fields.iter().enumerate() {
        if let Kind::Rollup(rollup) = &field.kind
            && let Some(formula) = &rollup.compiled
        {
            seed["fields"][index]["options"]["formula"] = formula.to_string().into();
        }
        if let Kind::Button(button) = &field.kind {
            if let Some(label) = &button.label {
                seed["fields"][index]["options"]["label"] = label.clone().into();
            }
            if let Some(url) = &button.url {
                seed["fields"][index]["options"]["formula"] = structure::by_field_ids(table, url).into();
            }
        }
        if let Kind::Formula(FormulaKind { as_seeded: true, .. }) = &field.kind {
            seed["fields"][index]["options"]["asSeeded"] = true.into();
        }
        if let (Kind::Formula(FormulaKind { compiled: Some(formula), format, .. }), Some(options))
        | (Kind::Rollup(RollupKind { compiled: Some(formula), format, .. }), Some(options)) =
            (&field.kind, seed["fields"][index].get_mut("options").and_then(Value::as_object_mut))
            && *format == ResultFormat::Plain
            && options.get("result") == Some(&compile::result_type(formula.result_type()))
        {
            // It was made up, and what is shown does not follow it.
            options.shift_remove("result");
        }
    }
    if !table.syncs.is_empty() {
        seed["syncs"] = table.syncs.iter().map(|own| sync(own, table)).collect();
    }
    for (index, view) in table.views.iter().enumerate() {
        if let Some(ids) = &view.visible_field_ids {
            seed["views"][index]["visibleFieldIds"] = ids.iter().map(ToString::to_string).collect();
        }
        if let Some(filter) = &view.filter {
            seed["views"][index]["filterByFormula"] = structure::by_field_ids(table, filter).into();
        }
        if !view.sort.is_empty() {
            let key = |key: &SortKey| {
                let direction = if key.descending { "desc" } else { "asc" };
                json!({"field": table.fields[key.field].id.to_string(), "direction": direction})
            };
            seed["views"][index]["sort"] = view.sort.iter().map(key).collect();
        }
    }
    seed
}

fn sync(sync: &Sync, table: &Table) -> Value {
    let key = table.fields[sync.key].id.to_string();
    json!({"id": sync.id, "keyFieldId": key, "deletesMissing": sync.deletes_missing})
}

impl Seed {
    /// Writes the seed as a file that [`Self::from_json`] reads. Tokens that were added by [`Self::with_full_token`] are left
    /// out: they belong to whoever runs the emulator.
    ///
    /// # Errors
    ///
    /// `out` cannot be written to.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{{\"limits\":{}", Value::Object(self.limits.json()))?;
        write!(out, ",\n\"unconfirmed\":{}", json!(self.unconfirmed))?;
        list(out, "users", self.users.0.iter().map(people::json))?;
        list(out, "tokens", self.tokens_json())?;
        let (clients, grants) = self.oauth.to_seed(&self.users);
        for (key, entries) in [("oauthClients", clients), ("oauthGrants", grants)] {
            list(out, key, entries.as_array().into_iter().flatten().cloned())?;
        }
        out.write_all(b",\n\"bases\":[")?;
        for (index, base) in self.bases.iter().enumerate() {
            out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
            self.base(base, out)?;
        }
        out.write_all(b"]")?;
        let mut files = BTreeMap::new();
        let tables = self.bases.iter().flat_map(|base| &base.tables);
        for attachment in tables.flat_map(|table| table.rows.attachments()) {
            let own = attachment.file().map(|file| &file.content).or_else(|| self.files.get(&attachment.id));
            if let Some(content) = own.filter(|_| attachment.source().is_none()) {
                files.insert(attachment.id, (attachment.content_type(), content));
            }
        }
        if self.attachment_sources == Sources::Loopback {
            out.write_all(b",\n\"attachmentSources\":\"loopback\"")?;
        }
        if !files.is_empty() {
            let entry = |(id, (content_type, content)): (AttachmentId, (_, &Bytes))| json!({"attachment": id, "type": content_type, "content": STANDARD.encode(content)});
            list(out, "files", files.into_iter().map(entry))?;
        }
        out.write_all(b"}\n")
    }

    /// What is no part of bases, as a seed has it: tokens, integrations and limits.
    pub(crate) fn settings(&self) -> String {
        let tokens: Vec<_> = self.tokens_json().collect();
        let (clients, grants) = self.oauth.to_seed(&self.users);
        let settings = json!({
            "limits": self.limits.json(), "unconfirmed": self.unconfirmed, "tokens": tokens,
            "oauthClients": clients, "oauthGrants": grants,
        });
        settings.to_string()
    }

    /// Tokens but for those of whoever runs the emulator, in their order.
    fn tokens_json(&self) -> impl Iterator<Item = Value> {
        let mut tokens: Vec<_> = self.tokens.0.iter().filter(|(_, grant)| !grant.is_ours).collect();
        tokens.sort_unstable_by_key(|(token, _)| *token);
        tokens.into_iter().map(|(token, grant)| self.token(token, grant))
    }

    fn token(&self, token: &str, grant: &Grant) -> Value {
        let scopes: Vec<_> = grant.scopes_in_order().collect();
        let user = self.users.get(grant.user).map(|user| &user.id);
        let mut entry =
            json!({"token": token, "scopes": scopes, "bases": grant.bases.to_seed(), "user": user});
        if let Some(most) = grant.most {
            entry["permissionLevel"] = most.name().into();
        }
        entry
    }

    /// The metadata, with the records of each table at its end.
    fn base(&self, base: &Base, out: &mut impl Write) -> io::Result<()> {
        let mut definition = base.to_seed();
        let tables = definition.as_object_mut().and_then(|definition| definition.shift_remove("tables"));
        open_object(out, &definition)?;
        let hooks = self.webhooks.to_seed(base.id);
        if !hooks.is_empty() {
            list(out, "webhooks", hooks.into_iter())?;
        }
        out.write_all(b",\n\"tables\":[")?;
        let tables = tables.as_ref().and_then(Value::as_array).into_iter().flatten();
        for (index, definition) in tables.enumerate() {
            out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
            open_object(out, definition)?;
            records::write(base, index, &self.users, out)?;
            out.write_all(b"}")?;
        }
        out.write_all(b"]}")
    }
}

/// An object without its end.
fn open_object(out: &mut impl Write, object: &Value) -> io::Result<()> {
    let text = object.to_string();
    out.write_all(text.strip_suffix('}').unwrap_or(&text).as_bytes())
}

/// A key whose elements stand on a line each.
fn list(out: &mut impl Write, key: &str, items: impl Iterator<Item = Value>) -> io::Result<()> {
    write!(out, ",\n\"{key}\":[")?;
    for (index, item) in items.enumerate() {
        write!(out, "{}{item}", if index == 0 { "\n" } else { ",\n" })?;
    }
    out.write_all(b"]")
}
