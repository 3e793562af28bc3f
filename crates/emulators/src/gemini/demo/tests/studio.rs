//! Questions that people ask, over a base like those that people have.

use serde_json::{Map, Value, json};

use super::world::{World, WorldTable, field, link, select};

fn cells(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// 24 tasks, 4 people, 3 projects.
pub(super) fn studio() -> World {
    let record = |(n, value): (usize, Value)| (format!("rec{n:014}"), cells(value));
    let people = ["Ada Almeida", "Bruno Dubois", "Chloé Eze", "O'Neill, Iker"];
    let projects = ["Website relaunch", "Annual report", "Price list 2025"];
    let states = ["To do", "In progress", "Blocked", "Done", "Cancelled"];
    let tasks = (0..24).map(|n| {
        let mut task = json!({
            "Task": format!("{} {}", ["Draft", "Review", "Test"][n % 3], ["the budget", "the glossary", "contracts", "the kick-off"][n % 4]),
            "Status": states[n % 5],
            "Priority": (["High", "Medium", "Low"][n % 3]),
            "Project": [projects[n % 3]],
            "Assignees": if n % 6 == 5 { json!([]) } else if n % 4 == 0 { json!([people[n % 4], people[(n + 1) % 4]]) } else { json!([people[n % 4]]) },
        });
        if n % 6 == 5 {
            task.as_object_mut().unwrap().remove("Assignees");
        }
        if n % 2 == 0 {
            task["Hours"] = json!(n as f64 / 2.0);
        }
        if n % 3 != 2 {
            task["Due"] = json!(format!("2026-{:02}-{:02}", 10 + n % 3, 20 + n % 8));
        }
        if n % 7 == 0 {
            task["Labels"] = json!(["bug", "client"]);
        }
        if n % 4 == 0 {
            task["Urgent"] = json!(true);
        }
        task
    });
    World::new(vec![
        WorldTable {
            name: "People".to_owned(),
            fields: vec![
                field("Name", "singleLineText"),
                select("Team", "singleSelect", &["Design", "Engineering"]),
                field("Day rate", "currency"),
                field("Remote", "checkbox"),
                field("Started", "date"),
                link("Tasks", "Tasks"),
            ],
            records: people
                .iter()
                .enumerate()
                .map(|(n, name)| {
                    let mut person = json!({"Name": name, "Team": (["Design", "Engineering"][n % 2]), "Day rate": 300 + 50 * n, "Started": format!("202{}-03-01", 2 + n)});
                    if n % 2 == 1 {
                        person["Remote"] = json!(true);
                    }
                    person
                })
                .enumerate()
                .map(|(n, value)| record((100 + n, value)))
                .collect(),
        },
        WorldTable {
            name: "Projects".to_owned(),
            fields: vec![
                field("Name", "singleLineText"),
                select("Status", "singleSelect", &["Planned", "Active", "Done"]),
                field("Budget", "currency"),
                field("Spent", "currency"),
                field("Deadline", "date"),
                link("Lead", "People"),
                link("Tasks", "Tasks"),
            ],
            records: projects
                .iter()
                .enumerate()
                .map(|(n, name)| json!({"Name": name, "Status": (["Active", "Done", "Active"][n]), "Budget": 5000 + 2500 * n, "Spent": 100.5 * n as f64,
                    "Deadline": format!("2026-1{n}-15"), "Lead": [people[n]]}))
                .enumerate()
                .map(|(n, value)| record((200 + n, value)))
                .collect(),
        },
        WorldTable {
            name: "Tasks".to_owned(),
            fields: vec![
                field("Task", "singleLineText"),
                select("Status", "singleSelect", &states),
                select("Priority", "singleSelect", &["High", "Medium", "Low"]),
                field("Due", "date"),
                field("Hours", "number"),
                select("Labels", "multipleSelects", &["bug", "client", "docs"]),
                field("Urgent", "checkbox"),
                link("Project", "Projects"),
                link("Assignees", "People"),
                field("Notes", "multilineText"),
            ],
            records: tasks.enumerate().map(record).collect(),
        },
    ])
}

fn count(keep: impl Fn(&Map<String, Value>) -> bool) -> usize {
    studio().table("Tasks").records.iter().filter(|(_, task)| keep(task)).count()
}

fn has(task: &Map<String, Value>, field: &str, value: &str) -> bool {
    match task.get(field) {
        Some(Value::String(text)) => text == value,
        Some(Value::Array(items)) => items.iter().any(|item| item == value),
        _ => false,
    }
}

fn is_open(task: &Map<String, Value>) -> bool {
    !has(task, "Status", "Done") && !has(task, "Status", "Cancelled")
}

/// The first number of the answer.
#[track_caller]
fn counts(question: &str, expected: usize) {
    let answer = studio().ask(question);
    let said = if answer.starts_with("There are no records") {
        Some(0)
    } else {
        answer.split(' ').next().and_then(|word| word.parse().ok())
    };
    assert_eq!(said, Some(expected), "{question}\n{answer}");
}

#[test]
fn records_are_counted_under_all_kinds_of_conditions() {
    counts("How many tasks are there?", 24);
    counts("how many people do we have", 4);
    counts("Count the tasks", 24);
    counts("How many open tasks are there?", count(is_open));
    counts("how many tasks are still open", count(is_open));
    counts("How many tasks are not done?", count(|task| !has(task, "Status", "Done")));
    counts("How many tasks are done?", count(|task| has(task, "Status", "Done")));
    counts("how many blocked tasks", count(|task| has(task, "Status", "Blocked")));
    counts(
        "How many tasks are in progress or blocked?",
        count(|task| has(task, "Status", "Blocked") || has(task, "Status", "In progress")),
    );
    counts("how many tasks have status to do", count(|task| has(task, "Status", "To do")));
    counts("How many tasks where Status is not Blocked?", count(|task| !has(task, "Status", "Blocked")));
    counts(
        "how many tasks are neither done nor blocked?",
        count(|task| !has(task, "Status", "Done") && !has(task, "Status", "Blocked")),
    );
    counts("how many tasks with labels bug and client", count(|task| has(task, "Labels", "bug")));
    counts(
        "how many tasks with hours of more than 5",
        count(|task| task.get("Hours").and_then(Value::as_f64).is_some_and(|hours| hours > 5.0)),
    );
    counts("how many high priority tasks", count(|task| has(task, "Priority", "High")));
    counts(
        "how many high or medium priority tasks are open",
        count(|task| !has(task, "Priority", "Low") && is_open(task)),
    );
    counts("How many tasks are labelled bug?", count(|task| has(task, "Labels", "bug")));
    counts("how many urgent tasks?", count(|task| task.contains_key("Urgent")));
    counts("how many tasks are not urgent?", count(|task| !task.contains_key("Urgent")));
    counts(
        "How many tasks have more than 5 hours?",
        count(|task| task.get("Hours").and_then(Value::as_f64).is_some_and(|hours| hours > 5.0)),
    );
    counts(
        "how many tasks with hours < 5",
        count(|task| task.get("Hours").and_then(Value::as_f64).is_some_and(|hours| hours < 5.0)),
    );
    counts(
        "how many tasks have hours between 2 and 6",
        count(|task| {
            task.get("Hours").and_then(Value::as_f64).is_some_and(|hours| (2.0..=6.0).contains(&hours))
        }),
    );
    counts("How many tasks have no hours?", count(|task| !task.contains_key("Hours")));
    counts("how many tasks have no assignee", count(|task| !task.contains_key("Assignees")));
    counts("How many unassigned tasks are there?", count(|task| !task.contains_key("Assignees")));
    let people = studio().table("People").records.clone();
    let started = |person: &Map<String, Value>| person["Started"].as_str().unwrap().starts_with("2023");
    counts("how many people started in 2023", people.iter().filter(|(_, person)| started(person)).count());
    counts("how many tasks without a due date?", count(|task| !task.contains_key("Due")));
}

#[test]
fn dates_are_counted_from_today() {
    let due =
        |keep: &dyn Fn(&str) -> bool| count(|task| task.get("Due").and_then(Value::as_str).is_some_and(keep));
    counts("How many tasks are due today?", due(&|day| day == "2026-11-25"));
    counts("how many tasks are due this month", due(&|day| day.starts_with("2026-11")));
    counts("how many tasks were due last month", due(&|day| day.starts_with("2026-10")));
    counts("How many tasks are due in December 2026?", due(&|day| day.starts_with("2026-12")));
    counts("how many tasks are due before 2026-11-22", due(&|day| day < "2026-11-22"));
    counts("how many tasks are due after 2026-11-22", due(&|day| day > "2026-11-22"));
    counts("how many tasks are due since 2026-11-22?", due(&|day| day >= "2026-11-22"));
    counts(
        "how many tasks are due in the next 30 days",
        due(&|day| ("2026-11-25".."2026-12-26").contains(&day)),
    );
    counts(
        "How many tasks are overdue?",
        count(|task| {
            task.get("Due").and_then(Value::as_str).is_some_and(|day| day < "2026-11-25") && is_open(task)
        }),
    );
}

#[test]
fn names_of_linked_records_are_looked_up() {
    counts("How many tasks does Ada have?", count(|task| has(task, "Assignees", "Ada Almeida")));
    counts(
        "how many open tasks are assigned to Bruno Dubois?",
        count(|task| has(task, "Assignees", "Bruno Dubois") && is_open(task)),
    );
    counts("how many tasks does chloe have", count(|task| has(task, "Assignees", "Chloé Eze")));
    counts(
        "how many tasks in the Website relaunch project",
        count(|task| has(task, "Project", "Website relaunch")),
    );
    counts(
        "How many tasks are in project Price list 2025?",
        count(|task| has(task, "Project", "Price list 2025")),
    );
    counts("how many tasks of \"O'Neill, Iker\"", count(|task| has(task, "Assignees", "O'Neill, Iker")));
}

#[track_caller]
fn says(question: &str, parts: &[&str]) {
    let answer = studio().ask(question);
    for part in parts {
        assert!(answer.contains(part), "{question}\n{answer}\nlacks {part:?}");
    }
}

#[test]
fn numbers_are_computed_and_grouped() {
    says("What is the total budget?", &["Total Budget in Projects: 22500"]);
    says("average budget of projects", &["Average Budget in Projects: 7500"]);
    says(
        "how much budget is spent per project?",
        &[
            "Total Budget and Total Spent in Projects, by Name",
            "- Annual report: Total Budget 7500, Total Spent 100.5",
        ],
    );
    says("What is the highest budget?", &["Highest Budget in Projects: 10000"]);
    // Day rates are 300, 350, 400, 450, of two teams in turn.
    says("What is the highest day rate of people by team?", &["- Engineering: 450", "- Design: 400"]);
    says("lowest day rate of people per team", &["- Engineering: 350", "- Design: 300"]);
    says("total budget of active projects", &["Total Budget in Projects where Status is Active: 15000"]);
    says("How much budget do all projects have?", &["Total Budget in Projects: 22500"]);
    says("average and total budget", &["Average Budget: 7500", "Total Budget: 22500"]);
    says("how many hours are there in total?", &["Total Hours in Tasks: 66"]);
    says("hours per project", &["Total Hours in Tasks, by Project"]);
    says("who is working on the Annual report?", &["there is this: \n- Annual report (Projects)"]);
    says("sum of hours per project", &["by Project", "- Website relaunch: ", "(24 records in 3 groups)"]);
    says(
        "How many tasks per status?",
        &["by Status (24 records in 5 groups)", "- To do: 5", "- Blocked: 5", "- Cancelled: 4"],
    );
    says("number of tasks by priority and status", &["by Priority and Status"]);
    says("how many tasks per month", &["by month of Due", "- 2026-10: "]);
    let open = |name: &str| count(|task| has(task, "Assignees", name) && is_open(task));
    for question in [
        "How many open tasks does each person have?",
        "open tasks per person",
        "how many open tasks per assignee?",
    ] {
        says(
            question,
            &[
                &format!("- Ada Almeida: {}", open("Ada Almeida")),
                &format!("- Chloé Eze: {}", open("Chloé Eze")),
                "by Assignees",
            ],
        );
    }
    says(
        "which team has the most people?",
        &["Records in People, by Team, the most:", "- Design: 2", "- Engineering: 2"],
    );
    says("average hours per task", &["Average Hours in Tasks: 5.5"]);
    says("how many records are in each table?", &["- People: 4\n- Projects: 3\n- Tasks: 24"]);
    says("How many tasks have 30000?", &["I do not know what \"30000\" is"]);
    says("Which project has the most tasks?", &["the most", ": 8"]);
    says("who has the most open tasks?", &["Assignees", "the most"]);
    says("How many statuses are there in tasks?", &["Number of different values of Status in Tasks: 5"]);
}

#[test]
fn records_are_listed_sorted_and_shown_whole() {
    says("list all projects", &["3 records in Projects:", "- Website relaunch (", "Budget: 5000"]);
    says(
        "show me the 2 largest projects by budget",
        &["2 of 3 records in Projects", "- Price list 2025", "- Annual report"],
    );
    says(
        "Which project has the highest budget?",
        &["Largest Budget in Projects: 10000\n- Price list 2025 ("],
    );
    says("who has the lowest day rate?", &["Smallest Day rate in People: 300\n- Ada Almeida ("]);
    says(
        "What is the lead of Annual report?",
        &["1 record in Projects where Name is \"Annual report\":\n- Annual report (Lead: Bruno Dubois)"],
    );
    says("what is Bruno's day rate?", &["Bruno Dubois (Day rate: 350)"]);
    says("find everything about contracts", &["records with \"contracts\""]);
    says("top 2 projects by budget", &["2 of 3", "- Price list 2025"]);
    says(
        "which projects are done?",
        &["Annual report (Projects):", "- Budget: 7500", "- Lead: Bruno Dubois"],
    );
    says("show 5 tasks", &["5 of 24 records in Tasks"]);
    says(
        "tasks sorted by hours descending",
        &["20 of 24 records", "largest Hours first:\n- Review contracts (Hours: 11; "],
    );
    says("which people are remote?", &["2 records in People where Remote is checked", "- Bruno Dubois"]);
    says("people who are not remote", &["2 records in People where Remote is not checked", "- Ada Almeida"]);
    says("show me rec00000000000200", &["Website relaunch (Projects):"]);
    says("what is the budget of Annual report?", &["Annual report", "7500"]);
}

#[test]
fn the_schema_is_told() {
    says("which bases are there?", &["There is 1 base:\n- Main (app00000000000000)"]);
    says("list tables", &["There are 3 tables in Main:\n- People\n- Projects\n- Tasks"]);
    says(
        "describe the Projects table",
        &["Projects has 7 fields", "- Status: one choice (Planned, Active, Done)", "- Lead: links to People"],
    );
    says("what fields does tasks have?", &["Tasks has 10 fields"]);
    says("what are the choices of priority in tasks", &["Priority in Tasks: High, Medium, Low."]);
    says("hello", &["Ask me about your bases"]);
    says("what can you do?", &["Ask me about your bases"]);
    says("search for glossary", &["6 records with \"glossary\"", "- Review the glossary (Tasks)"]);
    says("find glossary", &["6 records with \"glossary\"", "- Review the glossary (Tasks)"]);
}

#[test]
fn what_is_not_understood_is_said_and_no_number_is_invented() {
    for question in [
        "How many tasks are purple?",
        "how many zebras",
        "average of tasks",
        "how many tasks does Zoltan have?",
    ] {
        let answer = studio().ask(question);
        assert!(!answer.chars().next().unwrap().is_ascii_digit(), "{question}\n{answer}");
    }
    says("thanks a lot!", &["You are welcome."]);
    says("no", &["I leave everything as it is"]);
    says("yes", &["nothing that waits"]);
    says(
        "How many tasks are purple?",
        &["I do not know what \"purple\" is", "records of Tasks", "Fields of Tasks: Task, Status (To do"],
    );
    says(
        "How many tasks were created this year?",
        &["I see no date in Tasks that says when something was created"],
    );
    says("how many zebras", &["The tables are People, Projects, Tasks"]);
}

#[test]
fn a_question_goes_on_from_the_one_before() {
    let mut world = studio();
    let mut talk = world.talk();
    talk.ask("How many open tasks are there?");
    let answer = talk.ask("And per project?");
    assert!(answer.contains("where Status is not Done nor Cancelled, by Project"), "{answer}");
    let answer = talk.ask("and for Ada?");
    assert!(answer.contains("Assignees is Ada Almeida") && answer.contains("by Project"), "{answer}");
    let answer = talk.ask("only the high ones");
    assert!(answer.contains("Priority is High") && answer.contains("by Project"), "{answer}");
    let answer = talk.ask("How many people are there?");
    assert_eq!(answer, "4 records in People.");
}

#[test]
fn the_first_answer_says_who_speaks() {
    let mut world = studio();
    let mut talk = world.talk();
    talk.ask("How many tasks are there?");
    assert!(
        talk.contents.last().unwrap()["parts"][0]["text"]
            .as_str()
            .unwrap()
            .ends_with("I am PyAirtable's demo model: fixed rules, no AI.")
    );
    talk.ask("How many people are there?");
    assert_eq!(talk.contents.last().unwrap()["parts"][0]["text"], "4 records in People.");
}

#[test]
fn records_are_created_changed_and_deleted() {
    let mut world = studio();
    let answer = world.ask("Add a task called Order pizza with priority High and hours 2");
    assert!(answer.starts_with("Created \"Order pizza\" in Tasks with Priority: High, Hours: 2"), "{answer}");
    assert_eq!(
        Value::Object(world.table("Tasks").records[24].1.clone()),
        json!({"Task": "Order pizza", "Priority": "High", "Hours": 2})
    );
    let answer = world
        .ask("create a project \"New office\" with budget = 12,500, deadline: 2027-01-31 and status Planned");
    assert!(answer.contains("Created \"New office\" in Projects"), "{answer}");
    assert_eq!(
        Value::Object(world.table("Projects").records[3].1.clone()),
        json!({"Name": "New office", "Budget": 12500, "Deadline": "2027-01-31", "Status": "Planned"})
    );

    let answer =
        world.ask("Create a task \"Buy milk\" due tomorrow with priority Low assigned to Ada Almeida");
    assert!(answer.contains("Due: 2026-11-26, Priority: Low, Assignees: Ada Almeida"), "{answer}");
    let answer = world.ask("Create a task \"Buy bread\" with priority Low and frobnication 7");
    assert!(
        answer.starts_with("I do not know what to do with \"frobnication 7\", so I have created nothing."),
        "{answer}"
    );
    let mut talk = world.talk();
    talk.ask("create a task \"Buy eggs\" with priority High");
    assert!(talk.ask("mark it as blocked").contains("Status is now Blocked"));
    let answer = talk.ask("delete all projects that are planned because it is late");
    assert!(!answer.starts_with("Deleted the record"), "{answer}");
    talk.ask("create a task \"Buy eggs\" with priority High");
    assert!(talk.ask("delete it").starts_with("Deleted the record rec"));
    let eggs = world.table("Tasks").records.iter().filter(|(_, task)| task["Task"] == "Buy eggs");
    assert_eq!(eggs.count(), 1, "one of two");
    let answer = world.ask("delete task \"Buy milk\"");
    assert_eq!(answer, "Deleted \"Buy milk\" in Tasks.");
    let answer = world.ask("Set the status of \"Order pizza\" to Done in tasks");
    assert_eq!(answer, "Changed \"Order pizza\" in Tasks: Status is now Done.");
    assert_eq!(world.table("Tasks").records[24].1["Status"], "Done");
    let answer = world.ask("mark task \"Order pizza\" as blocked");
    assert_eq!(answer, "Changed \"Order pizza\" in Tasks: Status is now Blocked.");
    let answer = world.ask("change the budget of project Annual report to 9000");
    assert_eq!(answer, "Changed \"Annual report\" in Projects: Budget is now 9000.");
    let answer = world.ask("set priority to Low for all blocked tasks");
    assert_eq!(answer, "Changed 7 records in Tasks: Priority is now Low.");
    assert!(
        world
            .table("Tasks")
            .records
            .iter()
            .all(|(_, task)| task["Status"] != "Blocked" || task["Priority"] == "Low")
    );

    let answer = world.ask("set hours to 1 for all to do tasks of Annual report");
    assert!(answer.starts_with("Changed ") && answer.contains(" in Tasks: Hours is now 1."), "{answer}");
    let changed =
        world.table("Tasks").records.iter().filter(|(_, task)| task.get("Hours") == Some(&json!(1)));
    let changed: Vec<_> = changed
        .filter(|(_, task)| task["Task"] != "Order pizza")
        .map(|(_, task)| (has(task, "Project", "Annual report"), has(task, "Status", "To do")))
        .filter(|both| *both != (false, false))
        .collect();
    assert!(!changed.is_empty() && changed.iter().all(|both| *both == (true, true)), "{changed:?}");
    let low: Vec<usize> = (0..world.table("Tasks").records.len())
        .filter(|at| world.table("Tasks").records[*at].1["Priority"] == "Low")
        .collect();
    let before =
        world.table("Tasks").records.iter().map(|(_, task)| task["Priority"].clone()).collect::<Vec<_>>();
    let answer = world.ask("set status of all tasks with priority Low to Blocked");
    assert_eq!(answer, format!("Changed {} records in Tasks: Status is now Blocked.", low.len()));
    let tasks = &world.table("Tasks").records;
    assert!(low.iter().all(|at| tasks[*at].1["Status"] == "Blocked"));
    assert!(tasks.iter().zip(before).all(|((_, task), priority)| task["Priority"] == priority));

    let answer = world.ask("delete the task \"Order pizza\"");
    assert_eq!(answer, "Deleted \"Order pizza\" in Tasks.");
    assert_eq!(world.table("Tasks").records.len(), 25, "the eggs are left");
    let answer = world.ask("delete the task \"Nothing at all\"");
    assert!(answer.starts_with("There are no records in Tasks where Task is \"Nothing at all\""), "{answer}");
    let answer = world.ask("set priority of project \"Annual report\" to High");
    assert!(answer.contains("I do not see what is to be changed"), "{answer}");
    let answer = world.ask("set status of project \"Annual report\" to Frozen");
    assert_eq!(answer, "Status has no choice \"Frozen\". It has Planned, Active, Done.");
}

#[test]
fn a_preview_is_shown_and_confirmed_by_the_user() {
    let mut world = studio();
    world.confirms = true;
    let mut talk = world.talk();
    let answer = talk.ask("delete the project \"Annual report\"");
    assert_eq!(answer, "1 record would change\nNothing is changed yet. Reply yes to go ahead.");
    let answer = talk.ask("yes");
    assert_eq!(answer, "Done: 1 record.");
    assert_eq!(world.table("Projects").records.len(), 2);
    let mut talk = world.talk();
    talk.ask("delete the project \"Website relaunch\"");
    talk.ask("no");
    assert_eq!(world.table("Projects").records.len(), 2);
}
