// Owns a real Redis: its process and port; pause, kill, start again; and asking it.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithUs } from './process.mjs';
import { freePort, HOST } from './server.mjs';
import { until, within } from './until.mjs';

const ANSWER_DEADLINE = 30_000;
const MISSING = 'redis-server is needed for this suite: install redis-server (Debian, Ubuntu), redis (Fedora, Alpine, macOS) or valkey';

/** Starts a Redis; `kept`: its data survives a kill (AOF, written at every command). */
export async function startRedis({ kept = false } = {}) {
  const redis = new Redis(await freePort(), kept);
  await redis.start();
  return redis;
}

export class Redis {
  host = HOST;
  #folder = mkdtempSync(join(tmpdir(), 'resound-redis-'));
  #child = null;
  #log = '';

  constructor(port, kept, options = []) {
    this.port = port;
    this.kept = kept;
    this.options = options;
  }

  /** Starts the process, the first time or again on the same port. */
  async start() {
    const keeping = this.kept ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no'];
    const own = ['--port', String(this.port), '--bind', HOST, '--dir', this.#folder, '--save', ''];
    const options = [...own, ...keeping, ...this.options];
    const child = endWithUs(spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'pipe'] }));
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (this.#log += bytes));
    let failure = null;
    child.once('error', ({ code }) => (failure = code === 'ENOENT' ? MISSING : `redis-server: ${code}`));
    child.once('exit', () => (failure ??= `redis-server ended:\n${this.#log}`));
    this.#child = child;
    const answers = async () => {
      if (failure) throw new Error(failure);
      return this.ask('PING').then((answer) => answer === 'PONG', () => false);
    };
    await until(answers, () => `an answer of redis-server; its log:\n${this.#log}`);
  }

  /** Ends the process without any warning. */
  async kill() {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await within(exited, 'the end of redis-server');
  }

  /** Stops the process where it stands: connections stay, nothing answers. */
  freeze() {
    this.#child.kill('SIGSTOP');
  }

  thaw() {
    this.#child.kill('SIGCONT');
  }

  get log() {
    return this.#log;
  }

  get isRunning() {
    return this.#child !== null;
  }

  /** The answer to one command: a text, a number, null, or a list of them. */
  async ask(...words) {
    const socket = connect(this.port, HOST);
    let bytes = Buffer.alloc(0);
    const answered = new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => reject(new Error(`Redis closed the connection on ${words[0]}`)));
      socket.on('data', (more) => {
        bytes = Buffer.concat([bytes, more]);
        const answer = read(bytes, 0);
        if (answer) resolve(answer.value);
      });
    });
    const parts = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`);
    socket.write(`*${words.length}\r\n${parts.join('')}`);
    try {
      const answer = await within(answered, `the answer of Redis to ${words[0]}`, ANSWER_DEADLINE);
      if (answer instanceof Error) throw answer;
      return answer;
    } finally {
      socket.destroy();
    }
  }

  /** For the end of a suite: gone, whatever state it is in. */
  async dispose() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** One RESP2 value at `from`: `{ value, next }`, or null while it is not complete. */
function read(bytes, from) {
  const end = bytes.indexOf('\r\n', from);
  if (end < 0) return null;
  const [kind, rest, next] = [String.fromCharCode(bytes[from]), bytes.toString('utf8', from + 1, end), end + 2];
  if (kind === '+') return { value: rest, next };
  if (kind === '-') return { value: new Error(`Redis: ${rest}`), next };
  if (kind === ':') return { value: Number(rest), next };
  if (Number(rest) < 0) return { value: null, next };
  if (kind === '$') {
    const last = next + Number(rest);
    return bytes.length < last + 2 ? null : { value: bytes.toString('utf8', next, last), next: last + 2 };
  }
  return readList(bytes, next, Number(rest));
}

function readList(bytes, from, count) {
  const value = [];
  for (let at = 0; at < count; at += 1) {
    const one = read(bytes, from);
    if (!one) return null;
    value.push(one.value);
    from = one.next;
  }
  return { value, next: from };
}
