// Owns how webhooks are delivered in Node: filters, header fields, batches, retries in order, endpoints that fail or hang.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, Inbox, subscribed, webhooks, world } from '../harness.mjs';

const BATCH_WINDOW = 1000;
const DELAYED = 25_000;
const OCCUPIED = { events: ['channel_occupied'] };

const channelsOf = (endpoint) => endpoint.events.items.map(({ channel }) => channel);

describe('delivery of webhooks', { concurrency: true }, () => {
  const hooks = webhooks();
  // An endpoint of one topic receives only the occupation of channels whose names end so.
  const about = (topic, settings) => hooks.endpoint({ ...OCCUPIED, channel_suffix: `-${topic}`, ...settings });
  const filters = {
    events: hooks.endpoint({ channel_suffix: '-filter', events: ['member_added', 'client_event'] }),
    prefix: hooks.endpoint({ ...OCCUPIED, channel_prefix: 'private-' }),
    both: hooks.endpoint({ ...OCCUPIED, channel_prefix: 'private-', channel_suffix: '-filter' }),
  };
  const fields = about('fields', { headers: { 'X-Tenant': '7', Authorization: 'Bearer a b "c"' } });
  const batch = about('batch', { batch_window_ms: BATCH_WINDOW });
  const flaky = about('flaky');
  const flakyBatch = about('flakyBatch', { batch_window_ms: 200 });
  const broken = about('broken');
  const [hanging, beside] = [about('hanging'), about('hanging')];
  const shared = world({ app: hooks.app });

  /** Subscribes to all names in order. */
  async function occupy(t, names) {
    const pusher = await connectPusher(t, shared, '1');
    for (const name of names) await subscribed(pusher.subscribe(name));
    return pusher;
  }

  test('events, channel_prefix and channel_suffix select the events of an endpoint, each on its own and together', async (t) => {
    const names = ['private-a-filter', 'presence-a-filter', 'a-filter', 'private-a-other', 'filter-private-', 'private-z-filter'];
    const pusher = await occupy(t, names);
    pusher.channel('private-a-filter').trigger('client-e', {});
    await filters.events.received('client_event', 'private-a-filter');
    await filters.both.received('channel_occupied', 'private-z-filter');
    await filters.prefix.received('channel_occupied', 'private-z-filter');
    assert.deepEqual(filters.events.events.items.map(({ name, channel }) => [name, channel]), [
      ['member_added', 'presence-a-filter'],
      ['client_event', 'private-a-filter'],
    ]);
    assert.deepEqual(channelsOf(filters.both), ['private-a-filter', 'private-z-filter']);
    assert.deepEqual(channelsOf(filters.prefix), ['private-a-filter', 'private-a-other', 'private-z-filter']);
  });

  test('header fields of the configuration are sent beside those of Pusher', async (t) => {
    await occupy(t, ['a-fields']);
    const [{ headers, valid }] = await fields.calls.until(1);
    assert.equal(valid, true);
    assert.equal(headers['x-tenant'], '7');
    assert.equal(headers.authorization, 'Bearer a b "c"');
    assert.equal(headers['content-type'], 'application/json');
  });

  test('what happens within the batching window comes in one call, in order', async (t) => {
    const names = Array.from({ length: 20 }, (_, n) => `${n}-batch`);
    const began = Date.now();
    await occupy(t, names);
    const took = Date.now() - began;
    await batch.events.until(names.length);
    assert.deepEqual(channelsOf(batch), names);
    assert.ok(batch.calls.items.every(({ valid }) => valid));
    // One call for each window that it took to subscribe, and one that was open at the end.
    const most = Math.ceil(took / BATCH_WINDOW) + 1;
    assert.ok(batch.calls.items.length <= most, `${batch.calls.items.length} calls, at most ${most}`);
  });

  test('a call that is answered with 500 is made again until it is taken: nothing is lost, the order is kept', async (t) => {
    flaky.answers.push(500, 503, 200, 404);
    const names = ['a-flaky', 'b-flaky', 'c-flaky'];
    await occupy(t, names);
    await flaky.events.until(3, DELAYED);
    assert.deepEqual(channelsOf(flaky), names);
    const calls = flaky.calls.items.map(({ events: [{ channel }], answered }) => [channel, answered]);
    assert.deepEqual(calls, [['a-flaky', 500], ['a-flaky', 503], ['a-flaky', 200], ['b-flaky', 404], ['b-flaky', 200], ['c-flaky', 200]]);
    assert.ok(flaky.calls.items.every(({ valid }) => valid));
    // Between two tries there is a wait, and it grows.
    const [first, second, third] = flaky.calls.items.map(({ at }) => at);
    assert.ok(second - first >= 400 && third - second >= 900, `waits of ${second - first} and ${third - second} ms`);
  });

  test('a batch that fails is made again whole, before what came later', async (t) => {
    flakyBatch.answers.push(500);
    await occupy(t, ['a-flakyBatch', 'b-flakyBatch']);
    await flakyBatch.calls.until(1);
    await occupy(t, ['c-flakyBatch', 'd-flakyBatch']);
    await flakyBatch.events.until(4, DELAYED);
    assert.deepEqual(channelsOf(flakyBatch), ['a', 'b', 'c', 'd'].map((name) => `${name}-flakyBatch`));
    const [failed, again] = flakyBatch.calls.items;
    assert.deepEqual(again.events, failed.events);
  });

  test('a connection that breaks without an answer is a failure as well', async (t) => {
    broken.answers.push('drop');
    await occupy(t, ['a-broken', 'b-broken']);
    await broken.events.until(2, DELAYED);
    assert.deepEqual(channelsOf(broken), ['a-broken', 'b-broken']);
  });

  for (const status of [301, 302, 303, 307, 308]) {
    const [from, to] = [about(`redirect${status}`), hooks.endpoint({ channel_suffix: '-nowhere' })];
    test(`a redirect with ${status} is not followed: it is a failure, and the call is made again`, async (t) => {
      from.answers.push({ status, headers: { location: hooks.url(to.path) } });
      await occupy(t, [`a-redirect${status}`]);
      await from.events.until(1, DELAYED);
      assert.deepEqual(from.calls.items.map(({ answered }) => answered.status ?? answered), [status, 200]);
      assert.deepEqual(to.calls.items, []);
    });
  }

  test('an endpoint that hangs delays neither another endpoint nor the channel', async (t) => {
    hanging.answers.push('hang');
    const pusher = await connectPusher(t, shared, '1');
    const got = new Inbox();
    const began = Date.now();
    for (const name of ['a-hanging', 'b-hanging', 'c-hanging']) {
      (await subscribed(pusher.subscribe(name))).bind('e', got.put);
      await shared.pusher.trigger(name, 'e', name);
    }
    assert.deepEqual(await got.until(3), ['a-hanging', 'b-hanging', 'c-hanging']);
    await beside.events.until(3);
    assert.deepEqual(channelsOf(beside), ['a-hanging', 'b-hanging', 'c-hanging']);
    // The hanging call was still open, else this would prove nothing.
    assert.equal(hanging.calls.items.length, 1);
    assert.ok(Date.now() - began < 10_000);
    hanging.release();
    await hanging.events.until(3);
    assert.deepEqual(channelsOf(hanging), ['a-hanging', 'b-hanging', 'c-hanging']);
  });
});

describe('webhooks with short times', { concurrency: true }, () => {
  const hooks = webhooks();
  const silent = hooks.endpoint({ ...OCCUPIED, channel_suffix: '-silent' });
  const dead = hooks.endpoint({ ...OCCUPIED, channel_suffix: '-dead' });
  const shared = world({ app: hooks.app, sections: { webhooks: { request_timeout_seconds: 1, retry_for_seconds: 6 } } });

  test('a call without an answer is given up after request_timeout_seconds and made again', async (t) => {
    silent.answers.push('hang');
    const pusher = await connectPusher(t, shared, '1');
    await subscribed(pusher.subscribe('a-silent'));
    await silent.events.until(1, DELAYED);
    assert.deepEqual(silent.calls.items.map(({ answered }) => answered), ['hang', 200]);
    const [first, second] = silent.calls.items.map(({ at }) => at);
    assert.ok(second - first >= 1000, `again after ${second - first} ms`);
  });

  test('a call without a receiver is given up after retry_for_seconds, and the next one is made', async (t) => {
    dead.answers.push(...Array(50).fill(500));
    const pusher = await connectPusher(t, shared, '1');
    await subscribed(pusher.subscribe('a-dead'));
    await dead.calls.until(2);
    await subscribed(pusher.subscribe('b-dead'));
    await dead.calls.until((calls) => calls.some(({ events: [{ channel }] }) => channel === 'b-dead'), DELAYED);
    dead.answers.length = 0;
    await dead.events.until(1);
    assert.deepEqual(channelsOf(dead), ['b-dead']);
  });
});
