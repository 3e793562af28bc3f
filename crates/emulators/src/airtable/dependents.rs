//! Which computed cells may change when a cell does: formulas of the same record, and what other tables see of it
//! over their links.

use std::collections::HashMap;

use super::model::{Base, Kind};

/// A field whose cells are computed from another's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dependent {
    pub(crate) table: usize,
    pub(crate) field: usize,
    /// The link field of `table` over which it sees the other one; `None`: they stand in the same record.
    pub(crate) over: Option<usize>,
}

/// Who is computed from whom in a base, by the positions of tables and fields.
#[derive(Debug, Default)]
pub(crate) struct Dependents {
    of_field: HashMap<(usize, usize), Vec<Dependent>>,
    /// By table: fields that show when and by whom a record was edited, or are computed from that.
    of_edits: Vec<Vec<usize>>,
}

impl Dependents {
    /// Formulas must have been compiled.
    pub(crate) fn of(base: &Base) -> Self {
        let mut this = Self { of_field: HashMap::new(), of_edits: vec![Vec::new(); base.tables.len()] };
        for (table, content) in base.tables.iter().enumerate() {
            for field in 0..content.fields.len() {
                this.add(base, table, field);
            }
        }
        this
    }

    fn add(&mut self, base: &Base, table: usize, field: usize) {
        let own = &base.tables[table];
        let mut needs = |place: (usize, usize), over: Option<usize>| {
            self.of_field.entry(place).or_default().push(Dependent { table, field, over });
        };
        match &own.fields[field].kind {
            Kind::Formula(formula) => {
                let Some(compiled) = &formula.compiled else { return };
                compiled.fields().iter().for_each(|&used| needs((table, used), None));
                if compiled.reads_modification_time() {
                    self.of_edits[table].push(field);
                }
            }
            Kind::Button(button) => {
                let Some(url) = &button.url else { return };
                url.fields().iter().for_each(|&used| needs((table, used), None));
                if url.reads_modification_time() {
                    self.of_edits[table].push(field);
                }
            }
            // A link shows the names of the records that it leads to.
            Kind::Links(link) => needs((link.table, base.tables[link.table].primary), Some(field)),
            Kind::Lookup { link, target, valid: true } => {
                needs((table, *link), None);
                if let Some(linked) = own.fields[*link].kind.link() {
                    needs((linked.table, *target), Some(*link));
                }
            }
            Kind::Rollup(rollup) if rollup.compiled.is_some() => {
                needs((table, rollup.link), None);
                if let Some(linked) = own.fields[rollup.link].kind.link() {
                    needs((linked.table, rollup.target), Some(rollup.link));
                }
            }
            Kind::Count { link: Some(link) } => needs((table, *link), None),
            Kind::LastModifiedTime { .. } | Kind::LastModifiedBy => self.of_edits[table].push(field),
            _ => {}
        }
    }

    pub(crate) fn of_field(&self, table: usize, field: usize) -> &[Dependent] {
        self.of_field.get(&(table, field)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn of_edits(&self, table: usize) -> &[usize] {
        self.of_edits.get(table).map_or(&[], Vec::as_slice)
    }
}
