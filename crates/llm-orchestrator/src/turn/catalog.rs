//! The tools of a run: those of the server, and those that the client declared for itself.

use std::collections::BTreeMap;

use llm_api::ToolDefinition;

/// Tools that show names of bases, tables and fields, and never what stands in cells. Everything else might.
const WITHOUT_CELLS: [&str; 3] = ["list_bases", "list_tables", "describe_table"];

/// Some models write names with these in front.
const PREFIXES: [&str; 2] = ["default_api:", "default_api."];

/// What a tool does, as far as the loop cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToolKind {
    /// Changes nothing: several may run at once.
    Read,
    /// Changes something, or may: runs alone.
    Write,
    /// The client's own.
    Client,
}

/// The tools of a run, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    tools: BTreeMap<String, (ToolKind, ToolDefinition)>,
}

impl Catalog {
    /// A tool of the same name takes the other's place: what a client declares is the client's.
    pub(crate) fn add(&mut self, kind: ToolKind, definition: ToolDefinition) {
        self.tools.insert(definition.name.clone(), (kind, definition));
    }

    /// The name as declared, and what kind of tool it is.
    pub(crate) fn find(&self, name: &str) -> Option<(&str, ToolKind)> {
        let stripped = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        self.tools.get_key_value(stripped).map(|(name, (kind, _))| (name.as_str(), *kind))
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.tools.retain(|name, _| keep(name));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }

    /// Sorted by name, so that the vendor's cache finds them again.
    pub(crate) fn definitions(&self) -> Vec<ToolDefinition> {
        self.tools.values().map(|(_, definition)| definition.clone()).collect()
    }
}

/// Whether a result of this tool may show what stands in cells.
pub(crate) fn shows_cells(tool: &str) -> bool {
    !WITHOUT_CELLS.contains(&tool)
}
