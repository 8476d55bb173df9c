// Owns the way from one node to Redis: a TCP proxy in a process of its own, so that it can be stopped as a cable is cut.
//
// Run as a program it is the proxy: `node cable.mjs <port> <port of Redis>`.

import { fork } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { endWithUs } from './process.mjs';
import { freePort, HOST } from './server.mjs';
import { within } from './until.mjs';

const PROGRAM = fileURLToPath(import.meta.url);

/** Lays a cable to `redis`; nodes use its `port`. */
export async function layCable(redis) {
  const cable = new Cable(await freePort());
  await cable.start(redis.port);
  return cable;
}

class Cable {
  #sources = new Set();
  #child = null;

  constructor(port) {
    this.port = port;
  }

  async start(target) {
    this.#child = endWithUs(fork(PROGRAM, [String(this.port), String(target)]));
    const listens = new Promise((resolve) => {
      this.#child.on('message', ({ opened, closed }) => {
        if (opened) this.#sources.add(opened);
        else if (closed) this.#sources.delete(closed);
        else resolve();
      });
    });
    await within(listens, 'the proxy listening');
  }

  /** Where the connections through the cable come from, as Redis sees it. */
  get addresses() {
    return [...this.#sources].map((port) => `${HOST}:${port}`);
  }

  /** From now on nothing comes through, in neither direction, and neither end is notified. */
  cut() {
    this.#child.kill('SIGSTOP');
  }

  /** Everything goes on, and what was held arrives. */
  mend() {
    this.#child.kill('SIGCONT');
  }

  dispose() {
    this.#child?.kill('SIGKILL');
  }
}

function run(port, target) {
  const server = createServer((near) => {
    const far = connect(target, HOST);
    far.once('connect', () => {
      const port = far.localPort;
      process.send({ opened: port });
      far.once('close', () => process.send({ closed: port }));
    });
    for (const [one, other] of [[near, far], [far, near]]) {
      one.setNoDelay(true);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(port, HOST, () => process.send({}));
}

if (process.argv[1] === PROGRAM) run(Number(process.argv[2]), Number(process.argv[3]));
