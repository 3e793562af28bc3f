// What Airtable's own client makes of Airtable's troubles: the emulator is asked for them (section 14.2 of the reference).

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { Service, freeAddress } from "./services.mjs";
import { BULK, ITEMS, SEED, WAREHOUSE, recordId } from "./twins.mjs";

const Airtable = createRequire(import.meta.url)("airtable");
const UNLIMITED = { ...SEED.limits, requestsPerSecondPerBase: null, requestsPerSecondPerUser: null };
const apiKey = SEED.tokens[0].token;
let folder, emulator;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "pyairtable-npm-faults-"));
  const seed = join(folder, "seed.json");
  writeFileSync(seed, JSON.stringify({ ...SEED, limits: UNLIMITED }));
  emulator = await Service.start("airtable-emulator", folder, ["--seed", seed], { AIRTABLE_EMULATOR_LISTEN: await freeAddress(), DATA_DIR: join(folder, "data") });
});
after(async () => {
  await emulator?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await own("POST", "reset", { data: true });
  await own("PUT", "limits", UNLIMITED);
});

async function own(method, name, body) {
  const answer = await fetch(`${emulator.url}/__emulator/${name}`, { method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${name}: ${answer.status}`);
  return answer.json().catch(() => null);
}

function table(nameOrId, options = {}) {
  return new Airtable({ apiKey, endpointUrl: emulator.url, noRetryIfRateLimited: true, ...options }).base(WAREHOUSE)(nameOrId);
}

async function failure(call) {
  const error = await call().then(
    () => assert.fail("it succeeded"),
    (error) => error,
  );
  return { type: error.error, status: error.statusCode, message: error.message };
}

const targets = async () => (await own("GET", "requests")).requests.map(({ method, target, status }) => ({ method, target, status }));

for (const [status, type] of [
  [429, "TOO_MANY_REQUESTS"],
  [500, "SERVER_ERROR"],
  [503, "SERVICE_UNAVAILABLE"],
]) {
  test(`${status} reaches the caller as ${type}, after one request`, async () => {
    await own("PUT", "faults", { refusePercent: 100, refuseStatus: status });
    const { type: actual, status: told } = await failure(() => table(ITEMS).select({ pageSize: 1 }).firstPage());
    assert.deepEqual([actual, told], [type, status]);
    assert.equal((await targets()).length, 1);
  });
}

test("502 is an error, too", async () => {
  await own("PUT", "faults", { refusePercent: 100, refuseStatus: 502 });
  assert.equal((await failure(() => table(ITEMS).find(recordId("Item", 1)))).status, 502);
});

test("a rate limit is waited out by a client that may", async (t) => {
  t.mock.method(Math, "random", () => 0.002); // it waits a random part of five seconds, then of ten…
  await own("PUT", "faults", { refusePercent: 100, refuseStatus: 429 });
  const found = table(ITEMS, { noRetryIfRateLimited: false }).find(recordId("Item", 1));
  while (!(await targets()).length) await new Promise((done) => setImmediate(done));
  await own("PUT", "faults", {});
  assert.equal((await found).id, recordId("Item", 1));
});

test("the penalty of a rate limit is told to a client that does not wait", async () => {
  await own("PUT", "limits", { ...UNLIMITED, requestsPerSecondPerBase: 2, penaltySeconds: 30 });
  const errors = [];
  for (let number = 0; number < 40 && !errors.length; number++) {
    await table(ITEMS)
      .find(recordId("Item", 1))
      .catch((error) => errors.push(error));
  }
  assert.deepEqual([errors[0].error, errors[0].statusCode], ["TOO_MANY_REQUESTS", 429]);
});

test("connections that are cut are errors; the write may have happened", async () => {
  for (const [fault, done] of [
    [{ cutBeforePercent: 100 }, 0],
    [{ cutAfterPercent: 100 }, 1],
  ]) {
    await own("POST", "reset", { data: true });
    await own("PUT", "faults", fault);
    await assert.rejects(table(BULK).create({ Name: "cut" }));
    await own("PUT", "faults", {});
    const found = await table(BULK).select({ filterByFormula: "{Name}='cut'" }).all();
    assert.equal(found.length, done, JSON.stringify(fault));
  }
});

// Not with airtable.js: it takes a success without the end of its JSON for one without a body, and throws where nobody can
// catch it.
test("an answer that is cut short ends in the middle", async () => {
  await own("PUT", "faults", { truncatePercent: 100 });
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const body = JSON.stringify({ fields: { Name: "cut" } });
  const answer = await fetch(`${emulator.url}/v0/${WAREHOUSE}/${BULK}`, { method: "POST", headers, body });
  assert.equal(answer.status, 200);
  const pieces = [];
  await assert.rejects(async () => {
    for await (const piece of answer.body) pieces.push(Buffer.from(piece).toString());
  });
  assert.match(pieces.join(""), /^\{"id":"rec/);
  await own("PUT", "faults", {});
  assert.equal((await table(BULK).select({ filterByFormula: "{Name}='cut'" }).all()).length, 1);
});

test("an outage is over when its time is", async () => {
  await own("PUT", "clock", { stopped: true });
  await own("PUT", "faults", { outages: [{ afterSeconds: 0, forSeconds: 60, status: 503 }] });
  assert.equal((await failure(() => table(ITEMS).find(recordId("Item", 1)))).status, 503);
  await own("PUT", "clock", { advanceSeconds: 61 });
  assert.equal((await table(ITEMS).find(recordId("Item", 1))).id, recordId("Item", 1));
});

test("a month that is used up looks like a rate limit, and ends with the month", async () => {
  await own("PUT", "clock", { time: "2030-03-31T23:59:00.000Z", stopped: true });
  await own("PUT", "limits", { monthlyRequestsPerWorkspace: 2, monthlyBehaviour: "block" });
  await table(ITEMS).select({ pageSize: 100 }).eachPage((records, next) => next()).catch(() => {});
  const { type, status } = await failure(() => table(ITEMS).find(recordId("Item", 1)));
  assert.deepEqual([type, status], ["TOO_MANY_REQUESTS", 429]);
  await own("PUT", "clock", { advanceSeconds: 61 });
  assert.equal((await table(ITEMS).find(recordId("Item", 1))).id, recordId("Item", 1));
  await own("PUT", "limits", { monthlyRequestsPerWorkspace: null });
});

test("a listing whose iterator has died begins again at page one", async () => {
  await own("PUT", "clock", { stopped: true });
  let pages = 0;
  const listed = table(ITEMS).select({ pageSize: 50 }).eachPage((records, next) => {
    pages += 1;
    own("PUT", "clock", { advanceSeconds: 3600 }).then(next);
  });
  const error = await listed.then(() => null, (error) => error);
  assert.deepEqual([pages, error.error, error.statusCode], [1, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", 422]);
  assert.equal((await table(ITEMS).select().all()).length, 235);
});

test("a slow answer runs into the client's own limit", async () => {
  await own("PUT", "faults", { latencyMinMs: 400, latencyMaxMs: 400 });
  await assert.rejects(table(ITEMS, { requestTimeout: 50 }).find(recordId("Item", 1)));
});

test("requests look as the client is known to make them", async () => {
  await table(ITEMS).select({ fields: ["SKU"], pageSize: 2, sort: [{ field: "SKU", direction: "desc" }], returnFieldsByFieldId: false }).firstPage();
  await table(BULK).create({ Name: "one" });
  const [listed, created] = await targets();
  assert.deepEqual([listed.method, listed.status, created.method, created.status], ["GET", 200, "POST", 200]);
  assert.match(listed.target, /^\/v0\/[^/]+\/[^/]+\?/);
  assert.match(created.target, /\/\?$/, "a slash and a bare question mark");
});
