"""Listing records, by GET and by POST (sections 4 and 5.2 of Airtable's reference)."""

from urllib.parse import quote

import pytest
import requests

from harbour import BERTHS_VIEW, CRATE_COUNT, CRATES, CRATES_VIEW, EAST, HARBOUR, NORTH, ident
from wire import BERTHS_PATH, CRATES_PATH, INVALID_PARAMETERS, SHIPS_PATH, Wire, cells

LIST_RECORDS = f"{CRATES_PATH}/listRecords"
WEIGHTS = list(range(CRATE_COUNT))


def every_page(wire: Wire, query: str) -> list[list[dict]]:
    pages, offset = [], ""
    while True:
        body = wire.good("GET", f"{CRATES_PATH}?{query}&offset={quote(offset, safe='')}")
        pages.append(body["records"])
        if "offset" not in body:
            return pages
        offset = body["offset"]


def test_a_page_has_a_hundred_records_unless_told_otherwise(wire: Wire) -> None:
    """Sections 4 and 5.2; the last page has no key `offset`."""
    assert [len(page) for page in every_page(wire, "")] == [100, 100, 30]
    assert [len(page) for page in every_page(wire, "pageSize=80")] == [80, 80, 70]
    everything = [record["id"] for page in every_page(wire, "pageSize=23") for record in page]
    assert len(everything) == len(set(everything)) == CRATE_COUNT


def test_an_offset_has_an_iterator_and_the_next_record(wire: Wire) -> None:
    """Section 5.2: `itr…/rec…`, the record with which the next page begins."""
    offset = wire.good("GET", f"{CRATES_PATH}?pageSize=7")["offset"]
    iterator, record = offset.split("/")
    assert (iterator[:3], len(iterator), record[:3], len(record)) == ("itr", 17, "rec", 17)
    assert wire.crates(f"pageSize=7&offset={quote(offset, safe='')}")[0]["id"] == record


def test_max_records_bounds_the_total_over_all_pages(wire: Wire) -> None:
    """Section 5.2: pageSize 10 and maxRecords 25 give 10, 10, 5."""
    assert [len(page) for page in every_page(wire, "pageSize=10&maxRecords=25")] == [10, 10, 5]
    assert [len(page) for page in every_page(wire, "pageSize=10&maxRecords=20")] == [10, 10]
    assert [len(page) for page in every_page(wire, "maxRecords=1000")] == [100, 100, 30]


def test_pages_go_on_in_the_order_of_the_sort(wire: Wire) -> None:
    """Section 5.2: clients repeat all parameters with the offset."""
    pages = every_page(wire, "pageSize=60&sort[0][field]=Weight&sort[0][direction]=desc")
    assert [weight for page in pages for weight in cells(page, "Weight")] == WEIGHTS[::-1]


@pytest.mark.parametrize("query", ["pageSize=101", "pageSize=0", "pageSize=-1", "pageSize=many", "maxRecords=0", "maxRecords=few", "cellFormat=xml", "sort[0][field]=Weight&sort[0][direction]=up", "recordMetadata[]=likes"])
def test_parameters_out_of_range_are_422(wire: Wire, query: str) -> None:
    """Sections 3.3 and 5.2."""
    wire.refused(422, INVALID_PARAMETERS, "GET", f"{CRATES_PATH}?{query}")


@pytest.mark.parametrize("body", [{"pageSize": 101}, {"pageSize": 0}, {"maxRecords": 0}, {"cellFormat": "xml"}, {"sort": [{"field": "Weight", "direction": "up"}]}, {"fields": "Mark"}, {"sort": "Weight"}, {"filterByFormula": 7}, {"unknown": 1}])
def test_bodies_out_of_range_are_422(wire: Wire, body: dict) -> None:
    """Sections 3.3 and 5.2."""
    wire.refused(422, INVALID_PARAMETERS, "POST", LIST_RECORDS, body)


def test_the_old_name_of_the_page_size(wire: Wire) -> None:
    """Section 5.2: airtable.js `list()` sends `limit`, by GET only."""
    body = wire.good("GET", f"{CRATES_PATH}/?limit=4")
    assert len(body["records"]) == 4 and body["offset"]


@pytest.mark.parametrize("view", [CRATES_VIEW, "All of them", "All+of+them"])
def test_a_view_is_named_by_name_or_id(wire: Wire, view: str) -> None:
    """Section 5.2."""
    assert len(wire.crates(f"view={view}&maxRecords=3")) == 3


def test_views_that_are_not_there(wire: Wire) -> None:
    """Section 3.3: by name, by id, and of another table."""
    wire.refused(422, {"type": "VIEW_NAME_NOT_FOUND", "message": "View Secret not found"}, "GET", f"{CRATES_PATH}?view=Secret")
    unknown = ident("viw", "Nowhere")
    wire.refused(422, {"type": "VIEW_ID_NOT_FOUND", "message": f"View {unknown} not found"}, "GET", f"{CRATES_PATH}?view={unknown}")
    wire.refused(422, {"type": "FAILED_STATE_CHECK"}, "GET", f"{CRATES_PATH}?view={BERTHS_VIEW}")
    wire.refused(422, "FAILED_STATE_CHECK", "POST", LIST_RECORDS, {"view": BERTHS_VIEW})


@pytest.mark.parametrize("field", ["Weight", "fldWeight00000000"])
def test_sorting_by_name_or_id_is_ascending_unless_told(wire: Wire, field: str) -> None:
    """Section 5.2."""
    assert cells(wire.crates(f"sort[0][field]={field}"), "Weight") == WEIGHTS[:100]
    body = {"sort": [{"field": field, "direction": "desc"}], "pageSize": 5}
    assert cells(wire.good("POST", LIST_RECORDS, body)["records"], "Weight") == WEIGHTS[::-1][:5]


def test_a_choice_sorts_by_its_place_among_the_options_and_empty_is_first(wire: Wire) -> None:
    """Section 5.2: empties first when ascending and last when descending; by option, not by letter."""
    up = [grade for page in every_page(wire, "sort[0][field]=Grade") for grade in cells(page, "Grade")]
    assert up == [None] * 77 + ["Coarse"] * 76 + ["Best"] * 77
    down = [grade for page in every_page(wire, "sort[0][field]=Grade&sort[0][direction]=desc") for grade in cells(page, "Grade")]
    assert down == up[::-1]


def test_text_sorts_without_regard_to_case(wire: Wire) -> None:
    """Section 5.2."""
    for name in ("beta", "Alpha", "gamma", "alpha2", "Beta2"):
        wire.ship(Ship=name)
    found = wire.good("GET", f"{SHIPS_PATH}?sort[0][field]=Ship&fields[]=Ship")["records"]
    assert cells(found, "Ship") == ["Alpha", "alpha2", "beta", "Beta2", "gamma"]


def test_the_second_sort_decides_among_equals(wire: Wire) -> None:
    """Section 5.2."""
    found = wire.crates("sort[0][field]=Sealed&sort[0][direction]=desc&sort[1][field]=Weight&pageSize=23")
    assert cells(found, "Sealed") == [True] * 23
    assert cells(found, "Weight") == sorted(cells(found, "Weight"))


def test_filters_and_what_counts_as_true(wire: Wire) -> None:
    """Section 6: all but 0, false, "", errors; an empty formula filters nothing."""
    assert len(wire.crates("filterByFormula=")) == 100
    for formula in ("0", "FALSE()", "''", "BLANK()", "0/0", "ERROR()"):
        assert wire.crates(f"filterByFormula={quote(formula)}") == [], formula
    for formula in ("1", "TRUE()", "'x'", "-1", "1/0"):
        assert len(wire.crates(f"filterByFormula={quote(formula)}&maxRecords=2")) == 2, formula
    assert len(wire.crates("filterByFormula=%7BfldSealed00000000%7D")) == 23


def test_bad_filters_say_what_is_wrong(wire: Wire) -> None:
    """Section 3.3: names in small letters, joined by a comma."""
    start = "The formula for filtering records is invalid: "
    for formula, message in (
        ("{Mark", "Invalid formula. Please check your formula text."),
        ("{Weight} = = 1", "Invalid formula. Please check your formula text."),
        ("AND({Nope}, {Other One})", "Unknown field names: nope, other one"),
    ):
        error = {"type": "INVALID_FILTER_BY_FORMULA", "message": start + message}
        wire.refused(422, error, "GET", f"{CRATES_PATH}?filterByFormula={quote(formula)}")
        wire.refused(422, error, "POST", LIST_RECORDS, {"filterByFormula": formula})
    unknown = wire.ask("GET", f"{CRATES_PATH}?filterByFormula=SHOUT(Mark)")
    assert unknown.status_code == 422 and unknown.json()["error"]["message"].startswith(start + "Unknown function names: ")


def test_links_compare_by_the_names_of_what_they_link(wire: Wire) -> None:
    """Section 6: by primary field, not by record id."""
    made = wire.ship(Ship="Hal", Berths=[NORTH, EAST])
    for formula, found in (("{Berths}='Berth North, Berth East'", 1), (f"{{Berths}}='{NORTH}'", 0), ("FIND('East',{Berths})", 1)):
        records = wire.good("GET", f"{SHIPS_PATH}?filterByFormula={quote(formula)}")["records"]
        assert [record["id"] for record in records] == [made["id"]] * found, formula


def test_times_compare_as_iso_texts_in_utc(wire: Wire) -> None:
    """Section 6: whatever the field's own zone is."""
    made = wire.ship(Launched="1912-04-10", Docked="2024-02-29T23:59:58.123Z", Sailing="2024-02-29T23:59:58.123Z")
    for formula in ("{Docked}&''='2024-02-29T23:59:58.123Z'", "{Sailing}&''='2024-02-29T23:59:58.123Z'", "{Sailing}={Docked}", "LEFT({Launched}&'', 10)='1912-04-10'"):
        records = wire.good("GET", f"{SHIPS_PATH}?filterByFormula={quote(formula)}")["records"]
        assert [record["id"] for record in records] == [made["id"]], formula


def test_chosen_fields_only(wire: Wire) -> None:
    """Section 5.2: names or ids; empty cells are left out all the same."""
    record = wire.crates("fields[]=Mark&fields[]=fldGrade000000000&maxRecords=1&filterByFormula=Mark%3D%27Crate+003%27")[0]
    assert record["fields"] == {"Mark": "Crate 003"}
    body = {"fields": ["fldMark0000000000", "Remark"], "pageSize": 1, "returnFieldsByFieldId": True}
    assert set(wire.good("POST", LIST_RECORDS, body)["records"][0]["fields"]) == {"fldMark0000000000"}


def test_unknown_fields_are_named(wire: Wire) -> None:
    """Section 3.3: in `fields` and in `sort`."""
    error = {"type": "UNKNOWN_FIELD_NAME", "message": 'Unknown field name: "Höhe"'}
    name = quote("Höhe")
    wire.refused(422, error, "GET", f"{CRATES_PATH}?fields[]={name}")
    wire.refused(422, error, "GET", f"{CRATES_PATH}?sort[0][field]={name}")
    wire.refused(422, error, "POST", LIST_RECORDS, {"fields": ["Mark", "Höhe"]})
    wire.refused(422, error, "POST", LIST_RECORDS, {"sort": [{"field": "Höhe"}]})


def test_cells_as_text_need_zone_and_locale(wire: Wire) -> None:
    """Section 5.2: `cellFormat=string` without them is 422; with them every cell is a string."""
    wire.ship(Ship="Ida", Tonnage=12.5, Seaworthy=True, Cargo=["Silk", "Tin"], Berths=[NORTH, EAST], Load=0.125)
    for query in ("", "&timeZone=utc", "&userLocale=en-gb"):
        assert wire.ask("GET", f"{SHIPS_PATH}?cellFormat=string{query}").status_code == 422, query
    fields = wire.good("GET", f"{SHIPS_PATH}?cellFormat=string&timeZone=utc&userLocale=en-gb")["records"][0]["fields"]
    assert all(isinstance(cell, str) for cell in fields.values()), fields
    assert (fields["Cargo"], fields["Berths"], fields["Tonnage"], fields["Load"]) == ("Silk, Tin", "Berth North, Berth East", "12.50", "12.5%")


def test_zone_and_locale_without_text_are_ignored(wire: Wire) -> None:
    """Section 5.2."""
    assert wire.crates("maxRecords=1&timeZone=Europe/Berlin&userLocale=de") == wire.crates("maxRecords=1")


def test_by_post_zone_and_locale_stand_in_the_query(wire: Wire) -> None:
    """Section 5.2: and what airtable.js repeats in the body does no harm."""
    body = {"cellFormat": "string", "maxRecords": 1, "sort": [{"field": "Weight", "direction": "desc"}]}
    path = f"{LIST_RECORDS}?timeZone=utc&userLocale=en-gb"
    assert wire.good("POST", path, body)["records"][0]["fields"]["Weight"] == "229"
    again = {**body, "method": "post", "timeZone": "utc", "userLocale": "en-gb"}
    assert wire.good("POST", path, again)["records"][0]["fields"]["Weight"] == "229"
    assert wire.ask("POST", LIST_RECORDS, again).status_code == 422, "in the body alone they are not read"


def test_get_and_post_answer_the_same(wire: Wire) -> None:
    """Section 5.2."""
    by_get = wire.good("GET", f"{CRATES_PATH}?fields[]=Mark&fields[]=Weight&sort[0][field]=Weight&maxRecords=12&filterByFormula=Weight%3E40&view={CRATES_VIEW}")
    body = {"fields": ["Mark", "Weight"], "sort": [{"field": "Weight"}], "maxRecords": 12, "filterByFormula": "Weight>40", "view": CRATES_VIEW}
    assert wire.good("POST", LIST_RECORDS, body) == by_get
    assert cells(by_get["records"], "Weight") == list(range(41, 53))


def test_offsets_go_from_get_to_post(wire: Wire) -> None:
    """Section 5.2: airtable.js adds `offset` to the same body."""
    body = {"pageSize": 90, "sort": [{"field": "Weight"}]}
    weights = []
    while True:
        page = wire.good("POST", LIST_RECORDS, body)
        weights += cells(page["records"], "Weight")
        if "offset" not in page:
            break
        body["offset"] = page["offset"]
    assert weights == WEIGHTS


@pytest.mark.parametrize("offset", ["nonsense", "itr/rec", "5"])
def test_an_offset_that_is_none_is_422(wire: Wire, offset: str) -> None:
    """Section 3.3."""
    error = {"type": "INVALID_OFFSET_VALUE", "message": f"The value of offset {offset} is invalid"}
    wire.refused(422, error, "GET", f"{CRATES_PATH}?offset={quote(offset, safe='')}")
    wire.refused(422, error, "POST", LIST_RECORDS, {"offset": offset})


def test_an_iterator_that_is_gone_is_422(wire: Wire) -> None:
    """Section 3.3: after a restart too, the client begins again at page one."""
    path = f"{CRATES_PATH}?offset=itrGone0000000000%2F{ident('rec', 'Crate007')}"
    wire.refused(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "GET", path)


def test_a_listing_goes_on_although_its_next_record_is_deleted(wire: Wire) -> None:
    """Section 5.2: falling back to the position."""
    offset = wire.good("GET", f"{CRATES_PATH}?pageSize=10&sort[0][field]=Weight")["offset"]
    wire.good("DELETE", f"{CRATES_PATH}/{offset.split('/')[1]}")
    found = wire.crates(f"pageSize=10&sort[0][field]=Weight&offset={quote(offset, safe='')}")
    assert cells(found, "Weight") in (list(range(11, 21)), list(range(10, 20)))


def test_long_addresses_are_refused(wire: Wire) -> None:
    """Section 4: an address must be shorter than 16,000 characters; the same by POST is fine."""
    formula = "OR(" + ",".join(["{Weight}=3"] * 1800) + ")"
    assert 400 <= wire.ask("GET", f"{CRATES_PATH}?filterByFormula={quote(formula)}").status_code < 500
    assert cells(wire.good("POST", LIST_RECORDS, {"filterByFormula": formula})["records"], "Weight") == [3]


def test_what_the_body_of_a_listing_does_not_know(wire: Wire) -> None:
    """Section 5.2: the old `limit`, a null for an offset, numbers as text."""
    for body in ({"limit": 4}, {"offset": None}, {"pageSize": "2"}, []):
        wire.refused(422, INVALID_PARAMETERS, "POST", LIST_RECORDS, body)


def test_zones_have_their_own_spelling(wire: Wire) -> None:
    """Section 5.2: IANA names, `utc` in small letters, `client`."""
    path = f"{CRATES_PATH}?cellFormat=string&userLocale=en&maxRecords=1&timeZone="
    for zone in ("utc", "client", "America/Argentina/Buenos_Aires"):
        wire.good("GET", path + zone)
    for zone in ("UTC", "Mars/Base", ""):
        assert wire.ask("GET", path + zone).status_code == 422, zone


def test_an_offset_belongs_to_its_table(wire: Wire) -> None:
    """Section 5.2: it names a record that another table does not have."""
    offset = quote(wire.good("GET", f"{CRATES_PATH}?pageSize=2")["offset"], safe="")
    assert wire.ask("GET", f"{BERTHS_PATH}?offset={offset}").status_code == 422


def test_comment_counts_only_when_asked(wire: Wire) -> None:
    """Section 5.1: absent or 0 where there are none."""
    assert all("commentCount" not in record for record in wire.crates("maxRecords=3"))
    assert all(record.get("commentCount", 0) == 0 for record in wire.crates("maxRecords=3&recordMetadata[]=commentCount"))
    assert all(record.get("commentCount", 0) == 0 for record in wire.good("POST", LIST_RECORDS, {"recordMetadata": ["commentCount"], "maxRecords": 3})["records"])


def test_a_table_without_records_lists_as_an_empty_list(wire: Wire) -> None:
    """Section 5.2."""
    assert wire.good("GET", SHIPS_PATH) == {"records": []}


def test_a_table_answers_to_its_name_in_another_case(wire: Wire) -> None:
    """Section 1: the exact name first, then without regard to case."""
    assert len(wire.good("GET", f"/v0/{HARBOUR}/CRATES?maxRecords=2")["records"]) == 2
    assert wire.ask("GET", f"/v0/{HARBOUR}/{CRATES[:-1]}x").status_code == 403


def test_reads_are_not_changed_by_an_unread_body(wire: Wire) -> None:
    """Section 14.2: airtable.js sends a content type with GET and DELETE."""
    answer = requests.get(wire.url + BERTHS_PATH, headers={"Authorization": "Bearer patFull0000000000.full", "Content-Type": "application/json"}, timeout=5)
    assert answer.status_code == 200
