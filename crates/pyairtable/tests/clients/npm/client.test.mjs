import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BULK, CUSTOMERS, EVERYTHING, ITEMS, LEDGER, ORDERS, PEOPLE, PROJECTS, PROJECTS_NAME, SEED, Twins, WAREHOUSE, recordId } from "./twins.mjs";

const SEEDED_ITEMS = SEED.bases[1].tables[0].records;
const ids = (records) => records.map((record) => record.id);
const cells = (records, name) => records.map((record) => record.fields[name]);
const onBoth = (name, scenario) => test(name, () => twins.same(scenario));

let twins;
before(async () => {
  twins = await Twins.start();
});
after(() => twins?.stop());

onBoth("all pages of a view come in its order", async (run) => {
  const items = await run.read("all", () => run.table(WAREHOUSE, ITEMS).select({ view: "Grid view" }).all());
  assert.deepEqual(ids(items), ids(SEEDED_ITEMS));
});

onBoth("eachPage gives pages of the size asked for", async (run) => {
  const sizes = async (options) => {
    const seen = [];
    await run
      .table(WAREHOUSE, ITEMS)
      .select(options)
      .eachPage((records, next) => {
        seen.push(records.length);
        next();
      });
    return seen;
  };
  assert.deepEqual(await run.read("pages of 90", () => sizes({ pageSize: 90 })), [90, 90, 55]);
  assert.deepEqual(await run.read("25 in pages of 10", () => sizes({ pageSize: 10, maxRecords: 25 })), [10, 10, 5]);
  assert.deepEqual(await run.read("by POST", () => sizes({ pageSize: 100, method: "post" })), [100, 100, 35]);
});

onBoth("firstPage stops after one page", async (run) => {
  const items = await run.read("first page", () => run.table(WAREHOUSE, ITEMS).select({ view: "Grid view", pageSize: 7 }).firstPage());
  assert.deepEqual(ids(items), ids(SEEDED_ITEMS.slice(0, 7)));
});

onBoth("every option of select is understood", async (run) => {
  const items = run.table(WAREHOUSE, ITEMS);
  const read = (label, options) => run.read(label, () => items.select(options).all());
  const sorted = await read("sort", { sort: [{ field: "Kind" }, { field: "SKU", direction: "desc" }], fields: ["SKU", "Kind"] });
  assert.deepEqual([...new Set(cells(sorted, "Kind"))], ["Gear", "Washer", "Nut", "Bolt"]);
  const found = await read("formula", { filterByFormula: "AND({Kind}='Bolt', {Qty} > 30, FIND('l', {Label}))", sort: [{ field: "SKU", direction: "asc" }] });
  assert.ok(found.length > 0 && found.every((item) => item.fields.Kind === "Bolt" && item.fields.Qty > 30));
  assert.equal((await read("maxRecords", { maxRecords: 3, view: "viwIt100000000000" })).length, 3);
  const byId = await read("field ids", { returnFieldsByFieldId: true, maxRecords: 2, view: "Grid view" });
  assert.equal(byId[0].fields.fldItSku000000000, "SKU-0000");
  const text = await read("text", { cellFormat: "string", timeZone: "Europe/Paris", userLocale: "fr", maxRecords: 4, view: "Grid view" });
  assert.ok(text.every((item) => Object.values(item.fields).every((value) => typeof value === "string")));
  await read("metadata", { recordMetadata: ["commentCount"], maxRecords: 2, view: "Grid view", fields: ["SKU"] });
});

onBoth("GET and POST listings give the same", async (run) => {
  const options = { sort: [{ field: "SKU", direction: "desc" }], fields: ["SKU", "Price"], pageSize: 50, maxRecords: 120, timeZone: "utc", userLocale: "en", cellFormat: "string" };
  const byGet = await run.read("GET", () => run.table(WAREHOUSE, ITEMS).select({ ...options, method: "get" }).all());
  const byPost = await run.read("POST", () => run.table(WAREHOUSE, ITEMS).select({ ...options, method: "post" }).all());
  assert.equal(byGet.length, 120);
  assert.deepEqual(byPost, byGet);
});

onBoth("a long formula makes the client post", async (run) => {
  const formula = `OR(${Array.from({ length: 900 }, (_, number) => `{SKU}='SKU-${String(number).padStart(4, "0")}'`).join(",")})`;
  const items = await run.read("long", () => run.table(WAREHOUSE, ITEMS).select({ filterByFormula: formula, fields: ["SKU"], view: "Grid view" }).all());
  assert.equal(items.length, 235);
});

onBoth("the old list and forEach still work", async (run) => {
  const items = run.table(WAREHOUSE, ITEMS);
  const warn = console.warn;
  console.warn = () => {};
  try {
    const page = await run.read("list", () => new Promise((done, fail) => items.list(5, undefined, { view: "Grid view" }, (error, records) => (error ? fail(error) : done(records)))));
    assert.deepEqual(ids(page), ids(SEEDED_ITEMS.slice(0, 5)));
    const all = await run.read("forEach", () => {
      const seen = [];
      return new Promise((done, fail) => items.forEach({ view: "Grid view", fields: ["SKU"] }, (record) => seen.push(record.id), (error) => (error ? fail(error) : done(seen))));
    });
    assert.deepEqual(all, ids(SEEDED_ITEMS));
  } finally {
    console.warn = warn;
  }
});

onBoth("tables with odd names are found by name and by id", async (run) => {
  const byName = await run.read("by name", () => run.table(CUSTOMERS, PROJECTS_NAME).select({ view: "100% & more" }).all());
  const byId = await run.read("by id", () => run.table(CUSTOMERS, PROJECTS).select({ view: "100% & more" }).all());
  assert.equal(byName.length, 5);
  assert.deepEqual(byId, byName);
  const one = await run.read("find", () => run.table(CUSTOMERS, PROJECTS_NAME).find(recordId("Odd", 3)));
  assert.deepEqual(one, byName[3]);
});

onBoth("one record is created, found, updated, replaced and destroyed", async (run) => {
  const people = run.table(CUSTOMERS, PEOPLE);
  const made = await run.write("create", () => people.create({ Name: "Jo", Email: "jo@example.com", Salary: 10 }));
  assert.deepEqual(made.fields, { Name: "Jo", Email: "jo@example.com", Salary: 10 });
  assert.deepEqual(await run.read("find", () => people.find(made.id)), made);
  const updated = await run.write("update", () => people.update(made.id, { Salary: 11 }));
  assert.deepEqual(updated.fields, { Name: "Jo", Email: "jo@example.com", Salary: 11 });
  assert.deepEqual(await run.read("find again", () => people.find(made.id)), updated);
  const replaced = await run.write("replace", () => people.replace(made.id, { Name: "Jo" }));
  assert.deepEqual(replaced.fields, { Name: "Jo" });
  assert.deepEqual(await run.read("list", () => people.select({ filterByFormula: "{Name}='Jo'" }).all()), [replaced]);
  await run.write("destroy", () => people.destroy(made.id));
  assert.deepEqual(await run.read("gone", () => people.select({ filterByFormula: "{Name}='Jo'" }).all()), []);
});

onBoth("a record object changes itself", async (run) => {
  const people = run.table(CUSTOMERS, PEOPLE);
  let record;
  await run.write("create", async () => (record = await people.create({ Name: "Self", Salary: 1 })));
  await run.write("patchUpdate", () => record.patchUpdate({ Salary: 2 }));
  assert.equal(record.get("Salary"), 2);
  await run.read("fetch", () => record.fetch());
  await run.write("putUpdate", () => record.putUpdate({ Name: "Self again" }));
  assert.equal(record.get("Salary"), undefined);
  await run.write("destroy", () => record.destroy());
});

onBoth("batches are created, updated, replaced and destroyed in order", async (run) => {
  const orders = run.table(WAREHOUSE, ORDERS);
  const made = await run.write("create", () => orders.create(Array.from({ length: 10 }, (_, n) => ({ fields: { Ref: `npm ${n}`, Items: [recordId("Item", n)] } }))));
  assert.deepEqual(cells(made, "Ref"), Array.from({ length: 10 }, (_, n) => `npm ${n}`));
  await run.read("the other side", () => run.table(WAREHOUSE, ITEMS).find(recordId("Item", 3)));
  const rows = made.map((record) => ({ id: record.id, fields: { Paid: true } })).reverse();
  const updated = await run.write("update", () => orders.update(rows));
  assert.deepEqual(ids(updated), ids(rows));
  const replaced = await run.write("replace", () => orders.replace(made.slice(0, 2).map((record) => ({ id: record.id, fields: { Ref: "bare" } }))));
  assert.ok(replaced.every((record) => record.fields.Paid === undefined && record.fields.Items === undefined));
  const gone = await run.write("destroy", () => orders.destroy(ids(made)));
  assert.deepEqual(ids(gone), ids(made));
  assert.deepEqual(await run.read("nothing left", () => orders.select({ filterByFormula: "FIND('npm ', {Ref})" }).all()), []);
});

onBoth("upsert merges on the fields named", async (run) => {
  const people = run.table(CUSTOMERS, PEOPLE);
  const upsert = (rows) => people.update(rows, { performUpsert: { fieldsToMergeOn: ["Name"] } });
  const done = await run.write("upsert", () => upsert([{ fields: { Name: "bob", Salary: 5 } }, { fields: { Name: "npm new" } }]));
  assert.equal(done[0].id, recordId("Person", 7));
  const again = await run.write("again", () => upsert([{ fields: { Name: "npm new", Salary: 6 } }]));
  assert.equal(again[0].id, done[1].id);
  await run.write("set back", () => people.update(recordId("Person", 7), { Salary: 99.99 }));
  await run.write("destroy", () => people.destroy(done[1].id));
});

onBoth("typecast converts and field ids come back when asked for", async (run) => {
  const table = run.table(CUSTOMERS, EVERYTHING);
  const row = { Name: 5, Whole: "12", Status: "By npm", Tags: ["red", "npm tag"], People: ["bob"] };
  assert.equal((await run.write("refused", () => table.create(row))).statusCode, 422);
  const made = await run.write("create", () => table.create(row, { typecast: true }));
  assert.deepEqual([made.fields.Name, made.fields.Whole, made.fields.Status], ["5", 12, "By npm"]);
  assert.deepEqual(made.fields.People, [recordId("Person", 7)]);
  const updated = await run.write("update", () => table.update(made.id, { Whole: "13" }, { typecast: true, returnFieldsByFieldId: true }));
  assert.equal(updated.fields.fldEvWhole0000000, 13);
  const many = await run.write("many", () => table.create([{ fields: { Stars: "2" } }], { typecast: true, returnFieldsByFieldId: true }));
  assert.equal(many[0].fields.fldEvStars0000000, 2);
  await run.write("destroy", () => table.destroy([made.id, many[0].id]));
});

onBoth("files are attached by their URLs, kept by their ids and taken away", async (run) => {
  const table = run.table(CUSTOMERS, EVERYTHING);
  const url = "https://example.com/plans/first%20floor.png";
  const made = await run.write("create", () => table.create({ Name: "with files", Files: [{ url }, { url, filename: "same.png" }] }));
  assert.deepEqual(made.fields.Files.map((file) => [file.url, file.filename.replace("%20", " ")]), [[url, "first floor.png"], [url, "same.png"]]);
  const [first, second] = made.fields.Files;
  const turned = await run.write("in another order", () => table.update(made.id, { Files: [{ id: second.id }, first] }));
  assert.deepEqual(turned.fields.Files, [second, first]);
  assert.deepEqual(await run.read("find", () => table.find(made.id)), turned);
  const wrong = await run.write("no URL", () => table.update(made.id, { Files: [{ url: "data:text/plain,x" }] }));
  assert.deepEqual([wrong.type, wrong.statusCode], ["INVALID_ATTACHMENT_OBJECT", 422]);
  assert.equal((await run.write("none", () => table.update(made.id, { Files: [] }))).fields.Files, undefined);
  await run.write("destroy", () => table.destroy(made.id));
});

onBoth("makeRequest reaches any path of the base", async (run) => {
  const base = run.client().base(WAREHOUSE);
  const listed = await run.read("GET", async () => (await base.makeRequest({ path: `/${ITEMS}`, qs: { pageSize: 2, view: "Grid view", fields: ["SKU"] } })).body);
  assert.deepEqual(cells(listed.records, "SKU"), ["SKU-0000", "SKU-0001"]);
  const answer = await run.write("POST", async () => (await base.makeRequest({ method: "post", path: `/${BULK}`, body: { fields: { Name: "made" } } })).body);
  await run.write("DELETE", async () => (await base.makeRequest({ method: "delete", path: `/${BULK}/${answer.id}` })).body);
  const missing = await run.read("not there", () => base.makeRequest({ path: "/" }));
  assert.equal(missing.statusCode, 404);
});

onBoth("comments are written, read, changed and counted by makeRequest", async (run) => {
  const base = run.client().base(WAREHOUSE);
  const record = await run.write("create", () => base(BULK).create({ Name: "talked about" }));
  const path = `/${BULK}/${record.id}/comments`;
  const ask = async (method, target, body) => (await base.makeRequest({ method, path: target, body })).body;
  const told = ({ text, lastUpdatedTime, mentioned }) => ({ text, edited: lastUpdatedTime !== null, mentioned });
  const comments = async () => {
    const page = await ask("get", path);
    assert.equal(page.offset, null);
    return page.comments.map(told);
  };
  assert.deepEqual(await run.read("none yet", comments), []);
  const ben = { id: "usrBen00000000001", type: "user", displayName: "Ben Example", email: "ben@example.com" };
  const made = await ask("post", path, { text: "Ask @[ben@example.com]" });
  assert.deepEqual(told(made), { text: `Ask @[${ben.id}]`, edited: false, mentioned: { [ben.id]: ben } });
  assert.deepEqual(await run.read("one", comments), [told(made)]);
  const changed = await ask("patch", `${path}/${made.id}`, { text: "Ask nobody" });
  assert.ok(changed.text === "Ask nobody" && changed.lastUpdatedTime);
  assert.deepEqual(await run.read("changed", comments), [told(changed)]);
  const counted = () => base(BULK).select({ recordMetadata: ["commentCount"], filterByFormula: `RECORD_ID()='${record.id}'` }).all();
  assert.equal((await counted())[0].commentCount, 1);
  assert.deepEqual(await ask("delete", `${path}/${made.id}`), { id: made.id, deleted: true });
  assert.deepEqual(await run.read("none again", comments), []);
  await run.write("destroy", () => base(BULK).destroy(record.id));
});

onBoth("errors reach the caller with Airtable's types and messages", async (run) => {
  const items = run.table(WAREHOUSE, ITEMS);
  const hidden = { type: "NOT_AUTHORIZED", message: "You are not authorized to perform this operation", statusCode: 403 };
  const cases = {
    "unknown field": [() => items.create({ Nope: 1 }), { type: "UNKNOWN_FIELD_NAME", message: 'Unknown field name: "Nope"', statusCode: 422 }],
    "wrong type": [() => items.create({ Qty: "many" }), { type: "INVALID_VALUE_FOR_COLUMN", message: 'Field "Qty" cannot accept the provided value', statusCode: 422 }],
    "computed field": [() => items.create({ Value: 1 }), { type: "INVALID_VALUE_FOR_COLUMN", message: 'Field "Value" cannot accept a value because the field is computed', statusCode: 422 }],
    "eleven rows": [
      () => items.create(Array.from({ length: 11 }, () => ({ fields: {} }))),
      { type: "INVALID_RECORDS", message: "A maximum of 10 records can be created per request but you have provided 11.", statusCode: 422 },
    ],
    "bad formula": [
      () => items.select({ filterByFormula: "{SKU" }).firstPage(),
      { type: "INVALID_FILTER_BY_FORMULA", message: "The formula for filtering records is invalid: Invalid formula. Please check your formula text.", statusCode: 422 },
    ],
    "unknown view": [() => items.select({ view: "Nope" }).firstPage(), { type: "VIEW_NAME_NOT_FOUND", message: "View Nope not found", statusCode: 422 }],
    "big page": [() => items.select({ pageSize: 101 }).firstPage(), { type: "INVALID_REQUEST_UNKNOWN", message: "Invalid request: parameter validation failed. Check your request data.", statusCode: 422 }],
    "missing record": [() => items.find("recNotThere000000"), hidden],
    "missing record destroyed": [() => items.destroy("recNotThere000000"), { type: "NOT_FOUND", message: "Record not found", statusCode: 404 }],
    "malformed record": [() => items.find("rec1"), { type: "NOT_FOUND", message: "Could not find what you are looking for", statusCode: 404 }],
    "missing table": [() => run.table(WAREHOUSE, "Nope").select().firstPage(), hidden],
    "missing base": [() => run.table("appNotThere000000", ITEMS).select().firstPage(), hidden],
    "another key": [
      () => run.table(WAREHOUSE, ITEMS, "patNobody00000001.nobody").select().firstPage(),
      { type: "AUTHENTICATION_REQUIRED", message: "You should provide valid api key to perform this operation", statusCode: 401 },
    ],
    "reader writes": [() => run.table(WAREHOUSE, ITEMS, "reader").create({ SKU: "x" }), hidden],
    "outside the key": [() => run.table(CUSTOMERS, PEOPLE, "oneBase").select().firstPage(), hidden],
    "read-only base": [() => run.table(LEDGER, "Lines").create({ Text: "x" }), hidden],
  };
  for (const [label, [call, expected]] of Object.entries(cases)) assert.deepEqual(await run.read(label, call), expected, label);
});

test("AIRTABLE_ENDPOINT_URL and AIRTABLE_API_KEY are all that a script needs", async () => {
  const script = fileURLToPath(new URL("./plain-script.cjs", import.meta.url));
  const printed = [];
  for (const twin of [twins.direct, twins.gateway]) {
    const env = { PATH: process.env.PATH, NODE_PATH: process.env.NODE_PATH ?? "", AIRTABLE_ENDPOINT_URL: twin.url, AIRTABLE_API_KEY: twin.keys.full };
    printed.push((await promisify(execFile)(process.execPath, [script, WAREHOUSE, "Items"], { env, timeout: 60_000 })).stdout);
  }
  assert.equal(printed[0], '["SKU-0000","SKU-0001","SKU-0002"]\n');
  assert.equal(printed[1], printed[0]);
});

test("the limits behind the gateway were never broken", async () => {
  const counters = await (await fetch(`${twins.pacedEmulator.url}/__emulator/counters`)).json();
  const violations = [...JSON.stringify(counters).matchAll(/"violations":(\d+)/g)].map(([, count]) => Number(count));
  assert.ok(violations.length > 0, JSON.stringify(counters));
  assert.equal(Math.max(...violations), 0, JSON.stringify(counters));
});
