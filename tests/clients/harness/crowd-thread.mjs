// Owns one thread's part of a crowd: stock pusher-js clients, what happened to their connections and when, and the events they got.

import { parentPort, workerData } from 'node:worker_threads';
import { openPusher } from './clients.mjs';
import { clock, stallsSince } from './stalls.mjs';

const { first, count, channels, perTick, server, backend } = workerData;
const TICK = 10;
const ends = [];
const scope = { after: (end) => ends.push(end) };
const connected = [];
const closed = [];
const errors = [];
const clients = [];
const arrivals = [];

function open(number) {
  const pusher = openPusher(scope, { server, backend });
  const client = { pusher, numbers: [] };
  pusher.connection.bind('connected', () => {
    connected.push(clock());
  });
  pusher.connection.bind('state_change', ({ previous }) => previous === 'connected' && closed.push(clock()));
  pusher.connection.bind('error', (report) => {
    const { code = null, message } = report?.error?.data ?? report?.data ?? {};
    errors.push({ code, message: message ?? report?.error?.message ?? report?.type ?? null });
  });
  const channel = pusher.subscribe(`crowd-${number % channels}`);
  channel.bind('e', (event) => {
    client.numbers.push(event);
    arrivals.push(clock());
  });
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
  let [received, lost, repeated, disordered] = [0, 0, 0, 0];
  for (const { numbers } of clients) {
    const distinct = new Set(numbers);
    received += numbers.length;
    repeated += numbers.length - distinct.size;
    disordered += numbers.filter((number, at) => number < numbers[at - 1]).length;
    lost += numbers.length ? Math.max(...numbers) - Math.min(...numbers) + 1 - distinct.size : 0;
  }
  return { received, lost, repeated, disordered };
}

const answers = {
  subscribed: () => clients.filter(({ channel, pusher }) => channel.subscribed && pusher.connection.state === 'connected').length,
  timeline: () => ({ connected, closed }),
  errors: () => errors,
  losses,
  arrivals: () => arrivals,
  having: (number) => clients.filter(({ numbers }) => numbers.at(-1) === number).length,
  stalls: stallsSince,
  end: () => ends.forEach((end) => end()),
};

parentPort.on('message', ({ id, question, about }) => parentPort.postMessage({ id, answer: answers[question](about) }));
