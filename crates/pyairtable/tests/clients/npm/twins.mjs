// Two copies of one Airtable: one used directly, one only through the gateway. A scenario runs on both and
// writes a transcript; ids made while running become their order of appearance, times of the run `<now>`.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Service, createKey, freeAddress } from "./services.mjs";

// Required, not imported: then the packages may also lie elsewhere, in a folder that NODE_PATH names.
const Airtable = createRequire(import.meta.url)("airtable");

const SEED_TEXT = readFileSync(new URL("../seed.json", import.meta.url), "utf8");
export const SEED = JSON.parse(SEED_TEXT);
const AN_ID = /\b(?:rec|itr|sel|att|usr|fld|tbl|viw|app)[A-Za-z0-9]{14}\b/g;
const A_TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;
const SEEDED_IDS = new Set(SEED_TEXT.match(AN_ID));
const STARTED = Date.now() - 2_000;

export const [CUSTOMERS, WAREHOUSE, LEDGER] = SEED.bases.map((base) => base.id);
export const [PEOPLE, EVERYTHING, PROJECTS] = SEED.bases[0].tables.map((table) => table.id);
export const [ITEMS, ORDERS, BULK] = SEED.bases[1].tables.map((table) => table.id);
export const PROJECTS_NAME = SEED.bases[0].tables[2].name;
const [FULL, READER, , ONE_BASE] = SEED.tokens.map((token) => token.token);

export const recordId = (kind, number) => `rec${kind}${String(number).padStart(14 - kind.length, "0")}`;

export class Twins {
  static async start() {
    const twins = new Twins();
    twins.folder = mkdtempSync(join(tmpdir(), "pyairtable-npm-"));
    try {
      await twins.startServices();
    } catch (error) {
      await twins.stop();
      throw error;
    }
    return twins;
  }

  async startServices() {
    const none = { ...SEED.limits, requestsPerSecondPerBase: null, requestsPerSecondPerUser: null };
    this.directEmulator = await this.emulator("direct", none);
    this.pacedEmulator = await this.emulator("behind", SEED.limits);
    const folder = join(this.folder, "gateway");
    const data = join(folder, "data");
    const keys = {
      full: createKey(data, "full", ["records:read", "records:write", "schema:read", "schema:write"]),
      reader: createKey(data, "reader", ["records:read"]),
      oneBase: createKey(data, "one base", ["records:read", "records:write", "schema:read", "schema:write"], [WAREHOUSE]),
    };
    this.gatewayService = await Service.start("airtable-gateway", folder, [], {
      AIRTABLE_GATEWAY_LISTEN: await freeAddress(),
      AIRTABLE_API_URL: this.pacedEmulator.url,
      AIRTABLE_TOKEN: FULL,
      DATA_DIR: data,
    });
    this.direct = { name: "direct", url: this.directEmulator.url, keys: { full: FULL, reader: READER, oneBase: ONE_BASE }, cached: false };
    this.gateway = { name: "gateway", url: this.gatewayService.url, keys, cached: true };
  }

  emulator(name, limits) {
    return freeAddress().then((listen) => {
      const folder = join(this.folder, name);
      const seed = join(this.folder, `${name}.seed.json`);
      writeFileSync(seed, JSON.stringify({ ...SEED, limits }));
      return Service.start("airtable-emulator", folder, ["--seed", seed], { AIRTABLE_EMULATOR_LISTEN: listen, DATA_DIR: join(folder, "data") });
    });
  }

  async stop() {
    for (const service of [this.gatewayService, this.pacedEmulator, this.directEmulator]) await service?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  // The scenario holds on either twin, and the two transcripts are equal.
  async same(scenario) {
    const transcripts = [];
    for (const twin of [this.direct, this.gateway]) {
      const run = new Run(twin);
      await scenario(run);
      transcripts.push(run.transcript);
    }
    assert.ok(transcripts[0].length > 0, "the scenario noted nothing");
    assert.deepEqual(transcripts[1], transcripts[0], "through the gateway differs from direct use");
  }
}

class Run {
  transcript = [];
  #ids = new Map();

  constructor(twin) {
    this.twin = twin;
  }

  // A real client; it must show a 429 instead of waiting for ever.
  client(key = "full") {
    return new Airtable({ apiKey: this.twin.keys[key] ?? key, endpointUrl: this.twin.url, noRetryIfRateLimited: true, requestTimeout: 120_000 });
  }

  table(base, nameOrId, key = "full") {
    return this.client(key).base(base)(nameOrId);
  }

  // Notes what `call` gives. Through the gateway it is called twice: the cache must not change the answer.
  async read(label, call) {
    const first = await outcome(call);
    if (this.twin.cached) assert.deepEqual(await outcome(call), first, `${label}: the second answer differs`);
    return this.#note(label, first);
  }

  async write(label, call) {
    return this.#note(label, await outcome(call));
  }

  #note(label, value) {
    this.transcript.push([label, JSON.parse(this.#comparable(JSON.stringify(value)))]);
    return "gave" in value ? value.gave : value.refused;
  }

  #comparable(text) {
    return text
      .replace(AN_ID, (id) => {
        if (SEEDED_IDS.has(id)) return id;
        if (id.startsWith("itr")) return "<itr>"; // a listing from the cache continues where the first one does
        if (!this.#ids.has(id)) this.#ids.set(id, `<${id.slice(0, 3)} ${this.#ids.size + 1}>`);
        return this.#ids.get(id);
      })
      .replace(A_TIME, (time) => (Date.parse(time) >= STARTED && Date.parse(time) <= Date.now() + 2_000 ? "<now>" : time));
  }
}

// What a call of the client gave: plain data, or what its error holds.
async function outcome(call) {
  try {
    return { gave: plain(await call()) };
  } catch (error) {
    if (!("statusCode" in error)) throw error;
    const { error: type, message, statusCode } = error;
    return { refused: { type, message, statusCode } };
  }
}

// Records of the client as the JSON that came over the wire.
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object" && "_rawJson" in value) return value._rawJson ?? { id: value.id };
  return value ?? null;
}
