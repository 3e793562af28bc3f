//! What the test knows of the records, so that it asks for existing ones and links them.

use super::answers::{Handle, Pairs};
use super::operations::{self, Kind, Operation, Table};
use http::Method;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Map, Value, json};

/// Rows are kept below one page, so that a listing without an order shows all of them.
const MANY: usize = 80;
const FEW: usize = 12;

#[derive(Default)]
pub(crate) struct World {
    tasks: Vec<Handle>,
    people: Vec<Handle>,
    gone: Vec<Handle>,
    names: usize,
}

impl World {
    pub(crate) fn operation(&mut self, rng: &mut StdRng) -> Operation {
        let table = *Table::BOTH.choose(rng).expect("two tables");
        let rows = self.rows(table).len();
        if rows > MANY {
            return self.delete(rng, table);
        }
        if rows < FEW {
            return self.create(rng, table);
        }
        match rng.random_range(0..100) {
            0..30 => self.get(rng, table),
            30..60 => operations::list(rng, table, self.rows(table)),
            60..72 => self.create(rng, table),
            72..86 => self.update(rng, table),
            86..92 => self.upsert(rng, table),
            _ => self.delete(rng, table),
        }
    }

    /// Takes in what an answered operation changed; `created` are the ids never seen before.
    pub(crate) fn learn(&mut self, operation: &Operation, pairs: &Pairs, answer: &Value, created: &[Handle]) {
        if operation.kind == Kind::Read {
            return;
        }
        let answered: Vec<&Value> = match answer.get("records").and_then(Value::as_array) {
            Some(records) => records.iter().collect(),
            None => vec![answer],
        };
        let handle = |record: &Value| record["id"].as_str().and_then(|id| pairs.of_direct(id));
        let here: Vec<Handle> = answered.iter().filter_map(|record| handle(record)).collect();
        if answered.iter().any(|record| record["deleted"] == true) {
            self.gone.extend(&here);
            self.tasks.retain(|row| !here.contains(row));
            self.people.retain(|row| !here.contains(row));
            return;
        }
        // A new id that is no row of the answer is a row that typecast made on the other side of a link.
        for new in created {
            let table = if here.contains(new) { operation.table } else { other(operation.table) };
            match table {
                Table::Tasks => self.tasks.push(*new),
                Table::People => self.people.push(*new),
            }
        }
    }

    fn rows(&self, table: Table) -> &[Handle] {
        match table {
            Table::Tasks => &self.tasks,
            Table::People => &self.people,
        }
    }

    fn any(&self, rng: &mut StdRng, table: Table) -> Handle {
        if rng.random_bool(0.04)
            && let Some(row) = self.gone.choose(rng)
        {
            return *row;
        }
        *self.rows(table).choose(rng).expect("tables are never empty here")
    }

    fn get(&self, rng: &mut StdRng, table: Table) -> Operation {
        // A record of the other table is found as well: the lookup falls back to the whole base.
        let of = if rng.random_bool(0.05) { other(table) } else { table };
        let record = if self.rows(of).is_empty() { self.any(rng, table) } else { self.any(rng, of) };
        operations::get(rng, table, record)
    }

    fn create(&mut self, rng: &mut StdRng, table: Table) -> Operation {
        let typecast = rng.random_bool(0.15);
        let body = if rng.random_bool(0.5) {
            json!({"fields": self.cells(rng, table, typecast, true), "typecast": typecast})
        } else {
            let count = rng.random_range(1..=10);
            let rows: Vec<Value> =
                (0..count).map(|_| json!({"fields": self.cells(rng, table, typecast, true)})).collect();
            json!({"records": rows, "typecast": typecast, "returnFieldsByFieldId": rng.random_bool(0.2)})
        };
        operations::write(rng, table, Method::POST, "", Some(body))
    }

    fn update(&mut self, rng: &mut StdRng, table: Table) -> Operation {
        let method = if rng.random_bool(0.75) { Method::PATCH } else { Method::PUT };
        // A replaced row must keep a name: listings are ordered by it.
        let named = method == Method::PUT;
        let typecast = rng.random_bool(0.1);
        if rng.random_bool(0.5) {
            let tail = format!("/{}", self.any(rng, table).placeholder());
            let body = json!({"fields": self.cells(rng, table, typecast, named), "typecast": typecast});
            return operations::write(rng, table, method, &tail, Some(body));
        }
        let count = rng.random_range(1..=10);
        let rows: Vec<Handle> = self.rows(table).sample(rng, count).copied().collect();
        let records: Vec<Value> = rows
            .iter()
            .map(|row| json!({"id": row.placeholder(), "fields": self.cells(rng, table, typecast, named)}))
            .collect();
        operations::write(rng, table, method, "", Some(json!({"records": records, "typecast": typecast})))
    }

    fn upsert(&mut self, rng: &mut StdRng, table: Table) -> Operation {
        let count = rng.random_range(1..=4);
        let records: Vec<Value> = (0..count)
            .map(|_| {
                let mut cells = self.cells(rng, table, false, true);
                if rng.random_bool(0.5) {
                    cells.insert(
                        "Name".to_owned(),
                        json!(format!("row {}", rng.random_range(0..self.names.max(1)))),
                    );
                }
                json!({"fields": cells})
            })
            .collect();
        let body = json!({"performUpsert": {"fieldsToMergeOn": ["Name"]}, "records": records});
        operations::write(rng, table, Method::PATCH, "", Some(body))
    }

    fn delete(&mut self, rng: &mut StdRng, table: Table) -> Operation {
        if rng.random_bool(0.5) {
            let tail = format!("/{}", self.any(rng, table).placeholder());
            return operations::write(rng, table, Method::DELETE, &tail, None);
        }
        let count = rng.random_range(1..=10);
        let list: Vec<String> = self
            .rows(table)
            .sample(rng, count)
            .map(|row| format!("records[]={}", row.placeholder()))
            .collect();
        operations::write(rng, table, Method::DELETE, &format!("?{}", list.join("&")), None)
    }

    fn cells(&mut self, rng: &mut StdRng, table: Table, typecast: bool, named: bool) -> Map<String, Value> {
        let mut cells = Map::new();
        if named || rng.random_bool(0.3) {
            cells.insert("Name".to_owned(), json!(format!("row {}", self.names)));
            self.names += 1;
        }
        let number = rng.random_range(0..100);
        let number = if typecast { json!(number.to_string()) } else { json!(number) };
        match table {
            Table::Tasks => {
                maybe(rng, &mut cells, "Number", number);
                let done = rng.random_bool(0.5);
                maybe(rng, &mut cells, "fldTaDone00000001", json!(done));
                let states = if typecast {
                    ["New", "Open", "Closed", "Typed"]
                } else {
                    ["New", "Open", "Closed", "New"]
                };
                let state = json!(states.choose(rng));
                maybe(rng, &mut cells, "State", state);
                let tags: Vec<&str> = ["a", "b", "c"].sample(rng, 2).copied().collect();
                maybe(rng, &mut cells, "Tags", json!(tags));
            }
            Table::People => maybe(rng, &mut cells, "Age", number),
        }
        let link = if table == Table::Tasks { "People" } else { "Tasks" };
        let linked = self.links(rng, other(table), typecast);
        maybe(rng, &mut cells, link, linked);
        if rng.random_bool(0.02) {
            cells.insert("No such field".to_owned(), json!(1));
        }
        cells
    }

    fn links(&mut self, rng: &mut StdRng, table: Table, typecast: bool) -> Value {
        let count = rng.random_range(0..4);
        let mut links: Vec<Value> =
            self.rows(table).sample(rng, count).map(|row| json!(row.placeholder())).collect();
        if typecast && self.rows(table).len() < MANY && rng.random_bool(0.5) {
            links.push(json!(format!("row {}", self.names)));
            self.names += 1;
        }
        if rng.random_bool(0.02)
            && let Some(row) = self.gone.choose(rng)
        {
            links.push(json!(row.placeholder()));
        }
        Value::Array(links)
    }
}

fn other(table: Table) -> Table {
    match table {
        Table::Tasks => Table::People,
        Table::People => Table::Tasks,
    }
}

fn maybe(rng: &mut StdRng, cells: &mut Map<String, Value>, name: &str, value: Value) {
    match rng.random_range(0..10) {
        0..6 => drop(cells.insert(name.to_owned(), value)),
        6 => drop(cells.insert(name.to_owned(), Value::Null)),
        _ => {}
    }
}
