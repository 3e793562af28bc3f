//! The same questions where things are otherwise: several bases, other tools, long results, names that are choices too.

use serde_json::{Value, json};

use super::studio::studio;
use super::world::{World, WorldTable, field, link, select};
use crate::gemini::demo;
use crate::gemini::prompt::Prompt;
use crate::gemini::reply::Piece;

fn table(name: &str, names: &[&str]) -> WorldTable {
    WorldTable {
        name: name.to_owned(),
        fields: vec![field("Name", "singleLineText")],
        records: names
            .iter()
            .enumerate()
            .map(|(n, name)| (format!("rec{n:014}"), json!({"Name": name}).as_object().unwrap().clone()))
            .collect(),
    }
}

#[test]
fn among_several_bases_the_one_with_the_table_is_taken_or_the_user_is_asked() {
    let mut world = studio();
    world.bases.push(("Warehouse".to_owned(), vec![table("Crates", &["a", "b"]), table("People", &["x"])]));
    assert_eq!(world.ask("how many crates are there?"), "2 records in Crates.");
    assert_eq!(world.ask("how many people are in the Warehouse base?"), "1 record in People.");
    let answer = world.ask("how many people are there?");
    assert!(answer.starts_with("Several bases have such a table: Main, Warehouse."), "{answer}");
    let answer = world.ask("how many zebras are there?");
    assert!(answer.contains("- Main\n- Warehouse"), "{answer}");
    let mut talk = world.talk();
    talk.ask("list tables in Warehouse");
    assert_eq!(talk.ask("how many people are there?"), "1 record in People.", "the base of before");
}

#[test]
fn tools_with_other_names_and_less_to_offer_are_used_as_far_as_they_go() {
    let mut world = studio();
    world.foreign = true;
    assert_eq!(world.ask("how many blocked tasks are there?"), "5 records in Tasks where Status is Blocked.");
    let answer = world.ask("list done projects");
    assert!(answer.contains("Annual report"), "{answer}");
    let answer = world.ask("total budget of projects");
    assert!(answer.contains("I have no tool that adds up"), "{answer}");
    assert_eq!(world.ask("how many tasks does Ada Almeida have?"), {
        let tasks = &studio().table("Tasks").records.clone();
        let of_ada = tasks
            .iter()
            .filter(|(_, task)| task.get("Assignees").is_some_and(|names| names.to_string().contains("Ada")));
        format!("{} records in Tasks where Assignees contains \"Ada Almeida\".", of_ada.count())
    });
}

#[test]
fn results_that_came_as_text_are_read_too() {
    let mut world = studio();
    world.most_bytes = 1500;
    let exact = studio().ask("how many tasks per assignee and status");
    let from_text = world.ask("how many tasks per assignee and status");
    let groups = |answer: &str| {
        answer.lines().filter(|line| line.starts_with("- ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(groups(&from_text), groups(&exact));
    let answer = world.ask("list all tasks");
    assert!(answer.starts_with("20 of 24 records in Tasks:\n- Draft the budget"), "{answer}");
}

#[test]
fn a_choice_within_a_name_is_part_of_the_name() {
    let item = |n: usize, kind: &str, project: &str| {
        let cells = json!({"Name": format!("i{n}"), "Kind": kind, "Project": [project]});
        (format!("rec{n:014}"), cells.as_object().unwrap().clone())
    };
    let items = WorldTable {
        name: "Items".to_owned(),
        fields: vec![
            field("Name", "singleLineText"),
            select("Kind", "singleSelect", &["Data", "Video"]),
            link("Project", "Projects"),
        ],
        records: vec![
            item(1, "Video", "Data warehouse"),
            item(2, "Data", "Office"),
            item(3, "Data", "Office"),
        ],
    };
    let mut world = World::new(vec![items, table("Projects", &["Data warehouse", "Office"])]);
    assert_eq!(
        world.ask("how many items of Data warehouse"),
        "1 record in Items where Project is Data warehouse."
    );
    assert_eq!(world.ask("how many data items are there?"), "2 records in Items where Kind is Data.");
    assert_eq!(
        world.ask("how many data office items are there?"),
        "2 records in Items where Kind is Data and Project is Office."
    );
    assert!(
        world.ask("how many data zebra items are there?").starts_with("I do not know what \"zebra\" is.")
    );
}

#[test]
fn what_an_application_adds_is_no_question_and_a_last_step_says_how_far_it_got() {
    let body = json!({
        "contents": [{"parts": [{"text": "hello"}, {"text": "[today: Saturday 2026-11-21 UTC]"}]}],
        "tools": [{"functionDeclarations": [{"name": "list_bases"}, {"name": "list_records", "parametersJsonSchema":
            {"type": "object", "properties": {"base": {"type": "string"}, "table": {"type": "string"}, "filter": {"type": "string"}, "limit": {"type": "integer"}}}}]}],
    });
    let say = |body: &Value| {
        let prompt = Prompt::read(body.as_object().unwrap()).unwrap();
        let reply = demo::answer(&prompt, "2026-11-25".parse().unwrap());
        reply
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(texts) => texts.concat(),
                Piece::Call(call) => format!("<{}>", call.name),
                Piece::Thought(_) => String::new(),
            })
            .collect::<String>()
    };
    assert!(say(&body).starts_with("Hello."), "{}", say(&body));
    let mut asks = body.clone();
    asks["contents"][0]["parts"][0]["text"] = json!("how many tasks are due today?");
    assert_eq!(say(&asks), "<list_bases>");
    asks["toolConfig"] = json!({"functionCallingConfig": {"mode": "NONE"}});
    assert!(say(&asks).starts_with("I may not call any more tools in this turn"), "{}", say(&asks));
}

#[test]
fn of_choices_that_differ_by_an_accent_the_one_that_is_written_is_meant() {
    let cells = |city: &str, tags: &[&str]| json!({"City": city, "Tags": tags}).as_object().unwrap().clone();
    let mut world = World::new(vec![WorldTable {
        name: "Trips".to_owned(),
        fields: vec![
            field("Name", "singleLineText"),
            select("City", "singleSelect", &["Malaga", "Paris"]),
            select("Tags", "multipleSelects", &["Málaga", "sea"]),
        ],
        records: vec![
            ("rec00000000000001".to_owned(), cells("Malaga", &[])),
            ("rec00000000000002".to_owned(), cells("Paris", &["Málaga", "sea"])),
            ("rec00000000000003".to_owned(), cells("Paris", &["Málaga"])),
        ],
    }]);
    assert!(world.ask("how many Málaga trips are there?").starts_with("2 "));
    assert!(world.ask("how many malaga trips are there?").starts_with("1 "));
}
