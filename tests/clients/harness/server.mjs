// Owns the server under test: its configuration file, its process, its port; start, stop, kill, start again.

import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endWithUs, endProcessWithUs } from './process.mjs';
import { until, within } from './until.mjs';

export const HOST = '127.0.0.1';
// Below the range the kernel hands to outgoing connections, so that no other process takes the port between a kill and a restart.
const FIRST_PORT = 20_000;
const LAST_PORT = 30_000;
// Test files run side by side: each takes its ports from a part of its own, and none twice.
const PARTS = 20;
const taken = new Set();
const START_DEADLINE = 30_000;
const EXIT_DEADLINE = 30_000;
const LOG_KEPT = 20_000;

export const APP = { id: '123456', key: 'reverb-key', secret: 'reverb-secret' };

/**
 * Starts a server that serves `apps` (default: APP with `app` settings on top) and waits until it is healthy.
 * `sections`: further tables of the configuration, by name; `host` and `port`: where it listens. `command`: `{ arguments, cwd,
 * env, scheme }` of a start that has its settings from elsewhere, so no configuration file is written.
 */
export async function startServer({ app = {}, apps = [{ ...APP, ...app }], sections = {}, host = HOST, port, command } = {}) {
  for (let attempts = 3; ; attempts -= 1) {
    const server = new Server(host, port ?? (await freePort()), { apps, sections, command });
    try {
      await server.start();
      return server;
    } catch (failure) {
      await server.dispose();
      // Another suite may take the port between the moment it was found free and the start.
      const isTaken = failure.message.includes(`:${server.port} `) && failure.message.includes('another process listens there');
      if (port !== undefined || attempts === 1 || !isTaken) throw failure;
    }
  }
}

class Server {
  #folder = mkdtempSync(join(tmpdir(), 'resound-clients-'));
  #child = null;
  #exit = null;
  #log = '';
  // The process that has taken over from the child.
  #successor = null;

  constructor(host, port, { apps, sections, command }) {
    this.host = host;
    this.port = port;
    this.apps = apps;
    this.sections = sections;
    this.command = command;
  }

  get url() {
    const scheme = this.command?.scheme ?? (this.sections.tls ? 'https' : 'http');
    return `${scheme}://${this.host}:${this.port}`;
  }

  get pid() {
    return this.#successor ?? this.#child.pid;
  }

  get log() {
    return this.#log;
  }

  /** Starts the process, the first time or again on the same port. */
  async start() {
    const binary = process.env.RESOUND_BIN;
    if (!binary) throw new Error('RESOUND_BIN must name the server binary');
    const { arguments: words, cwd, env } = this.command ?? { arguments: ['--config', this.#configuration()] };
    const options = { stdio: ['ignore', 'pipe', 'pipe'], cwd, env: { ...plainEnvironment(), ...env } };
    const child = spawn(binary, ['serve', ...words], options);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes) => (this.#log = (this.#log + bytes).slice(-LOG_KEPT)));
    }
    this.#child = child;
    endWithUs(child);
    this.#exit = new Promise((resolve) => {
      child.once('error', (error) => resolve({ code: null, signal: error.message }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    let exited = null;
    this.#exit.then((how) => (exited = how));
    await until(
      async () => {
        if (exited) throw new Error(`the server ended while starting: ${JSON.stringify(exited)}\n${this.#log}`);
        return this.#healthy();
      },
      () => `GET /up answering {"health":"OK"}; log:\n${this.#log}`,
      START_DEADLINE,
    );
  }

  #configuration() {
    const path = join(this.#folder, 'resound.toml');
    writeFileSync(path, toml(this.host, this.port, this.apps, this.sections));
    return path;
  }

  /** Writes the file again, as `apps` and `sections` are now; the process goes on with what it has read. */
  writeConfiguration() {
    this.#configuration();
  }

  async #healthy() {
    try {
      const answer = await fetch(`${this.url}/up`, { headers: { connection: 'close' } });
      return answer.status === 200 && (await answer.json()).health === 'OK';
    } catch {
      return false;
    }
  }

  /** Hands over to a new process of the same program; `{ took }`: the milliseconds until the command returned. */
  async upgrade() {
    const began = performance.now();
    const pid = this.#successor ?? this.#child.pid;
    const { stdout } = await promisify(execFile)(process.env.RESOUND_BIN, ['upgrade', '--pid', String(pid)], { env: plainEnvironment() });
    this.#successor = Number(/^process (\d+) has taken over from process \d+\n$/.exec(stdout)[1]);
    endProcessWithUs(this.#successor);
    return { took: Math.round(performance.now() - began) };
  }

  /** Asks the process to end (SIGTERM) and resolves with how it did: `{ code, signal }`. */
  async stop() {
    return this.#end('SIGTERM');
  }

  /** Ends the process without any warning (SIGKILL). */
  async kill() {
    return this.#end('SIGKILL');
  }

  /** Stops the process where it stands (SIGSTOP), as a machine that is overwhelmed does. */
  freeze() {
    this.#child.kill('SIGSTOP');
  }

  /** Lets a frozen process go on. */
  thaw() {
    this.#child.kill('SIGCONT');
  }

  /** Whether the process runs. */
  get isRunning() {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async #end(signal) {
    const child = this.#child;
    if (!child) return null;
    this.#child = null;
    child.kill(signal);
    try {
      return await within(this.#exit, () => `exit after ${signal}; log:\n${this.#log}`, EXIT_DEADLINE);
    } catch (late) {
      child.kill('SIGKILL');
      throw late;
    }
  }

  /** For the end of a suite: gone, whatever state it is in. */
  async dispose() {
    await this.kill();
    if (this.#successor) process.kill(this.#successor, 'SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

// The server reads its own variables and refuses unknown ones, RESOUND_BIN among them: the file alone configures it.
export function plainEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(RESOUND|REVERB)_/.test(name)));
}

function toml(host, port, apps, sections) {
  const named = Object.entries({ app: { activity_timeout: 30 }, ...sections, server: { host, port, ...sections.server } });
  const section = ([name, entries]) => (Array.isArray(entries) ? entries.map((one) => table(`[[${name}]]`, name, one)) : [table(`[${name}]`, name, entries)]);
  return [...named.flatMap(section), ...apps.map((app) => table('[[apps]]', 'apps', app))].join('\n');
}

// A list of objects becomes tables of their own, which must stand after the plain values.
function table(head, path, entries) {
  const isTables = ([, value]) => Array.isArray(value) && value.some((one) => typeof one === 'object');
  const [plain, tables] = [Object.entries(entries).filter((entry) => !isTables(entry)), Object.entries(entries).filter(isTables)];
  const inner = tables.flatMap(([key, list]) => list.map((one) => table(`[[${path}.${key}]]`, `${path}.${key}`, one)));
  return `${head}\n${plain.map(([key, one]) => `${key} = ${literal(one)}\n`).join('')}${inner.map((text) => `\n${text}`).join('')}`;
}

function literal(value) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return JSON.stringify(value);
  return `{ ${Object.entries(value).map(([key, one]) => `${JSON.stringify(key)} = ${literal(one)}`).join(', ')} }`;
}

export async function freePort() {
  const size = (LAST_PORT - FIRST_PORT) / PARTS;
  const first = FIRST_PORT + (process.pid % PARTS) * size;
  for (;;) {
    const port = first + Math.floor(Math.random() * size);
    if (taken.has(port)) continue;
    taken.add(port);
    if (await bindable(port)) return port;
  }
}

function bindable(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, HOST, () => probe.close(() => resolve(true)));
  });
}
