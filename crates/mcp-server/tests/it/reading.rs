//! The reading tools, their results compared with what is in the base.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{BASE, STATES, World, person_id};

const JOBS: &str = "Aufträge";

#[tokio::test]
async fn what_is_there_is_found_by_name_and_by_id() {
    let server = World::new(3, 2).server().await;
    let bases = server.ok("list_bases", json!({})).await;
    assert_eq!(bases["bases"][0], json!({"id": BASE, "name": "Werkstatt / 100%", "permission": "create"}));
    let tables = server.ok("list_tables", json!({"base": "werkstatt / 100%"})).await;
    assert_eq!(tables["tables"][1]["name"], "Leute");
    assert_eq!(tables["tables"][0]["description"], "Was zu tun ist");
    let table = server.ok("describe_table", json!({"base_id": BASE, "table_id": "tblJobs0000000001"})).await;
    assert_eq!(table["fields"][1]["choices"], json!(STATES));
    assert_eq!(table["fields"][6]["links_to"], json!({"id": "tblPeople00000001", "name": "Leute"}));
    assert_eq!(table["fields"][8]["writable"], false);
    let text = server.text("describe_table", json!({"base": BASE, "table": JOBS})).await;
    assert!(text.contains("- \"Bearbeiter\": multipleRecordLinks to table \"Leute\"\n"), "{text}");
    assert!(text.contains("- \"Doppelt\": formula of number, computed = {Kosten (€)}*2"), "{text}");
}

#[tokio::test]
async fn a_listing_goes_through_all_records_with_its_cursor_and_says_how_many_there_were() {
    let world = World::new(230, 7);
    let server = world.server().await;
    let mut arguments = json!({"base": BASE, "table": JOBS, "limit": 90, "fields": ["Titel", "Kosten (€)"]});
    let mut read: Vec<Value> = Vec::new();
    let mut calls = 0;
    loop {
        let page = server.ok("list_records", arguments.clone()).await;
        read.extend(page["records"].as_array().unwrap().iter().cloned());
        calls += 1;
        match page["next_cursor"].as_str() {
            Some(cursor) => {
                assert_eq!((page["complete"].clone(), page["total"].clone()), (json!(false), Value::Null));
                arguments["cursor"] = json!(cursor);
            }
            None => {
                assert_eq!((page["complete"].clone(), page["total"].clone()), (json!(true), json!(230)));
                break;
            }
        }
    }
    assert_eq!(calls, 3);
    let ids: Vec<&Value> = read.iter().map(|record| &record["id"]).collect();
    let expected: Vec<&Value> = world.jobs.iter().map(|record| &record["id"]).collect();
    assert_eq!(ids, expected);
    for (record, truth) in read.iter().zip(&world.jobs) {
        assert_eq!(record["fields"]["Kosten (€)"].as_f64(), truth["fields"]["Kosten (€)"].as_f64());
    }
}

#[tokio::test]
async fn groups_are_complete_and_sums_exact() {
    let world = World::new(437, 9);
    let server = world.server().await;
    let mut truth: BTreeMap<String, (u64, i64)> = BTreeMap::new();
    for job in &world.jobs {
        let cents = (job["fields"]["Kosten (€)"].as_f64().unwrap_or(0.0) * 100.0).round() as i64;
        for who in job["fields"]["Bearbeiter"].as_array().unwrap_or(&vec![json!("-")]) {
            let entry = truth.entry(who.as_str().unwrap().to_owned()).or_default();
            *entry = (entry.0 + 1, entry.1 + cents);
        }
    }
    let result = server
        .ok("aggregate_records", json!({"base": BASE, "table": JOBS, "group_by": ["Bearbeiter"], "metrics": ["count", "sum(Kosten (€))"]}))
        .await;
    assert_eq!((result["rows"].clone(), result["complete"].clone()), (json!(437), json!(true)));
    let groups = result["groups"].as_array().unwrap();
    assert_eq!(groups.len(), truth.len());
    for group in groups {
        let who = &group["group"]["Bearbeiter"];
        let id = who["id"].as_str().unwrap_or("-");
        let (count, cents) = truth[id];
        assert_eq!(group["metrics"]["count"], json!(count), "{group}");
        let sum = group["metrics"]["sum(Kosten (€))"].as_f64().unwrap();
        assert_eq!(sum, cents as f64 / 100.0, "{group}");
        if id != "-" {
            let number: usize = id[9..].parse().unwrap();
            assert_eq!(id, person_id(number));
            assert_eq!(who["name"], world.people[number]["fields"]["Wer"]);
        }
    }
}

#[tokio::test]
async fn records_come_with_names_beside_ids_and_as_compact_text() {
    let world = World::new(40, 3);
    let server = world.server().await;
    let number =
        (0..40).find(|n| n % 7 == 0 && world.jobs[*n]["fields"].get("Bearbeiter").is_some()).unwrap();
    let filter = format!("{{Titel}}='Auftrag {number:04}'");
    let arguments = json!({"table": JOBS, "base": BASE, "filter": filter});
    let result = server.ok("list_records", arguments.clone()).await;
    let truth = &world.jobs[number]["fields"]["Bearbeiter"];
    let linked = result["records"][0]["fields"]["Bearbeiter"].as_array().unwrap();
    for (linked, id) in linked.iter().zip(truth.as_array().unwrap()) {
        let person: usize = id.as_str().unwrap()[9..].parse().unwrap();
        assert_eq!(linked, &json!({"id": id, "name": world.people[person]["fields"]["Wer"]}));
    }
    let text = server.text("list_records", arguments).await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "(emulated Airtable) \"Aufträge\": 1 record, all there are");
    assert!(lines[1].starts_with("id,Titel,"), "{text}");
    assert!(text.contains(&format!("\"Rückfrage bei {number}, \"\"dringend\"\"\nzweite Zeile\"")), "{text}");
    assert!(text.contains("(empty in all these records: "), "{text}");
    assert!(text.contains("Person "), "{text}");
}

#[tokio::test]
async fn arguments_of_the_predecessor_are_understood() {
    let server = World::new(30, 1).server().await;
    let page = server
        .ok(
            "list_records",
            json!({"base_id": BASE, "table_id": JOBS, "max_records": 25, "page_size": 10,
            "filter_by_formula": "{Titel}!=''", "sort": [{"field": "Titel", "direction": "desc"}]}),
        )
        .await;
    assert_eq!(page["records"].as_array().unwrap().len(), 25);
    assert_eq!(page["records"][0]["fields"]["Titel"], "Auftrag 0029");
    let page = server.ok("list_records", json!({"base_id": BASE, "table_id": JOBS, "pageSize": 10})).await;
    assert_eq!(page["records"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn every_format_has_the_same_rows() {
    let server = World::new(5, 2).server().await;
    let call = |format: &str| json!({"table": JOBS, "base": BASE, "fields": ["Titel"], "sort": ["-Titel"], "format": format});
    let markdown = server.text("list_records", call("markdown")).await;
    assert!(
        markdown.contains("| id | Titel |\n| --- | --- |\n| recJob00000000004 | Auftrag 0004 |"),
        "{markdown}"
    );
    let json = server.text("list_records", call("json")).await;
    let rows: Value = serde_json::from_str(json.split_once('\n').unwrap().1).unwrap();
    assert_eq!(rows[0]["fields"]["Titel"], "Auftrag 0004");
    assert_eq!(rows.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_long_answer_is_cut_at_a_row_and_goes_on_exactly_there() {
    let mut world = World::new(120, 1);
    for (n, job) in
        world.seed["bases"][0]["tables"][0]["records"].as_array_mut().unwrap().iter_mut().enumerate()
    {
        job["fields"]["Notiz"] = json!(format!("{n} {}", "x".repeat(1500)));
    }
    let server = world.server().await;
    let mut arguments = json!({"base": BASE, "table": JOBS, "fields": ["Notiz"]});
    let mut seen: Vec<Value> = Vec::new();
    for _ in 0..10 {
        let result = server.call("list_records", arguments.clone()).await;
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.len() < 61_000, "{}", text.len());
        let structured = &result["structuredContent"];
        for record in structured["records"].as_array().unwrap() {
            assert!(text.contains(record["id"].as_str().unwrap()), "text and structure have the same rows");
            seen.push(record["id"].clone());
        }
        match structured["next_cursor"].as_str() {
            Some(cursor) => arguments["cursor"] = json!(cursor),
            None => break,
        }
    }
    let expected: Vec<Value> = world.jobs.iter().map(|job| job["id"].clone()).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_search_finds_words_in_any_text_of_any_table_and_says_where_it_looked() {
    let world = World::new(60, 6);
    let server = world.server().await;
    let result =
        server.ok("search_records", json!({"base": BASE, "query": "RÜCKFRAGE dringend", "limit": 100})).await;
    let expected = world.jobs.iter().filter(|job| job["fields"].get("Notiz").is_some()).count();
    assert_eq!(result["matches"].as_array().unwrap().len(), expected);
    assert_eq!(result["complete"], true);
    assert!(result["matches"][0]["fields"]["Notiz"].as_str().unwrap().contains("Rückfrage"));

    // By a linked record's name, in both tables.
    let result = server.ok("search_records", json!({"base": BASE, "query": "öztürk", "limit": 500})).await;
    let people =
        world.people.iter().filter(|p| p["fields"]["Wer"].as_str().unwrap().contains("Öztürk")).count();
    let of =
        |table: &str| result["matches"].as_array().unwrap().iter().filter(|m| m["table"] == table).count();
    assert_eq!(of("Leute"), people);
    let is_ozturk = |id: &Value| id.as_str().unwrap()[9..].parse::<usize>().unwrap() % 3 == 0;
    let jobs = world
        .jobs
        .iter()
        .filter(|job| job["fields"]["Bearbeiter"].as_array().is_some_and(|ids| ids.iter().any(is_ozturk)))
        .count();
    assert_eq!(of(JOBS), jobs);

    let text = server.text("search_records", json!({"base": BASE, "query": "\"O'Neill\" nirgends"})).await;
    assert!(
        text.contains("No record has") && text.contains("Searched, ignoring case: \"Aufträge\""),
        "{text}"
    );
    let quoted =
        server.ok("search_records", json!({"base": BASE, "query": "\\\" OR 1=1", "table": JOBS})).await;
    assert_eq!(quoted["matches"], json!([]), "a query cannot leave its literal");
}

#[tokio::test]
async fn a_search_that_stops_early_says_so() {
    let server = World::new(60, 6).server().await;
    let result = server.ok("search_records", json!({"base": BASE, "query": "auftrag", "limit": 10})).await;
    assert_eq!((result["matches"].as_array().unwrap().len(), &result["complete"]), (10, &json!(false)));
    let text = server.text("search_records", json!({"base": BASE, "query": "auftrag", "limit": 10})).await;
    assert!(text.contains("there are more") && text.contains("\"Leute\""), "{text}");
}

#[tokio::test]
async fn records_that_are_called_so_come_before_those_that_link_to_them() {
    // Many jobs of the first table have this person.
    let server = World::new(200, 2).server().await;
    let result = server.ok("search_records", json!({"base": BASE, "query": "person 1", "limit": 5})).await;
    let first = &result["matches"][0];
    assert_eq!((&first["table"], &first["id"]), (&json!("Leute"), &json!(person_id(1))), "{result}");
    assert_eq!(result["matches"][1]["table"], json!(JOBS));
}

#[tokio::test]
async fn one_record_is_given_whole() {
    let world = World::new(8, 2);
    let server = world.server().await;
    let result =
        server.ok("get_record", json!({"base": BASE, "table": JOBS, "recordId": "recJob00000000007"})).await;
    assert_eq!(result["record"]["fields"]["Notiz"], world.jobs[7]["fields"]["Notiz"]);
    let text = server
        .text("get_record", json!({"base": BASE, "table": JOBS, "record_id": "recJob00000000007"}))
        .await;
    assert!(text.contains("\nTitel: Auftrag 0007"), "{text}");
    let missing = server
        .error("get_record", json!({"base": BASE, "table": JOBS, "record_id": "recJob00000009999"}))
        .await;
    assert!(missing.contains("search_records"), "{missing}");
    let elsewhere = server
        .error("get_record", json!({"base": BASE, "table": JOBS, "record_id": "recPerson00000000"}))
        .await;
    assert!(elsewhere.contains("another table"), "{elsewhere}");
}

#[tokio::test]
async fn all_metrics_agree_with_the_base() {
    let world = World::new(333, 5);
    let server = world.server().await;
    let costs: Vec<i64> = world
        .jobs
        .iter()
        .filter_map(|job| job["fields"]["Kosten (€)"].as_f64())
        .map(|cost| (cost * 100.0).round() as i64)
        .collect();
    let due: Vec<&str> = world.jobs.iter().filter_map(|job| job["fields"]["Fällig"].as_str()).collect();
    let result = server
        .ok("aggregate_records", json!({"base": BASE, "table": JOBS, "metrics": [
            "count", "count(Kosten (€))", "sum(Kosten (€))", "avg(Kosten (€))", "min(Kosten (€))", "max(Kosten (€))",
            "min(Fällig)", "max({Fällig})", "distinct(Stand)", "sum(Fertig?)", "sum(Doppelt)", "sum(Sätze)",
        ]}))
        .await;
    let totals = &result["totals"];
    let cents = |name: &str| (totals[name].as_f64().unwrap() * 100.0).round() as i64;
    let sum: i64 = costs.iter().sum();
    assert_eq!(totals["count"], 333);
    assert_eq!(totals["count(Kosten (€))"], costs.len());
    assert_eq!(totals["sum(Kosten (€))"].as_f64().unwrap(), sum as f64 / 100.0);
    assert!(
        (totals["avg(Kosten (€))"].as_f64().unwrap() - sum as f64 / 100.0 / costs.len() as f64).abs() < 1e-9
    );
    assert_eq!(cents("min(Kosten (€))"), *costs.iter().min().unwrap());
    assert_eq!(cents("max(Kosten (€))"), *costs.iter().max().unwrap());
    assert_eq!(totals["min(Fällig)"], json!(due.iter().min()));
    assert_eq!(totals["max(Fällig)"], json!(due.iter().max()));
    assert_eq!(totals["distinct(Stand)"], 4);
    let ticked = world.jobs.iter().filter(|job| job["fields"]["Fertig?"] == true).count();
    assert_eq!(totals["sum(Fertig?)"], ticked);
    assert_eq!(cents("sum(Doppelt)"), 2 * sum);
    let rates: u64 = world
        .jobs
        .iter()
        .flat_map(|job| job["fields"]["Bearbeiter"].as_array().cloned().unwrap_or_default())
        .map(|id| 10 + id.as_str().unwrap()[9..].parse::<u64>().unwrap())
        .sum();
    assert_eq!(totals["sum(Sätze)"], rates);
}

#[tokio::test]
async fn groups_by_month_tag_tick_and_choice_agree_with_the_base() {
    let world = World::new(250, 4);
    let server = world.server().await;
    let count_by = |keys: &dyn Fn(&Value) -> Vec<String>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for job in &world.jobs {
            for key in keys(&job["fields"]) {
                *counts.entry(key).or_default() += 1;
            }
        }
        counts
    };
    let text = |value: &Value| value.as_str().unwrap_or("null").to_owned();
    let many = |value: &Value| match value.as_array() {
        Some(items) => items.iter().map(text).collect(),
        None => vec!["null".to_owned()],
    };
    let cases: [(&str, BTreeMap<String, u64>); 4] = [
        (
            "Fällig:month",
            count_by(&|f| vec![f["Fällig"].as_str().map_or("null".into(), |day| day[..7].to_owned())]),
        ),
        ("Marken", count_by(&|f| many(&f["Marken"]))),
        ("Fertig?", count_by(&|f| vec![(f["Fertig?"] == true).to_string()])),
        ("Stand", count_by(&|f| vec![text(&f["Stand"])])),
    ];
    for (by, truth) in cases {
        let result =
            server.ok("aggregate_records", json!({"base": BASE, "table": JOBS, "group_by": by})).await;
        let groups = result["groups"].as_array().unwrap();
        let found: BTreeMap<String, u64> = groups
            .iter()
            .map(|group| {
                let key = match &group["group"][by] {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                (key, group["metrics"]["count"].as_u64().unwrap())
            })
            .collect();
        assert_eq!(found, truth, "{by}");
        if by == "Fällig:month" {
            let keys: Vec<&str> = groups.iter().filter_map(|group| group["group"][by].as_str()).collect();
            assert!(keys.is_sorted(), "dates come in their order: {keys:?}");
        }
        if by == "Stand" {
            let counts: Vec<u64> = groups
                .iter()
                .filter(|g| !g["group"][by].is_null())
                .map(|g| g["metrics"]["count"].as_u64().unwrap())
                .collect();
            assert!(counts.is_sorted_by(|a, b| a >= b), "the largest comes first: {counts:?}");
        }
    }
    let filtered = server
        .ok("aggregate_records", json!({"base": BASE, "table": JOBS, "filter": "{Stand}='Erledigt'", "group_by": ["Stand", "Fertig?"]}))
        .await;
    let done = world.jobs.iter().filter(|job| job["fields"]["Stand"] == "Erledigt").count();
    assert_eq!(filtered["rows"], done);
    let notes =
        server.text("aggregate_records", json!({"base": BASE, "table": JOBS, "group_by": ["Marken"]})).await;
    assert!(notes.contains("counts in each of their groups"), "{notes}");
}

#[tokio::test]
async fn wrong_names_are_answered_with_the_right_ones() {
    let server = World::new(3, 1).server().await;
    for (tool, arguments, expected) in [
        ("list_tables", json!({"base": "Werkstat / 100%"}), r#"did you mean "Werkstatt / 100%"?"#),
        ("list_tables", json!({"base": "appNichts00000000"}), "\"Werkstatt / 100%\" (appWorld000000001)"),
        ("list_tables", json!({}), "argument base must name one: \"Werkstatt / 100%\" (app"),
        ("list_records", json!({"base": BASE, "table": "Auftrage"}), r#"did you mean "Aufträge"?"#),
        (
            "list_records",
            json!({"base": BASE, "table": JOBS, "fields": ["Titl"]}),
            r#"did you mean "Titel"?"#,
        ),
        ("list_records", json!({"base": BASE, "table": JOBS, "sort": ["-Titl"]}), r#"did you mean "Titel"?"#),
        ("list_records", json!({"base": BASE, "table": JOBS, "view": "Ale"}), r#"did you mean "Alle"?"#),
        (
            "list_records",
            json!({"base": BASE, "table": JOBS, "filter": "{Standd}='x'"}),
            r#"did you mean "Stand"?"#,
        ),
        ("list_records", json!({"base": BASE, "table": JOBS, "filter": "{Stand}="}), "^"),
        ("list_records", json!({"base": BASE, "table": JOBS, "filtr": "1"}), "did you mean filter?"),
        (
            "aggregate_records",
            json!({"base": BASE, "table": JOBS, "metrics": ["sum(Titel)"]}),
            "Fields that have one: \"Kosten (€)\"",
        ),
        (
            "aggregate_records",
            json!({"base": BASE, "table": JOBS, "metrics": ["median(Güte)"]}),
            "Metrics are count",
        ),
        ("get_record", json!({"base": BASE, "table": JOBS, "record_id": "7"}), "search_records"),
    ] {
        let message = server.error(tool, arguments.clone()).await;
        assert!(message.contains(expected), "{tool} {arguments}: {message}");
    }
    let noted = server
        .text("list_records", json!({"base": BASE, "table": JOBS, "filter": "{Stand}='Erledig'"}))
        .await;
    assert!(noted.contains(r#"did you mean "Erledigt"?"#), "{noted}");
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_listing_and_its_own_caller_only() {
    let server = World::new(30, 1).server().await;
    let page = server.ok("list_records", json!({"base": BASE, "table": JOBS, "limit": 10})).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let other = server.mint("*", service_kit::auth::Bases::All).await;
    let again = json!({"base": BASE, "table": JOBS, "limit": 10, "cursor": cursor});
    let by_other = server.error_as(&other, "list_records", again.clone()).await;
    assert!(by_other.contains("not one of this listing"), "{by_other}");
    for change in [json!({"filter": "1"}), json!({"table": "Leute"}), json!({"cursor": format!("{cursor}x")})]
    {
        let mut arguments = again.clone();
        arguments.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let message = server.error("list_records", arguments).await;
        assert!(message.contains("not one of this listing"), "{change}: {message}");
    }
    assert_eq!(server.ok("list_records", again).await["records"][0]["id"], "recJob00000000010");
}
