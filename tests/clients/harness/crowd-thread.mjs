// Owns one thread's part of a crowd: stock pusher-js clients, what happened to their connections and when, and the events they got.

import Pusher from 'pusher-js';
import { parentPort, workerData } from 'node:worker_threads';
import { openPusher } from './clients.mjs';

const { first, count, channels, perTick, server, backend } = workerData;
const TICK = 10;
const clock = () => performance.timeOrigin + performance.now();
const ends = [];
const scope = { after: (end) => ends.push(end) };
const connects = [];
const errors = [];
const clients = [];

// A library of browsers: it would stop at the number of listeners that Node takes for a leak.
process.setMaxListeners(0);
Pusher.logToConsole = false;

function open(number) {
  const pusher = openPusher(scope, { server, backend });
  const client = { pusher, numbers: [], connected: 0 };
  pusher.connection.bind('connected', () => {
    client.connected += 1;
    connects.push(clock());
  });
  pusher.connection.bind('error', (report) => {
    const { code = null, message } = report?.error?.data ?? report?.data ?? {};
    errors.push({ code, message: message ?? report?.error?.message ?? report?.type ?? null });
  });
  const channel = pusher.subscribe(`crowd-${number % channels}`);
  channel.bind('e', (event) => client.numbers.push(event));
  client.channel = channel;
  clients.push(client);
}

// A few a tick: a thousand handshakes at once would be measured as the server's.
let opened = 0;
const opening = setInterval(() => {
  for (let more = 0; more < perTick && opened < count; more += 1, opened += 1) open(first + opened);
  if (opened === count) clearInterval(opening);
}, TICK);

/** Of the numbers between the first and the last one that each client got, how many it did not get. */
function losses() {
  let [received, lost, repeated] = [0, 0, 0];
  for (const { numbers } of clients) {
    const distinct = new Set(numbers);
    received += numbers.length;
    repeated += numbers.length - distinct.size;
    lost += numbers.length ? Math.max(...numbers) - Math.min(...numbers) + 1 - distinct.size : 0;
  }
  return { received, lost, repeated };
}

const answers = {
  subscribed: () => clients.filter(({ channel, pusher }) => channel.subscribed && pusher.connection.state === 'connected').length,
  connects: () => connects,
  errors: () => errors,
  losses,
  end: () => ends.forEach((end) => end()),
};

parentPort.on('message', ({ id, question }) => parentPort.postMessage({ id, answer: answers[question]() }));
