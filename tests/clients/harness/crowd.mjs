// Owns a crowd: thousands of stock pusher-js clients on threads, a steady publisher, and a prober of new connections.

import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { sdk } from './backend.mjs';
import { stallsSince } from './stalls.mjs';
import { until } from './until.mjs';

const THREADS = 2;
// Connections that a crowd opens in ten milliseconds, on each thread.
const PER_TICK = 4;
const OPENING = 40_000;
const PROBE_MS = 5;

/** Opens `count` clients on `channels` channels, and waits until all are subscribed. It goes away with the test `t`. */
export async function openCrowd(t, { server, backend }, { count, channels }) {
  const crowd = new Crowd({ server: { host: server.host, port: server.port }, backend: { url: backend.url } }, count, channels);
  t.after(() => crowd.end());
  await crowd.untilSubscribed(OPENING);
  return crowd;
}

class Crowd {
  #threads;
  #asked = 0;
  #waiting = new Map();

  constructor(world, count, channels) {
    this.count = count;
    const each = Math.ceil(count / THREADS);
    this.#threads = Array.from({ length: THREADS }, (_, at) => {
      const first = at * each;
      const workerData = { ...world, first, count: Math.min(each, count - first), channels, perTick: PER_TICK };
      const thread = new Worker(new URL('./crowd-thread.mjs', import.meta.url), { workerData });
      thread.on('message', ({ id, answer }) => this.#waiting.get(id)(answer));
      return thread;
    });
  }

  async #ask(question, about) {
    return Promise.all(
      this.#threads.map((thread) => {
        const id = (this.#asked += 1);
        const answered = new Promise((resolve) => this.#waiting.set(id, resolve));
        thread.postMessage({ id, question, about });
        return answered.finally(() => this.#waiting.delete(id));
      }),
    );
  }

  async untilSubscribed(deadline) {
    let subscribed;
    const all = async () => {
      subscribed = (await this.#ask('subscribed')).reduce((sum, one) => sum + one);
      return subscribed === this.count;
    };
    await until(all, () => `${this.count} clients being subscribed; ${subscribed} are`, deadline);
  }

  /** When connections were established and when they ended, each in order. */
  async timeline() {
    const all = await this.#ask('timeline');
    const sorted = (what) => all.flatMap((one) => one[what]).sort((a, b) => a - b);
    return { connected: sorted('connected'), closed: sorted('closed') };
  }

  /** Waits until `count` connections have ended since `before` and as many clients are subscribed again; the timeline since then. */
  async untilBack(count, before, deadline) {
    let since;
    const all = async () => {
      const now = await this.timeline();
      since = { connected: now.connected.slice(before.connected.length), closed: now.closed.slice(before.closed.length) };
      return since.closed.length >= count && since.connected.length >= since.closed.length;
    };
    await until(all, () => `${count} clients being back; ${since.closed.length} were disconnected, ${since.connected.length} are back`, deadline);
    await this.untilSubscribed(deadline);
    return since;
  }

  /** For how many milliseconds since `began` this thread stood still, or one of the crowd if that is more. */
  async stallsSince(began) {
    return Math.max(stallsSince(began), ...(await this.#ask('stalls', began)));
  }

  /** Reports of errors, each text with its number. */
  async errors() {
    const counts = {};
    for (const { code, message } of (await this.#ask('errors')).flat()) {
      const text = `${code} ${message}`;
      counts[text] = (counts[text] ?? 0) + 1;
    }
    return counts;
  }

  /** Events that the clients received, did not receive, received twice, and received behind a later one. */
  async losses() {
    const all = await this.#ask('losses');
    const sum = (what) => all.reduce((total, one) => total + one[what], 0);
    return { received: sum('received'), lost: sum('lost'), repeated: sum('repeated'), disordered: sum('disordered') };
  }

  /** When events arrived, over all clients. */
  async arrivals() {
    return (await this.#ask('arrivals')).flat();
  }

  /** Waits until every client has the event with this number as its last one. */
  async untilReceived(number, deadline) {
    let have;
    const all = async () => {
      have = (await this.#ask('having', number)).reduce((sum, one) => sum + one);
      return have === this.count;
    };
    await until(all, () => `event ${number} at ${this.count} clients; ${have} have it`, deadline);
  }

  async end() {
    await this.#ask('end');
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}

/** The largest number of `times` within any second. */
export function mostPerSecond(times) {
  let [most, from] = [0, 0];
  times.forEach((time, to) => {
    while (time - times[from] >= 1000) from += 1;
    most = Math.max(most, to - from + 1);
  });
  return most;
}

/** Triggers on the channels of a crowd, one after the other, at an even rate, whether or not they are answered, until `stop()`. */
export function steadyPublisher(server, { perSecond, channels }) {
  const flow = { sent: 0, answered: 0, failed: [] };
  const [pusher, began, open] = [sdk(server), performance.now(), new Set()];
  const publish = (number) => {
    const trigger = pusher.trigger(`crowd-${number % channels}`, 'e', Math.floor(number / channels));
    const call = trigger.then(() => (flow.answered += 1), (error) => flow.failed.push(`${number}: ${error.status ?? ''} ${error.message} ${error.error ?? ''}`));
    open.add(call);
    call.finally(() => open.delete(call));
  };
  const timer = setInterval(() => {
    while (flow.sent < ((performance.now() - began) * perSecond) / 1000) publish(flow.sent++);
  }, 5);
  flow.stop = async () => {
    clearInterval(timer);
    await Promise.all(open);
  };
  return flow;
}

/** Opens a TCP connection every few milliseconds until `stop()`: those that were refused or reset. */
export function prober({ host, port }) {
  const probes = { opened: 0, refused: [] };
  const timer = setInterval(() => {
    const socket = connect({ host, port });
    socket.on('connect', () => {
      probes.opened += 1;
      socket.end();
    });
    socket.on('error', (error) => probes.refused.push(error.code));
    socket.resume();
  }, PROBE_MS);
  probes.stop = () => clearInterval(timer);
  return probes;
}
