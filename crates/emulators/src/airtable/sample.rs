//! The base that an emulator without a seed has: people, projects and tasks of a small studio.
//!
//! It is the same on every start, ids included, so that examples and tests can name its records.

use serde_json::{Value, json};

use super::seed::Seed;

const PEOPLE: usize = 24;
const PROJECTS: usize = 16;
const TASKS: usize = 240;

/// Records were created from this day on.
const FIRST_DAY: i64 = 19_723; // 2024-01-01

const GIVEN_NAMES: [&str; 12] =
    ["Ada", "Bruno", "Chloé", "Dmitri", "Emeka", "Fatima", "Giulia", "Hanna", "Iker", "Jun", "Kavya", "Liam"];
const FAMILY_NAMES: [&str; 8] =
    ["Almeida", "Bergström", "Castillo", "Dubois", "Eze", "Fischer", "Greco", "O'Neill"];
const TEAMS: [&str; 4] = ["Design", "Engineering", "Operations", "Research"];
const SKILLS: [&str; 6] = ["Copywriting", "Data", "Figma", "Project lead", "Rust", "Video"];
const PROJECT_NAMES: [&str; PROJECTS] = [
    "Website relaunch",
    "Annual report",
    "Onboarding handbook",
    "Data warehouse",
    "Trade fair booth",
    "Customer portal",
    "Photo archive",
    "Price list 2025",
    "Support chatbot",
    "Office move",
    "Brand refresh",
    "Partner newsletter",
    "Mobile check-in",
    "Warehouse labels",
    "Accessibility audit",
    "Recruiting campaign",
];
const PROJECT_STATES: [&str; 4] = ["Planned", "Active", "On hold", "Done"];
const VERBS: [&str; 10] = [
    "Draft",
    "Review",
    "Design",
    "Test",
    "Publish",
    "Collect",
    "Translate",
    "Measure",
    "Clean up",
    "Schedule",
];
const THINGS: [&str; 12] = [
    "the landing page",
    "the budget",
    "interview notes",
    "the kick-off",
    "error messages",
    "the image set",
    "the import script",
    "the press kit",
    "customer feedback",
    "the release plan",
    "contracts",
    "the glossary",
];
const TASK_STATES: [&str; 4] = ["To do", "In progress", "Blocked", "Done"];
const PRIORITIES: [&str; 3] = ["High", "Medium", "Low"];
const LABELS: [&str; 5] = ["bug", "client", "docs", "quick win", "risk"];
const COLORS: [&str; 6] =
    ["blueLight2", "cyanLight2", "tealLight2", "greenLight2", "yellowLight2", "orangeLight2"];

impl Seed {
    /// The sample base: people, projects and tasks, linked both ways. It has one user and no token; see
    /// [`Seed::with_full_token`].
    pub fn sample() -> Self {
        let seed = json!({
            "users": [{"id": "usrPyAirtableOwn1", "email": "owner@example.com", "name": "Sam Owner"}],
            "bases": [{
                "id": "appPyAirtableDemo",
                "name": "Studio (sample)",
                "permissionLevel": "create",
                "tables": [people(), projects(), tasks()],
            }],
        });
        let seed = Self::from_json(seed.to_string().as_bytes()).expect("the sample is checked by a test");
        Self { is_sample: true, ..seed }
    }
}

/// `recDemoPerson0003`: what it is, filled up to the length of an id.
fn id(prefix: &str, what: &str, number: usize) -> String {
    let width = 14 - what.len();
    format!("{prefix}{what}{number:0width$}")
}

fn choices(field: &str, names: &[&str]) -> Value {
    let choice = |(n, name): (usize, &&str)| json!({"id": id("sel", field, n), "name": name, "color": COLORS[n % COLORS.len()]});
    json!({"choices": names.iter().enumerate().map(choice).collect::<Vec<_>>()})
}

/// Mixes two numbers into one that looks arbitrary and always is the same.
fn mix(n: usize, salt: usize) -> usize {
    let mut x = (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (salt as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((x ^ (x >> 32)) & 0xFFFF_FFFF) as usize
}

fn pick<'a>(list: &[&'a str], n: usize, salt: usize) -> &'a str {
    list[mix(n, salt) % list.len()]
}

fn day(offset: usize) -> String {
    let date = jiff::civil::Date::constant(1970, 1, 1)
        .saturating_add(jiff::Span::new().days(FIRST_DAY + offset as i64));
    date.to_string()
}

fn created(n: usize) -> String {
    format!("{}T{:02}:{:02}:{:02}.000Z", day(n % 200), 8 + n % 10, mix(n, 90) % 60, mix(n, 91) % 60)
}

fn grid(id: &str, name: &str) -> Value {
    json!({"id": id, "name": name, "type": "grid"})
}

fn people() -> Value {
    let record = |n: usize| {
        let (given, round) = (n % GIVEN_NAMES.len(), n / GIVEN_NAMES.len());
        // Who shares a given name has another family name: answers per person name each once.
        let family = FAMILY_NAMES[(mix(given, 1) + 3 * round) % FAMILY_NAMES.len()];
        let given = GIVEN_NAMES[given];
        let mut skills = vec![pick(&SKILLS, n, 2)];
        if !n.is_multiple_of(3) && pick(&SKILLS, n, 3) != skills[0] {
            skills.push(pick(&SKILLS, n, 3));
        }
        json!({
            "id": id("rec", "DemoPerson", n),
            "createdTime": created(n),
            "fields": {
                "Name": format!("{given} {family}"),
                "Email": format!("{}.{n}@example.com", given.to_lowercase().replace('é', "e")),
                "Team": pick(&TEAMS, n, 4),
                "Skills": skills,
                "Started": day(mix(n, 5) % 300),
                "Day rate": 300 + 25 * (mix(n, 6) % 17),
                "Remote": n.is_multiple_of(2),
            },
        })
    };
    json!({
        "id": "tblDemoPeople0000",
        "name": "People",
        "description": "Everyone who works on projects",
        "primaryFieldId": "fldDemoPplName000",
        "fields": [
            {"id": "fldDemoPplName000", "name": "Name", "type": "singleLineText"},
            {"id": "fldDemoPplEmail00", "name": "Email", "type": "email"},
            {"id": "fldDemoPplTeam000", "name": "Team", "type": "singleSelect", "options": choices("DemoTeam", &TEAMS)},
            {"id": "fldDemoPplSkills0", "name": "Skills", "type": "multipleSelects", "options": choices("DemoSkill", &SKILLS)},
            {"id": "fldDemoPplStarted", "name": "Started", "type": "date", "options": {"dateFormat": {"name": "iso"}}},
            {"id": "fldDemoPplRate000", "name": "Day rate", "type": "currency", "options": {"precision": 2, "symbol": "€"}},
            {"id": "fldDemoPplRemote0", "name": "Remote", "type": "checkbox", "options": {"icon": "check", "color": "greenBright"}},
            {"id": "fldDemoPplTasks00", "name": "Tasks", "type": "multipleRecordLinks",
             "options": {"linkedTableId": "tblDemoTasks00000", "inverseLinkFieldId": "fldDemoTskPeople0"}},
            {"id": "fldDemoPplLeads00", "name": "Leads", "type": "multipleRecordLinks",
             "options": {"linkedTableId": "tblDemoProjects00", "inverseLinkFieldId": "fldDemoPrjLead000"}},
            {"id": "fldDemoPplCount00", "name": "Task count", "type": "count", "options": {"recordLinkFieldId": "fldDemoPplTasks00"}},
        ],
        "views": [grid("viwDemoPplAll0000", "All people"), {"id": "viwDemoPplCards00", "name": "Cards", "type": "gallery"}],
        "records": (0..PEOPLE).map(record).collect::<Vec<_>>(),
    })
}

fn projects() -> Value {
    let record = |n: usize| {
        json!({
            "id": id("rec", "DemoProject", n),
            "createdTime": created(n * 3),
            "fields": {
                "Name": PROJECT_NAMES[n],
                "Status": PROJECT_STATES[mix(n, 10) % PROJECT_STATES.len()],
                "Budget": 5_000 + 500 * (mix(n, 11) % 60),
                "Spent": 1_250 * (mix(n, 12) % 12),
                "Deadline": day(60 + mix(n, 13) % 300),
                "Lead": [id("rec", "DemoPerson", mix(n, 14) % PEOPLE)],
                "Brief": format!("{} — why, for whom and until when.", PROJECT_NAMES[n]),
            },
        })
    };
    json!({
        "id": "tblDemoProjects00",
        "name": "Projects",
        "primaryFieldId": "fldDemoPrjName000",
        "fields": [
            {"id": "fldDemoPrjName000", "name": "Name", "type": "singleLineText"},
            {"id": "fldDemoPrjStatus0", "name": "Status", "type": "singleSelect", "options": choices("DemoPrjState", &PROJECT_STATES)},
            {"id": "fldDemoPrjBudget0", "name": "Budget", "type": "currency", "options": {"precision": 0, "symbol": "€"}},
            {"id": "fldDemoPrjSpent00", "name": "Spent", "type": "currency", "options": {"precision": 0, "symbol": "€"}},
            {"id": "fldDemoPrjLeft000", "name": "Left", "type": "formula", "options": {
                "formula": "{fldDemoPrjBudget0} - {fldDemoPrjSpent00}",
                "result": {"type": "currency", "options": {"precision": 0, "symbol": "€"}}}},
            {"id": "fldDemoPrjDue0000", "name": "Deadline", "type": "date", "options": {"dateFormat": {"name": "european"}}},
            {"id": "fldDemoPrjLead000", "name": "Lead", "type": "multipleRecordLinks", "options": {
                "linkedTableId": "tblDemoPeople0000", "prefersSingleRecordLink": true, "inverseLinkFieldId": "fldDemoPplLeads00"}},
            {"id": "fldDemoPrjEmail00", "name": "Lead email", "type": "multipleLookupValues",
             "options": {"recordLinkFieldId": "fldDemoPrjLead000", "fieldIdInLinkedTable": "fldDemoPplEmail00"}},
            {"id": "fldDemoPrjTasks00", "name": "Tasks", "type": "multipleRecordLinks",
             "options": {"linkedTableId": "tblDemoTasks00000", "inverseLinkFieldId": "fldDemoTskProject"}},
            {"id": "fldDemoPrjCount00", "name": "Task count", "type": "count", "options": {"recordLinkFieldId": "fldDemoPrjTasks00"}},
            {"id": "fldDemoPrjHours00", "name": "Estimated hours", "type": "rollup", "options": {
                "recordLinkFieldId": "fldDemoPrjTasks00", "fieldIdInLinkedTable": "fldDemoTskHours00", "formula": "SUM(values)",
                "result": {"type": "number", "options": {"precision": 1}}}},
            {"id": "fldDemoPrjBrief00", "name": "Brief", "type": "multilineText"},
        ],
        "views": [grid("viwDemoPrjAll0000", "All projects"), {"id": "viwDemoPrjBoard00", "name": "Board", "type": "kanban"}],
        "records": (0..PROJECTS).map(record).collect::<Vec<_>>(),
    })
}

fn tasks() -> Value {
    let record = |n: usize| {
        let state = pick(&TASK_STATES, n, 20);
        let mut people = vec![id("rec", "DemoPerson", mix(n, 21) % PEOPLE)];
        let second = id("rec", "DemoPerson", mix(n, 22) % PEOPLE);
        if n.is_multiple_of(4) && second != people[0] {
            people.push(second);
        }
        let mut fields = json!({
            "Task": format!("{} {}", VERBS[n % VERBS.len()], pick(&THINGS, n, 23)),
            "Status": state,
            "Priority": pick(&PRIORITIES, n, 24),
            "Due": day(30 + mix(n, 25) % 330),
            "Hours": (mix(n, 26) % 32 + 1) as f64 / 2.0,
            "Done": state == "Done",
            "Project": [id("rec", "DemoProject", mix(n, 27) % PROJECTS)],
            "Assignees": people,
        });
        if n.is_multiple_of(3) {
            fields["Labels"] = json!([pick(&LABELS, n, 28)]);
        }
        if n.is_multiple_of(5) {
            fields["Notes"] = json!("Agreed in the weekly call.\nAsk again if it slips.");
        }
        json!({"id": id("rec", "DemoTask", n), "createdTime": created(n), "fields": fields})
    };
    json!({
        "id": "tblDemoTasks00000",
        "name": "Tasks",
        "primaryFieldId": "fldDemoTskName000",
        "fields": [
            {"id": "fldDemoTskName000", "name": "Task", "type": "singleLineText"},
            {"id": "fldDemoTskStatus0", "name": "Status", "type": "singleSelect", "options": choices("DemoTskState", &TASK_STATES)},
            {"id": "fldDemoTskPrio000", "name": "Priority", "type": "singleSelect", "options": choices("DemoPriority", &PRIORITIES)},
            {"id": "fldDemoTskDue0000", "name": "Due", "type": "date", "options": {"dateFormat": {"name": "iso"}}},
            {"id": "fldDemoTskHours00", "name": "Hours", "type": "number", "options": {"precision": 1}},
            {"id": "fldDemoTskDone000", "name": "Done", "type": "checkbox", "options": {"icon": "check", "color": "greenBright"}},
            {"id": "fldDemoTskLabels0", "name": "Labels", "type": "multipleSelects", "options": choices("DemoLabel", &LABELS)},
            {"id": "fldDemoTskProject", "name": "Project", "type": "multipleRecordLinks", "options": {
                "linkedTableId": "tblDemoProjects00", "prefersSingleRecordLink": true, "inverseLinkFieldId": "fldDemoPrjTasks00"}},
            {"id": "fldDemoTskPeople0", "name": "Assignees", "type": "multipleRecordLinks",
             "options": {"linkedTableId": "tblDemoPeople0000", "inverseLinkFieldId": "fldDemoPplTasks00"}},
            {"id": "fldDemoTskPrjSta0", "name": "Project status", "type": "multipleLookupValues",
             "options": {"recordLinkFieldId": "fldDemoTskProject", "fieldIdInLinkedTable": "fldDemoPrjStatus0"}},
            {"id": "fldDemoTskSummary", "name": "Summary", "type": "formula", "options": {
                "formula": "{fldDemoTskName000} & \" (\" & {fldDemoTskStatus0} & \")\"", "result": {"type": "singleLineText"}}},
            {"id": "fldDemoTskNumber0", "name": "Number", "type": "autoNumber"},
            {"id": "fldDemoTskChanged", "name": "Changed", "type": "lastModifiedTime"},
            {"id": "fldDemoTskNotes00", "name": "Notes", "type": "multilineText"},
        ],
        "views": [grid("viwDemoTskAll0000", "All tasks"), {"id": "viwDemoTskBoard00", "name": "Board", "type": "kanban"},
                  {"id": "viwDemoTskCalend0", "name": "Calendar", "type": "calendar"}],
        "records": (0..TASKS).map(record).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use airtable_formula::Timestamp;

    use super::*;
    use crate::airtable::computed::Eval;
    use crate::airtable::meta;
    use crate::airtable::render::{self, Rendering};

    #[test]
    fn the_sample_is_a_sound_seed_of_a_few_hundred_records() {
        let seed = Seed::sample();
        assert_eq!(seed.record_count(), PEOPLE + PROJECTS + TASKS);
        assert_eq!(seed.bases().map(|(id, _)| id).collect::<Vec<_>>(), ["appPyAirtableDemo"]);
        assert_eq!(everything(&seed), everything(&Seed::sample()), "it is the same every time");
    }

    #[test]
    fn no_two_people_of_the_sample_have_one_name() {
        let text = people().to_string();
        let names: Vec<_> =
            text.split("\"Name\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!((names.len(), distinct.len()), (PEOPLE, PEOPLE), "{names:?}");
    }

    fn everything(seed: &Seed) -> String {
        let eval = Eval::new(&seed.bases[0], &seed.users, Timestamp::UNIX_EPOCH);
        let mut text = meta::schema(&seed.bases[0], true).to_string();
        for (table, content) in seed.bases[0].tables.iter().enumerate() {
            for slot in content.rows.by_creation_from(0) {
                let record = render::record(&eval, table, slot, &Rendering::default());
                text.push_str(&record.unwrap_or_default().to_string());
            }
        }
        text
    }
}
