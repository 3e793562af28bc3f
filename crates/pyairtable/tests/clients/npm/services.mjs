// Starts the binaries under test as a user would: processes with settings in their environment.

import { spawn, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const READY_WITHIN_MS = 20_000;
const STOPPED_WITHIN_MS = 25_000;

function binary(name) {
  const folder = process.env.PYAIRTABLE_BIN_DIR;
  if (!folder) throw new Error("PYAIRTABLE_BIN_DIR must name the folder of the built binaries");
  const path = join(resolve(folder), name);
  if (!existsSync(path)) throw new Error(`${path} is missing: build it first`);
  return path;
}

// Only what a process needs and what the test sets: a developer's own settings stay outside.
function environment(settings) {
  const { PATH, HOME } = process.env;
  return { PATH, HOME, LOG_LEVEL: "warn", ...settings };
}

export async function freeAddress() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return `127.0.0.1:${port}`;
}

export class Service {
  constructor(name, url, child, log) {
    Object.assign(this, { name, url, child, log });
    this.ended = new Promise((done) => child.once("exit", (code, signal) => done(code ?? signal)));
  }

  // `settings` must hold `…_LISTEN`, the address the service will answer at.
  static async start(name, folder, args, settings) {
    const listen = Object.entries(settings).find(([key]) => key.endsWith("_LISTEN"))[1];
    mkdirSync(folder, { recursive: true });
    const log = join(folder, `${name}.log`);
    const output = openSync(log, "a");
    // The working directory is the test's own, so that no `.env` of the working tree is read.
    const child = spawn(binary(name), args, { cwd: folder, env: environment(settings), stdio: ["ignore", output, output] });
    const service = new Service(name, `http://${listen}`, child, log);
    await service.waitUntilReady();
    return service;
  }

  async waitUntilReady() {
    const deadline = Date.now() + READY_WITHIN_MS;
    while (Date.now() < deadline && this.child.exitCode === null) {
      const answer = await fetch(`${this.url}/health`).catch(() => null);
      if (answer?.ok) return;
      await wait(20);
    }
    await this.stop();
    throw new Error(`${this.name} is not ready at ${this.url}:\n${readFileSync(this.log, "utf8").slice(-4000)}`);
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGTERM");
    const late = wait(STOPPED_WITHIN_MS, "late", { ref: false });
    if ((await Promise.race([this.ended, late])) === "late") this.child.kill("SIGKILL");
    return this.ended;
  }
}

// A gateway key as a user makes it: `pyairtable keys create`, which prints it once.
export function createKey(dataDir, name, scopes, bases = []) {
  mkdirSync(dataDir, { recursive: true });
  const args = ["keys", "create", "--name", name, "--scopes", scopes.join(",")];
  if (bases.length) args.push("--bases", bases.join(","));
  const printed = execFileSync(binary("pyairtable"), args, { cwd: dataDir, env: environment({ DATA_DIR: dataDir }), encoding: "utf8", timeout: 30_000 });
  return printed.match(/pya_live_[\w-]+/)[0];
}
