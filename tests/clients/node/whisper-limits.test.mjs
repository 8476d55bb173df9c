// Owns the limits on client events in Node: the rate per second, and whose events are accepted.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, errorsOf, Inbox, roundTrip, subscribed, world } from '../harness.mjs';

const LIMIT = 5;
const SENT = 50;

/** Two users on `name`; what the second receives, the marker event included. */
async function pair(t, shared, name) {
  const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
  const received = new Inbox('received');
  const channel = await subscribed(ada.subscribe(name));
  (await subscribed(bob.subscribe(name))).bind_global((event, data) => received.put([event, data]));
  return { ada, channel, received, errors: errorsOf(ada) };
}

describe('too many client events', () => {
  const shared = world({ app: { max_client_events_per_second: LIMIT } });

  test('are refused with 4301; those within the limit arrive and the socket is kept', async (t) => {
    const { ada, channel, received, errors } = await pair(t, shared, 'private-flood');
    const id = ada.connection.socket_id;
    for (let n = 0; n < SENT; n += 1) channel.trigger('client-n', { n });
    await roundTrip(ada);
    await shared.pusher.trigger('private-flood', 'marker', 'end');
    const items = await received.until((all) => all.some(([event]) => event === 'marker'));

    const arrived = items.slice(0, -1).map(([, { n }]) => n);
    assert.ok(arrived.length >= LIMIT, `only ${arrived.length} arrived`);
    assert.ok(arrived.length < SENT, 'all arrived');
    assert.deepEqual(arrived.slice(0, LIMIT), [0, 1, 2, 3, 4]);
    assert.deepEqual(arrived, [...arrived].sort((a, b) => a - b));
    assert.deepEqual(new Set(errors.items.map(({ code }) => code)), new Set([4301]));
    assert.equal(errors.items.length, SENT - arrived.length);
    assert.equal(ada.connection.state, 'connected');
    assert.equal(ada.connection.socket_id, id);
  });

  test('of one socket leave the others their own allowance', async (t) => {
    const { ada, channel } = await pair(t, shared, 'private-fair');
    for (let n = 0; n < SENT; n += 1) channel.trigger('client-n', { n });
    await roundTrip(ada);
    const { ada: eve, channel: calm, received, errors } = await pair(t, shared, 'private-fair');
    calm.trigger('client-calm', { n: 1 });
    await roundTrip(eve);
    await received.until((items) => items.some(([event]) => event === 'client-calm'));
    assert.deepEqual(errors.items, []);
  });
});

describe('client events switched off', () => {
  const shared = world({ app: { accept_client_events_from: 'none' } });

  test('are refused with 4301 and reach no member; server events still do', async (t) => {
    const { ada, channel, received, errors } = await pair(t, shared, 'private-quiet');
    channel.trigger('client-n', { n: 1 });
    await roundTrip(ada);
    await shared.pusher.trigger('private-quiet', 'marker', 'end');
    assert.deepEqual(await received.until(1), [['marker', 'end']]);
    assert.deepEqual(errors.items.map(({ code }) => code), [4301]);
    assert.equal(ada.connection.state, 'connected');
  });
});

describe('client events accepted from all', () => {
  const shared = world({ app: { accept_client_events_from: 'all' } });

  test('are relayed on public channels too, without a user id', async (t) => {
    const { ada, channel, received, errors } = await pair(t, shared, 'square');
    channel.trigger('client-n', { n: 1 });
    await roundTrip(ada);
    await shared.pusher.trigger('square', 'marker', 'end');
    assert.deepEqual(await received.until(2), [['client-n', { n: 1 }], ['marker', 'end']]);
    assert.deepEqual(errors.items, []);
  });

  test('do not reach a private channel from a client that is not on it', async (t) => {
    const { ada, received } = await pair(t, shared, 'private-club');
    const stranger = await connectPusher(t, shared, '3');
    const errors = errorsOf(stranger);
    stranger.send_event('client-n', { n: 1 }, 'private-club');
    await roundTrip(stranger);
    await roundTrip(ada);
    await shared.pusher.trigger('private-club', 'marker', 'end');
    assert.deepEqual(await received.until(1), [['marker', 'end']]);
    assert.equal(errors.items.length, 1);
  });
});
