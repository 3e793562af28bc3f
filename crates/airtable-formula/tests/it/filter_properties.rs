//! A filter's formula keeps exactly the records that the filter's meaning, computed here without formulas, keeps: for schemas,
//! records and filters of any sort.

use airtable_formula::filter::{Day, Filter};
use airtable_formula::{
    Context, Date, ErrorKind, FieldDef, FieldKind, Formula, Limits, Row, Schema, Timestamp, Value,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A condition, as data.
#[derive(Debug, Clone)]
enum Ask {
    All(Vec<Ask>),
    Any(Vec<Ask>),
    Not(Box<Ask>),
    RecordIds(Vec<&'static str>),
    /// On the field at this place of those whose kind fits.
    Empty(Index, bool),
    Text(Index, TextTest, Vec<String>),
    AsText(Index, TextTest, Vec<String>),
    Lines(Index, Index, String),
    Number(Index, NumberTest, Vec<f64>),
    Ticked(Index, bool),
    Date(Index, DateTest, Point, Point),
    List(Index, ListTest, Vec<String>),
}

#[derive(Debug, Clone, Copy)]
enum TextTest {
    Is,
    AnyOf,
    IgnoringCase,
    Contains,
    ContainsExactly,
    StartsWith,
    EndsWith,
}

#[derive(Debug, Clone, Copy)]
enum NumberTest {
    Is,
    AnyOf,
    Less,
    AtMost,
    More,
    AtLeast,
    Between,
}

#[derive(Debug, Clone, Copy)]
enum DateTest {
    Is,
    Before,
    After,
    OnOrBefore,
    OnOrAfter,
    Between,
}

#[derive(Debug, Clone, Copy)]
enum ListTest {
    Has,
    AnyOf,
    AllOf,
    Is,
}

#[derive(Debug, Clone)]
enum Point {
    /// Year, month, day, zone.
    Day(i16, i8, i8, &'static str),
    Instant(i64),
}

#[derive(Debug)]
struct Table {
    schema: Schema,
    cells: Vec<Value<'static>>,
}

const ID: &str = "recAAAAAAAAAAAAAA";

impl Row for Table {
    fn field(&self, index: usize) -> Value<'_> {
        self.cells[index].borrowed()
    }
    fn record_id(&self) -> &str {
        ID
    }
    fn created_time(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    fn last_modified_time(&self, _: Option<&[usize]>) -> Option<Timestamp> {
        None
    }
}

impl Table {
    /// The index of the field that a condition is on, if the table has one of these kinds.
    fn pick(&self, index: &Index, kinds: &[FieldKind]) -> Option<usize> {
        let fits = |kind: &FieldKind| kinds.contains(kind) || kinds.is_empty() || *kind == FieldKind::Any;
        let fields: Vec<usize> = self
            .schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(at, field)| fits(&field.kind) && self.schema.find_braced(&field.name) == Some(*at))
            .map(|(at, _)| at)
            .collect();
        (!fields.is_empty()).then(|| fields[index.index(fields.len())])
    }

    fn name(&self, at: usize) -> &str {
        &self.schema.fields()[at].name
    }
}

/// The filter, and whether it keeps the record.
fn both(ask: &Ask, table: &Table) -> Option<(Filter, bool)> {
    let each = |asks: &[Ask]| asks.iter().filter_map(|ask| both(ask, table)).unzip::<_, _, Vec<_>, Vec<_>>();
    let cell = |at: usize| &table.cells[at];
    Some(match ask {
        Ask::All(asks) => {
            let (filters, keeps) = each(asks);
            (Filter::all(filters), keeps.into_iter().all(|keeps| keeps))
        }
        Ask::Any(asks) => {
            let (filters, keeps) = each(asks);
            (Filter::any(filters), keeps.into_iter().any(|keeps| keeps))
        }
        Ask::Not(ask) => {
            let (filter, keeps) = both(ask, table)?;
            (Filter::not(filter), !keeps)
        }
        Ask::RecordIds(ids) => (Filter::record_ids(ids), ids.contains(&ID)),
        Ask::Empty(index, empty) => {
            let at = table.pick(index, &[])?;
            let field = table.schema.any(table.name(at)).expect("the field was picked to fit");
            let text = text_of(cell(at));
            if *empty {
                (field.is_empty(), text.is_some_and(|text| text.is_empty()))
            } else {
                (field.is_not_empty(), text.is_some_and(|text| !text.is_empty()))
            }
        }
        Ask::Text(index, test, wanted) => {
            let at = table.pick(index, &[FieldKind::Text])?;
            let field = table.schema.text(table.name(at)).expect("the field was picked to fit");
            text_test(&field, *test, wanted, text_of(cell(at)))
        }
        Ask::AsText(index, test, wanted) => {
            let at = table.pick(index, &[])?;
            let field = table.schema.as_text(table.name(at)).expect("the field was picked to fit");
            text_test(&field, *test, wanted, text_of(cell(at)))
        }
        Ask::Lines(first, second, wanted) => {
            let at = [table.pick(first, &[])?, table.pick(second, &[])?];
            let lines =
                table.schema.as_lines(at.map(|at| table.name(at))).expect("the field was picked to fit");
            let text = at
                .map(|at| text_of(cell(at)).filter(|_| !cell(at).is_error()).unwrap_or_default())
                .join("\n");
            (lines.contains(wanted), text.to_lowercase().contains(&wanted.to_lowercase()))
        }
        Ask::Number(index, test, wanted) => {
            let at = table.pick(index, &[FieldKind::Number])?;
            let field = table.schema.number(table.name(at)).expect("the field was picked to fit");
            let number = match cell(at) {
                Value::Number(x) => Some(*x),
                Value::Boolean(boolean) => Some(f64::from(u8::from(*boolean))),
                _ => None,
            };
            let is = |holds: &dyn Fn(f64) -> bool| number.is_some_and(holds);
            let (a, b) = (wanted[0], wanted[1]);
            match test {
                NumberTest::Is => (field.is(a), is(&|x| x == a)),
                NumberTest::AnyOf => (field.is_any_of([a, b]), is(&|x| x == a || x == b)),
                NumberTest::Less => (field.less_than(a), is(&|x| x < a)),
                NumberTest::AtMost => (field.at_most(a), is(&|x| x <= a)),
                NumberTest::More => (field.more_than(a), is(&|x| x > a)),
                NumberTest::AtLeast => (field.at_least(a), is(&|x| x >= a)),
                NumberTest::Between => (field.between(a, b), is(&|x| a <= x && x <= b)),
            }
        }
        Ask::Ticked(index, ticked) => {
            let at = table.pick(index, &[FieldKind::Checkbox])?;
            let field = table.schema.checkbox(table.name(at)).expect("the field was picked to fit");
            let is = match cell(at) {
                Value::Boolean(boolean) => Some(*boolean),
                Value::Blank => Some(false),
                Value::Number(x) if *x == 0.0 || *x == 1.0 => Some(*x == 1.0),
                Value::Text(text) if text.is_empty() => Some(false),
                Value::Array(items) if items.is_empty() => Some(false),
                _ => None,
            };
            let filter = if *ticked { field.is_ticked() } else { field.is_not_ticked() };
            (filter, is == Some(*ticked))
        }
        Ask::Date(index, test, first, last) => {
            let at = table.pick(index, &[FieldKind::Date, FieldKind::DateTime])?;
            let field = table.schema.date(table.name(at)).expect("the field was picked to fit");
            let ms = match cell(at) {
                Value::Date(date) => Some(date.as_millisecond()),
                _ => None,
            };
            let is_day = table.schema.fields()[at].kind == FieldKind::Date;
            let (from, to) = reach(first, is_day);
            let (_, end) = reach(last, is_day);
            let is = |holds: &dyn Fn(i64) -> bool| ms.is_some_and(holds);
            match test {
                DateTest::Is => {
                    (ask_date(first, |p| field.is(p), |p| field.is(p)), is(&|x| from <= x && x < to))
                }
                DateTest::Before => {
                    (ask_date(first, |p| field.before(p), |p| field.before(p)), is(&|x| x < from))
                }
                DateTest::After => {
                    (ask_date(first, |p| field.after(p), |p| field.after(p)), is(&|x| x >= to))
                }
                DateTest::OnOrBefore => {
                    (ask_date(first, |p| field.on_or_before(p), |p| field.on_or_before(p)), is(&|x| x < to))
                }
                DateTest::OnOrAfter => {
                    (ask_date(first, |p| field.on_or_after(p), |p| field.on_or_after(p)), is(&|x| x >= from))
                }
                DateTest::Between => {
                    let filter = match (first, last) {
                        (Point::Day(..), Point::Day(..)) => field.between(day(first), day(last)),
                        (Point::Day(..), Point::Instant(b)) => field.between(day(first), instant(*b)),
                        (Point::Instant(a), Point::Day(..)) => field.between(instant(*a), day(last)),
                        (Point::Instant(a), Point::Instant(b)) => field.between(instant(*a), instant(*b)),
                    };
                    (filter, is(&|x| from <= x && x < end))
                }
            }
        }
        Ask::List(index, test, wanted) => {
            let at = table.pick(index, &[FieldKind::Array])?;
            let field = table.schema.list(table.name(at)).expect("the field was picked to fit");
            // A field whose cells may be anything is asked by its text form too.
            let items: Option<Vec<String>> = match cell(at) {
                Value::Array(items) => items.iter().map(text_of).collect(),
                other => text_of(other).map(|text| vec![text]),
            };
            let has = |wanted: &String| {
                !wanted.is_empty() && items.as_ref().is_some_and(|items| items.contains(wanted))
            };
            match test {
                ListTest::Has => (field.has(&wanted[0]), has(&wanted[0])),
                ListTest::AnyOf => (field.has_any_of(wanted), wanted.iter().any(has)),
                ListTest::AllOf => (field.has_all_of(wanted), wanted.iter().all(has)),
                ListTest::Is => {
                    let text = text_of(cell(at));
                    (field.is(wanted), text.is_some_and(|text| text == wanted.join(", ")))
                }
            }
        }
    })
}

fn text_test(
    field: &airtable_formula::filter::Text,
    test: TextTest,
    wanted: &[String],
    text: Option<String>,
) -> (Filter, bool) {
    let one = wanted[0].as_str();
    let is = |holds: &dyn Fn(&str) -> bool| text.as_deref().is_some_and(holds);
    match test {
        TextTest::Is => (field.is(one), is(&|text| text == one)),
        TextTest::AnyOf => (field.is_any_of(wanted), is(&|text| wanted.iter().any(|wanted| wanted == text))),
        TextTest::IgnoringCase => {
            (field.is_ignoring_case(one), is(&|text| text.to_lowercase() == one.to_lowercase()))
        }
        TextTest::Contains => {
            (field.contains(one), is(&|text| text.to_lowercase().contains(&one.to_lowercase())))
        }
        TextTest::ContainsExactly => (field.contains_exactly(one), is(&|text| text.contains(one))),
        TextTest::StartsWith => (field.starts_with(one), is(&|text| text.starts_with(one))),
        TextTest::EndsWith => (field.ends_with(one), is(&|text| text.ends_with(one))),
    }
}

fn text_of(value: &Value<'_>) -> Option<String> {
    Some(match value {
        Value::Array(items) => items.iter().map(text_of).collect::<Option<Vec<_>>>()?.join(", "),
        Value::Error(_) => return None,
        other => other.to_string(),
    })
}

fn day(point: &Point) -> Day {
    let Point::Day(year, month, day, zone) = point else { unreachable!("asked of days only") };
    Day::new(*year, *month, *day)
        .expect("the generators make valid ones")
        .in_zone(zone)
        .expect("the generators make valid ones")
}

fn instant(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).expect("the generators make valid ones")
}

fn ask_date(
    point: &Point,
    of_day: impl Fn(Day) -> Filter,
    of_instant: impl Fn(Timestamp) -> Filter,
) -> Filter {
    match point {
        Point::Day(..) => of_day(day(point)),
        Point::Instant(ms) => of_instant(instant(*ms)),
    }
}

/// First millisecond and the one after the last, by another road than the crate's: what the clock of the zone shows.
fn reach(point: &Point, is_day: bool) -> (i64, i64) {
    match point {
        Point::Instant(ms) => (*ms, ms + 1),
        Point::Day(year, month, day, zone) => {
            let date = jiff::civil::date(*year, *month, *day);
            let zone = if is_day { "UTC" } else { zone };
            let of = |date: jiff::civil::Date| {
                date.in_tz(zone).expect("the generators make valid ones").timestamp().as_millisecond()
            };
            (of(date), of(date.tomorrow().expect("the generators make valid ones")))
        }
    }
}

fn short_text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "",
            "a",
            "A",
            "Ada",
            "aDA",
            "0",
            "1",
            "9.99",
            "\"",
            "'",
            "\\",
            "\\\"",
            "\n",
            "a\nb",
            "{Name}",
            "\") & (\"",
            "\\n",
            "é😀",
            "İ",
            "ΣΑΣ",
            "σας",
            "ß",
            "SS",
            " ",
            "true",
            "2024-01-15",
        ])
        .prop_map(str::to_owned),
        "[aAbB\"'\\\\\n\t{}é😀0-9]{0,6}",
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        select(vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.1,
            -2.5,
            9.99,
            1e21,
            -1e300,
            1e-300,
            f64::MAX,
            f64::MIN_POSITIVE,
            123456789.125
        ]),
        (-20i32..20).prop_map(f64::from),
        any::<f64>().prop_filter("number cells are numbers", |x| x.is_finite()),
    ]
}

fn point() -> impl Strategy<Value = Point> {
    let zones = vec![
        "UTC",
        "Europe/Berlin",
        "America/St_Johns",
        "Pacific/Auckland",
        "Africa/Cairo",
        "America/Havana",
    ];
    prop_oneof![
        (2023i16..2025, 1i8..13, 1i8..29, select(zones))
            .prop_map(|(y, m, d, zone)| Point::Day(y, m, d, zone)),
        ms().prop_map(Point::Instant),
    ]
}

fn ms() -> impl Strategy<Value = i64> {
    const YEAR: i64 = 31_556_952_000;
    prop_oneof![
        53 * YEAR..55 * YEAR,
        select(vec![1_705_276_800_000, 1_705_276_799_999, 1_711_839_600_000, 1_711_839_599_999, 0, -1]),
    ]
}

fn cell(kind: FieldKind) -> BoxedStrategy<Value<'static>> {
    let item = || "[aAb\"'\\\\ é]{1,4}".prop_map(Value::from);
    let list = || prop::collection::vec(item(), 0..4).prop_map(Value::Array);
    let day = |ms: i64| {
        let iso = Date::at(instant(ms)).to_iso_string();
        Value::Date(Date::parse_cell(&iso[..10]).expect("the generators make valid ones"))
    };
    let filled = match kind {
        FieldKind::Text => short_text().prop_map(Value::from).boxed(),
        FieldKind::Number => number().prop_map(Value::from).boxed(),
        FieldKind::Checkbox => Just(Value::Boolean(true)).boxed(),
        FieldKind::Date => ms().prop_map(day).boxed(),
        FieldKind::DateTime => ms().prop_map(|ms| Value::Date(Date::at(instant(ms)))).boxed(),
        FieldKind::Array => list().boxed(),
        FieldKind::Any => prop_oneof![
            "[aAbB\"'\\\\é]{1,4}".prop_map(Value::from),
            number().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Error(ErrorKind::Raised)),
            list(),
        ]
        // A list of one stands for its element, which is another test's business.
        .prop_filter("lists of one", |value| !matches!(value, Value::Array(items) if items.len() == 1))
        .boxed(),
    };
    prop_oneof![3 => filled, 1 => Just(Value::Blank)].boxed()
}

fn table() -> impl Strategy<Value = Table> {
    let kinds = select(vec![
        FieldKind::Text,
        FieldKind::Number,
        FieldKind::Checkbox,
        FieldKind::Date,
        FieldKind::DateTime,
        FieldKind::Array,
        FieldKind::Any,
    ]);
    let name = prop_oneof![
        select(vec![
            "Name",
            "odd } one",
            "two }} braces",
            "back\\",
            "\\}",
            "{",
            " padded ",
            "IF",
            "TRUE",
            "fld00000000000001"
        ])
        .prop_map(str::to_owned),
        "[a-z }{\\\\\"'é]{1,8}".prop_filter("a name is not blank", |name| !name.trim().is_empty()),
    ];
    let field = (name, kinds).prop_flat_map(|(name, kind)| (Just(name), Just(kind), cell(kind)));
    prop::collection::vec(field, 1..10).prop_map(|fields| {
        let (fields, cells): (Vec<_>, Vec<_>) =
            fields.into_iter().map(|(name, kind, cell)| ((name, kind), cell)).unzip();
        let defs = fields
            .into_iter()
            .enumerate()
            .map(|(index, (name, kind))| FieldDef::new(format!("fld{index:014}"), name, kind));
        Table { schema: Schema::new(defs), cells }
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    use {DateTest as D, ListTest as L, NumberTest as N, TextTest as T};
    let texts = || prop::collection::vec(short_text(), 1..4);
    let items = || prop::collection::vec("[aAb\"'\\\\ é]{0,3}", 1..4);
    let text_test = || {
        select(vec![
            T::Is,
            T::AnyOf,
            T::IgnoringCase,
            T::Contains,
            T::ContainsExactly,
            T::StartsWith,
            T::EndsWith,
        ])
    };
    let number_test = select(vec![N::Is, N::AnyOf, N::Less, N::AtMost, N::More, N::AtLeast, N::Between]);
    let bound = prop_oneof![5 => number(), 1 => select(vec![f64::INFINITY, f64::NEG_INFINITY, f64::NAN])];
    let date_test = select(vec![D::Is, D::Before, D::After, D::OnOrBefore, D::OnOrAfter, D::Between]);
    let list_test = select(vec![L::Has, L::AnyOf, L::AllOf, L::Is]);
    let leaf = prop_oneof![
        (any::<Index>(), any::<bool>()).prop_map(|(field, empty)| Ask::Empty(field, empty)),
        (any::<Index>(), text_test(), texts()).prop_map(|(field, test, texts)| Ask::Text(field, test, texts)),
        (any::<Index>(), text_test(), texts())
            .prop_map(|(field, test, texts)| Ask::AsText(field, test, texts)),
        (any::<Index>(), any::<Index>(), short_text()).prop_map(|(a, b, text)| Ask::Lines(a, b, text)),
        (any::<Index>(), number_test, prop::collection::vec(bound, 2))
            .prop_map(|(field, test, numbers)| Ask::Number(field, test, numbers)),
        (any::<Index>(), any::<bool>()).prop_map(|(field, ticked)| Ask::Ticked(field, ticked)),
        (any::<Index>(), date_test, point(), point())
            .prop_map(|(field, test, a, b)| Ask::Date(field, test, a, b)),
        (any::<Index>(), list_test, items()).prop_map(|(field, test, items)| Ask::List(field, test, items)),
        select(vec![vec![], vec![ID], vec!["recB", ID], vec!["recB"]]).prop_map(Ask::RecordIds),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Ask::All),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Ask::Any),
            inner.prop_map(|ask| Ask::Not(Box::new(ask))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_and_its_formula_keep_the_same_records(table in table(), ask in ask()) {
        if let Some((filter, keeps)) = both(&ask, &table) {
            let text = filter.to_string();
            let formula = Formula::compile(&text, &table.schema, &Limits::default());
            let formula = formula.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let context = Context::new(Timestamp::UNIX_EPOCH);
            let value = formula.evaluate(&table, &context);
            prop_assert!(matches!(value, Value::Boolean(_)), "{} gives {:?}", text, value);
            prop_assert_eq!(value.is_truthy(), keeps, "{}", text);
        }
    }
}
