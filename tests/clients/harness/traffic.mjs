// Owns events that go on while something breaks: who publishes without a pause, who listens, what was lost, how long silence was.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { connectPusher, subscribed } from './clients.mjs';
import { ledger } from './cluster.mjs';
import { Inbox } from './until.mjs';

// Between two events of one publisher.
const BREATH = 10;
const CATCH_UP = 15_000;
// Events that are large, and how many of them are enough for any buffer.
const FLOOD_BYTES = 95_000;
const FLOOD = 1000;

/** Settings of [websocket] with which a client may have a whole flood before it. */
export const ROOMY = { outbox_bytes: 2 * FLOOD * FLOOD_BYTES };

// Milliseconds in which this process itself could run. Publishers and listeners are in it: what a machine that is busy with
// something else takes away from it counts as no silence of a server.
const TICK = 10;
let awake = 0;
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  awake += Math.min(now - last, 5 * TICK);
  last = now;
}, TICK).unref();

/** Publishes 0, 1, 2 … on `channel` through `node`, each when the one before was answered, until `stop()`. */
export function publisher(node, name, channel, padding = '') {
  const flow = { name, node, channel, answered: 0, slowest: 0, refused: [] };
  let goesOn = true;
  const going = (async () => {
    while (goesOn) {
      const began = awake;
      const body = padding ? [name, flow.answered, padding] : [name, flow.answered];
      await node.pusher.trigger(channel, 'e', body).catch((error) => flow.refused.push(error));
      flow.slowest = Math.max(flow.slowest, Math.round(awake - began));
      flow.answered += 1;
      await pause(BREATH);
    }
  })();
  flow.stop = async () => {
    goesOn = false;
    await going;
    return flow.answered;
  };
  return flow;
}

/**
 * A client of `node` on `channel`: the numbers it receives of each publisher and when, gap events, its ledger, and everything
 * as [event, data].
 */
export async function listener(t, node, user, channel) {
  const pusher = await connectPusher(t, node, user);
  const book = ledger(pusher, channel);
  const ear = new Ear(node, pusher, user, book);
  const subscription = pusher.subscribe(channel);
  subscription.bind('e', ([name, number]) => ear.hear(name, number));
  subscription.bind('resync', ({ missed }) => ear.gaps.push(missed));
  subscription.bind('marker', (number) => ear.markers.put(['marker', number]));
  await subscribed(subscription);
  return ear;
}

class Ear {
  received = new Map();
  times = [];
  gaps = [];
  markers = new Inbox('markers');

  constructor(node, pusher, user, book) {
    Object.assign(this, { node, pusher, user, book });
  }

  hear(name, number) {
    this.#inbox(name).put(number);
    this.times.push({ name, at: awake });
  }

  #inbox(name) {
    if (!this.received.has(name)) this.received.set(name, new Inbox(name));
    return this.received.get(name);
  }

  numbers(name) {
    return this.received.get(name)?.items ?? [];
  }

  /** Waits until `count` events of `name` have come. */
  untilReceived(name, count, deadline) {
    return this.#inbox(name).until(count, deadline);
  }

  /** Waits until the last event of `flow` has come. */
  async untilLast(flow, deadline = CATCH_UP) {
    const inbox = this.#inbox(flow.name);
    await inbox.until((items) => items.at(-1) === flow.answered - 1, deadline).catch(() => {
      throw new Error(`the last of ${flow.answered} events of ${flow.name} did not come; the last one received is ${inbox.items.at(-1)}`);
    });
  }

  /** How many events of `flow` were not received; none may come twice or too early. */
  lost(flow) {
    const numbers = this.numbers(flow.name);
    const wrong = numbers.findIndex((number, at) => at > 0 && number <= numbers[at - 1]);
    assert.ok(wrong < 0, `${this.user} received of ${flow.name}: ${numbers.slice(Math.max(0, wrong - 6), wrong + 4)}`);
    return flow.answered - numbers.length;
  }

  /** The numbers that were answered and did not arrive. */
  missing(flow) {
    const arrived = new Set(this.numbers(flow.name));
    return Array.from({ length: flow.answered }, (_, number) => number).filter((number) => !arrived.has(number));
  }

  /** The longest time between two events of `name`. */
  silence(name) {
    const times = this.times.filter((one) => one.name === name).map(({ at }) => at);
    return Math.round(Math.max(...times.slice(1).map((at, before) => at - times[before])));
  }
}

/**
 * Freezes `still` and publishes on `channel` through another node until Redis has closed the connection of `still` because too
 * much waits for it; a few more follow. Gives the number of events, which listeners know as the publisher `flood`.
 */
export async function overflow(cluster, still, channel) {
  await cluster.redis.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 1mb 1mb 1');
  const { pusher } = cluster.nodes.find((node) => node !== still);
  still.server.freeze();
  let number = 0;
  const publish = async (padding) => {
    assert.ok(number < FLOOD, 'so much did not fill the buffer');
    await pusher.trigger(channel, 'e', ['flood', number, padding]);
    number += 1;
  };
  while (!cluster.redis.log.includes('output buffer limits')) await publish('x'.repeat(FLOOD_BYTES));
  for (let more = 0; more < 5; more += 1) await publish('');
  return number;
}
