//! Listing with all its options, by GET and by POST.

use serde_json::{Value, json};

use super::support::{BASE, TestApp, column, id, rec, seed};

/// `count` records whose ids run against the order of their creation; numbers 0 to count - 1, every third without one.
async fn with_things(count: usize) -> TestApp {
    let records: Vec<_> = (0..count)
        .map(|n| {
            let mut fields =
                json!({"Name": format!("Thing {n:03}"), "Status": (["Todo", "Doing", "Done"][n % 3])});
            if n % 3 != 2 {
                fields["Number"] = n.into();
            }
            json!({"id": rec(count - n), "createdTime": "2024-01-01T00:00:00.000Z", "fields": fields})
        })
        .collect();
    let mut seed = seed();
    seed["bases"][0]["tables"][0]["records"] = records.into();
    TestApp::with_seed(&seed).await
}

/// All pages of a GET; the sizes of the pages, and the values of a field.
async fn all_pages(app: &TestApp, query: &str, field: &str) -> (Vec<usize>, Vec<Value>) {
    let (mut sizes, mut values, mut offset) = (Vec::new(), Vec::new(), String::new());
    loop {
        let target = format!("/v0/{BASE}/Things?{query}&offset={offset}");
        let page = app.get(&target).await.ok();
        let column = column(&page, field);
        sizes.push(column.len());
        values.extend(column);
        match page["offset"].as_str() {
            Some(next) => offset = next.replace('/', "%2F"),
            None => return (sizes, values),
        }
        assert!(sizes.len() < 100, "it goes on and on");
    }
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<Value> {
    numbers.into_iter().map(|n| json!(format!("Thing {n:03}"))).collect()
}

#[tokio::test]
async fn pages_have_a_hundred_records_and_the_last_one_no_offset() {
    let app = with_things(250).await;
    let (sizes, values) = all_pages(&app, "", "Name").await;
    assert_eq!(sizes, [100, 100, 50]);
    assert_eq!(values, names((0..250).rev()), "without view or sort in the order of ids");
    let (sizes, _) = all_pages(&app, "pageSize=50", "Name").await;
    assert_eq!(sizes, [50; 5], "no empty page at the end");
    let page = app.get(&format!("/v0/{BASE}/Things?pageSize=2")).await.ok();
    let offset = page["offset"].as_str().unwrap();
    assert!(offset.starts_with("itr") && offset.ends_with(&rec(3)) && offset.len() == 35, "{offset}");
}

#[tokio::test]
async fn max_records_limits_the_total() {
    let app = with_things(30).await;
    assert_eq!(all_pages(&app, "pageSize=10&maxRecords=25", "Name").await.0, [10, 10, 5]);
    assert_eq!(all_pages(&app, "pageSize=10&maxRecords=20", "Name").await.0, [10, 10]);
    assert_eq!(all_pages(&app, "maxRecords=1", "Name").await.0, [1]);
    assert_eq!(all_pages(&app, "maxRecords=100", "Name").await.0, [30]);
    assert_eq!(all_pages(&app, "pageSize=4&maxRecords=7&sort[0][field]=Name", "Name").await.0, [4, 3]);
}

#[tokio::test]
async fn a_view_shows_the_order_of_creation() {
    let app = with_things(12).await;
    for view in ["viwThings00000001", "All%20things", "Board"] {
        let (sizes, values) = all_pages(&app, &format!("pageSize=5&view={view}"), "Name").await;
        assert_eq!((sizes, values), (vec![5, 5, 2], names(0..12)), "{view}");
    }
}

#[tokio::test]
async fn sorting_puts_empty_cells_first_and_choices_in_the_order_of_the_options() {
    let app = with_things(6).await;
    let sorted = async |query: &str| all_pages(&app, &format!("pageSize=4&{query}"), "Name").await.1;
    assert_eq!(sorted("sort[0][field]=Number").await, names([5, 2, 0, 1, 3, 4]), "ties in the order of ids");
    assert_eq!(sorted("sort[0][field]=Number&sort[0][direction]=desc").await, names([4, 3, 1, 0, 5, 2]));
    assert_eq!(
        sorted("view=Board&sort[0][field]=Status").await,
        names([0, 3, 1, 4, 2, 5]),
        "Todo, Doing, Done"
    );
    let two = "sort[1][direction]=desc&sort[1][field]=Name&sort[0][field]=Status&sort[0][direction]=desc";
    assert_eq!(sorted(two).await, names([5, 2, 4, 1, 3, 0]));
    assert_eq!(sorted("sort%5B0%5D%5Bfield%5D=fld00000000000001").await, names(0..6), "a field by its id");
    for name in ["thing 0", "THING 1"] {
        app.create("Things", json!({"Name": name})).await;
    }
    let first = sorted("sort[0][field]=Name").await;
    assert_eq!(first[..2], [json!("thing 0"), json!("Thing 000")], "case comes second: {first:?}");
}

#[tokio::test]
async fn formulas_filter_and_meet_the_view() {
    let app = with_things(30).await;
    let filtered = async |query: &str| all_pages(&app, query, "Name").await;
    let (sizes, values) = filtered("pageSize=3&view=Board&filterByFormula=%7BNumber%7D%3E20").await;
    assert_eq!((sizes, values), (vec![3, 3], names([21, 22, 24, 25, 27, 28])));
    let (_, values) = filtered(
        "filterByFormula=OR(RECORD_ID()%3D'rec00000000000003',{Name}%3D'Thing+001')&sort[0][field]=Name",
    )
    .await;
    assert_eq!(values, names([1, 27]));
    assert_eq!(filtered("filterByFormula=&maxRecords=2").await.0, [2], "an empty formula is none");
    assert_eq!(filtered("filterByFormula=0").await.0, [0]);
    let (sizes, values) = filtered("pageSize=3&maxRecords=5&filterByFormula=%7BStatus%7D%3D%22Done%22&sort[0][field]=Name&sort[0][direction]=desc").await;
    assert_eq!((sizes, values), (vec![3, 2], names([29, 26, 23, 20, 17])));
}

#[tokio::test]
async fn formulas_see_links_as_names_and_computed_fields() {
    let app = with_things(2).await;
    app.create("Things", json!({"Name": "linked", "Number": 4, "Others": [rec(1002)]})).await;
    for formula in [
        "{Others}='Other 2'",
        "FIND('Other 2',{Other names})",
        "{Double}=8",
        "{Other count}=1",
        "{Weight}=2",
        "{fld00000000000004}=4",
    ] {
        let body = json!({"filterByFormula": formula, "fields": ["Name"]});
        let found = app.post(&format!("/v0/{BASE}/Things/listRecords"), body).await.ok();
        assert_eq!(column(&found, "Name"), [json!("linked")], "{formula}");
    }
}

#[tokio::test]
async fn fields_are_chosen_and_keyed_by_name_or_id() {
    let app = with_things(1).await;
    let first = async |query: &str| {
        app.get(&format!("/v0/{BASE}/Things?{query}")).await.ok()["records"][0]["fields"].clone()
    };
    let wanted = json!({"Name": "Thing 000", "Number": 0});
    assert_eq!(
        first("fields[]=Name&fields[]=fld00000000000004&fields[]=Notes").await,
        wanted,
        "empty cells are left out"
    );
    assert_eq!(first("fields%5B0%5D=Number&fields%5B1%5D=Name").await, wanted);
    for yes in ["1", "true"] {
        let by_id = first(&format!("fields[]=Name&returnFieldsByFieldId={yes}")).await;
        assert_eq!(by_id, json!({(id("fld", 1)): "Thing 000"}));
    }
    assert_eq!(first("fields[]=Name&returnFieldsByFieldId=false").await, json!({"Name": "Thing 000"}));
    assert_eq!(
        first("fields[]=Name&returnFieldsByFieldId=0&recordMetadata[]=commentCount").await,
        json!({"Name": "Thing 000"})
    );
}

#[tokio::test]
async fn posting_the_parameters_means_the_same() {
    let app = with_things(10).await;
    let target = format!("/v0/{BASE}/Things/listRecords?timeZone=utc&userLocale=en-gb");
    let mut body = json!({
        "pageSize": 3, "view": "Board", "fields": ["Name"], "sort": [{"field": "Name", "direction": "desc"}],
        "filterByFormula": "{Number} >= 3", "offset": "", "method": "post", "timeZone": "utc", "userLocale": "en-gb",
        "returnFieldsByFieldId": false, "recordMetadata": ["commentCount"],
    });
    let (mut values, mut pages) = (Vec::new(), 0);
    loop {
        let page = app.post(&target, body.clone()).await.ok();
        values.extend(column(&page, "Name"));
        pages += 1;
        match page.get("offset") {
            Some(offset) => body["offset"] = offset.clone(),
            None => break,
        }
    }
    assert_eq!((pages, values), (2, names([9, 7, 6, 4, 3])));
}

#[tokio::test]
async fn cells_can_be_given_as_strings() {
    let app = with_things(0).await;
    let fields = json!({
        "Name": "x", "Number": 1, "Percent": 0.5, "Price": 1234.5, "Length": 5400, "Done": true, "Tags": ["red", "a, b"],
        "Day": "2024-03-04", "When": "2024-03-04T22:00:00.000Z", "Local": "2024-03-04T22:00:00.000Z", "Others": [rec(1002), rec(1001)],
        "Person": {"id": "usrAda00000000001"}, "Code": {"text": "123"},
    });
    let record = app.create("Things", fields).await;
    let query = "cellFormat=string&timeZone=America%2FNew_York&userLocale=en-us";
    let cells = app.get(&format!("/v0/{BASE}/Things/{record}?{query}")).await.ok()["fields"].clone();
    for (field, text) in [
        ("Name", "x"),
        ("Number", "1.00"),
        ("Percent", "50.0%"),
        ("Price", "$1,234.50"),
        ("Length", "1:30:00"),
        ("Done", "checked"),
        ("Tags", "red, \"a, b\""),
        ("Day", "3/4/2024"),
        ("When", "2024-03-04 17:00"),
        ("Local", "2024-03-04 11:00pm"),
        ("Others", "Other 2, Other 1"),
        ("Other names", "Other 2, Other 1"),
        ("Person", "Ada"),
        ("Code", "123"),
        ("Double", "2"),
        ("Auto", "1"),
    ] {
        assert_eq!(cells[field], text, "{field}");
    }
    for query in ["cellFormat=string", "cellFormat=string&timeZone=utc", "cellFormat=string&userLocale=de"] {
        app.get(&format!("/v0/{BASE}/Things?{query}")).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    }
    app.get(&format!("/v0/{BASE}/Things?timeZone=utc&userLocale=de")).await.ok();
}

#[tokio::test]
async fn offsets_that_are_none_or_belong_elsewhere_are_refused() {
    let app = with_things(3).await;
    let target = |table: &str, offset: &str| format!("/v0/{BASE}/{table}?pageSize=1&offset={offset}");
    let message = app.get(&target("Things", "nonsense")).await.refused(422, "INVALID_OFFSET_VALUE");
    assert_eq!(message, "The value of offset nonsense is invalid");
    let unknown = format!("{}%2F{}", id("itr", 1), rec(1));
    let gone = json!({"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}});
    app.get(&target("Things", &unknown)).await.is(422, gone.clone());
    let page = app.get(&target("Things", "")).await.ok();
    let offset = page["offset"].as_str().unwrap().replace('/', "%2f");
    app.get(&target("tblOthers00000002", &offset)).await.is(422, gone);
    let second = app.get(&target("Things", &offset)).await.ok();
    assert_eq!(column(&second, "Name"), names([1]));
    assert_eq!(
        app.get(&target("Things", &offset)).await.ok()["records"],
        second["records"],
        "it may be used again"
    );
}

#[tokio::test]
async fn a_listing_goes_on_while_records_come_and_go() {
    let app = with_things(6).await;
    for query in ["", "view=Board", "sort[0][field]=Name"] {
        let page = app.get(&format!("/v0/{BASE}/Things?pageSize=2&{query}")).await.ok();
        let offset = page["offset"].as_str().unwrap();
        let (_, next) = offset.split_once('/').unwrap();
        app.delete(&format!("/v0/{BASE}/Things/{next}")).await.ok();
        let target = format!("/v0/{BASE}/Things?pageSize=100&{query}&offset={}", offset.replace('/', "%2F"));
        let rest = app.get(&target).await.ok();
        let left = app.get(&format!("/v0/{BASE}/Things")).await.ok()["records"].as_array().unwrap().len();
        assert_eq!(rest["records"].as_array().unwrap().len(), left - 2, "{query}");
    }
}
