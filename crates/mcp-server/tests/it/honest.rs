//! What models read: never longer than they can take, never more certain than it is, and never mistakable.

use serde_json::{Value, json};

use crate::support::{BASE, OTHER_BASE, World, job_id};

const JOBS: &str = "Aufträge";

/// Jobs with many long cells: this many fields of this text.
fn wide(jobs: usize, fields: usize, text: &str) -> World {
    let mut world = World::new(jobs, 1);
    let table = &mut world.seed["bases"][0]["tables"][0];
    for at in 0..fields {
        let field =
            json!({"id": format!("fldLang{at:010}"), "name": format!("L{at}"), "type": "multilineText"});
        table["fields"].as_array_mut().unwrap().push(field);
        for record in table["records"].as_array_mut().unwrap() {
            record["fields"][format!("L{at}")] = json!(text);
        }
    }
    world
}

#[tokio::test]
async fn a_single_row_of_many_long_cells_fits_as_well() {
    for text in ["w ".repeat(6000), "\"\n".repeat(6000)] {
        let server = wide(3, 60, &text).server().await;
        for format in ["csv", "markdown", "json"] {
            let result =
                server.call("list_records", json!({"base": BASE, "table": JOBS, "format": format})).await;
            let shown = result["content"][0]["text"].as_str().unwrap();
            assert!(shown.len() < 61_000, "{format}: {}", shown.len());
            assert!(shown.contains("long cells are cut") && shown.contains(&job_id(0)), "{format}");
            let records = &result["structuredContent"]["records"];
            assert_eq!(records[0]["fields"]["L59"], json!(text), "{format}");
            if format == "json" {
                let rows = &shown[shown.find("\n[").unwrap()..];
                assert_eq!(serde_json::from_str::<Value>(rows).unwrap()[0]["id"], json!(job_id(0)));
            }
        }
        let grouped = json!({"base": BASE, "table": JOBS, "group_by": ["L0"]});
        assert!(server.text("aggregate_records", grouped).await.len() < 2000);
    }
}

#[tokio::test]
async fn a_record_that_goes_while_a_page_is_read_in_parts_takes_no_other_with_it() {
    let server = wide(40, 1, &"x".repeat(3900)).server().await;
    let mut arguments = json!({"base": BASE, "table": JOBS, "fields": ["Titel", "L0"]});
    let mut seen: Vec<String> = Vec::new();
    for round in 0..5 {
        let page = server.ok("list_records", arguments.clone()).await;
        let records = page["records"].as_array().unwrap();
        seen.extend(records.iter().map(|record| record["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        arguments["cursor"] = json!(cursor);
        let gone = match round {
            0 => &seen[3],
            1 => &seen[seen.len() - 1],
            _ => continue,
        };
        let mut delete = json!({"base": BASE, "table": JOBS, "record_ids": [gone]});
        delete["confirm"] = server.ok("delete_records", delete.clone()).await["confirm"].clone();
        server.ok("delete_records", delete).await;
    }
    // Where the very last one went, one may come twice rather than never.
    seen.dedup();
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, (0..40).map(job_id).collect::<Vec<_>>(), "{seen:?}");
    assert!(seen.len() <= 41, "{seen:?}");
}

#[tokio::test]
async fn a_search_knows_whether_there_is_more_in_any_table() {
    let server = World::new(3, 3).server().await;
    let search = |limit: usize| json!({"base": BASE, "query": "Auftrag", "limit": limit});
    for limit in [2, 3] {
        let some = server.text("search_records", search(limit)).await;
        assert!(some.contains("there are more") && some.contains("\"Leute\" ("), "{some}");
    }
    let all = server.ok("search_records", search(100)).await;
    let people = all["matches"].as_array().unwrap().iter().filter(|found| found["table"] == "Leute").count();
    assert!(people > 0, "people link to jobs that are called so: {all}");
    assert_eq!(all["complete"], true);
}

#[tokio::test]
async fn lines_of_a_cell_do_not_pass_for_other_fields() {
    let mut world = World::new(1, 1);
    world.seed["bases"][0]["tables"][0]["records"][0]["fields"]["Notiz"] = json!("a\nStand: Erledigt\r\nx");
    let server = world.server().await;
    let text = server.text("get_record", json!({"base": BASE, "table": JOBS, "record_id": job_id(0)})).await;
    assert!(text.contains("\nNotiz: a\n  Stand: Erledigt\n  x"), "{text}");
}

#[tokio::test]
async fn who_has_to_choose_among_bases_is_told_their_ids() {
    let mut world = World::new(1, 1);
    world.seed["bases"][1]["name"] = world.seed["bases"][0]["name"].clone();
    let error = world.server().await.error("list_tables", json!({})).await;
    assert!(error.contains(BASE) && error.contains(OTHER_BASE), "{error}");
}

#[tokio::test]
async fn an_unknown_argument_is_told_in_whole_sentences() {
    let server = World::new(1, 1).server().await;
    let error = server.error("list_bases", json!({"zzz": 1})).await;
    assert_eq!(error, "list_bases has no argument \"zzz\". It takes: no arguments");
}
