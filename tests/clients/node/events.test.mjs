// Owns public events in Node: names, payloads and how often they arrive, with Laravel Echo as the listener.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectEcho, Inbox, subscribed, tap, untilOccupied, world } from '../harness.mjs';

const PAYLOADS = {
  'an object': { id: 7, title: 'order' },
  'unicode and emoji': { text: 'Zoë – 注文 – 🚚 – \u2028 – "quoted" \\ / </script>' },
  'an empty object': {},
  'an empty list': [],
  'nested empties': { list: [], map: {}, deep: { list: [[], {}], none: null } },
  'floats': { price: 1.5, huge: 1e20, tiny: 1e-9, negative: -0.25 },
  'a plain number': 42,
  'true': true,
  'a list': [1, 'two', { three: 3 }],
  'numeric keys': { 0: 'a', 1: 'b' },
};

describe('public events', () => {
  const shared = world();
  const { stringify } = JSON;

  test('an event named after a Laravel class reaches the listener that Echo names in short', async (t) => {
    const echo = await connectEcho(t, shared);
    const got = new Inbox();
    const channel = await subscribed(echo.channel('short'));
    channel.listen('OrderShipped', got.put);
    await shared.pusher.trigger('short', 'App\\Events\\OrderShipped', { id: 1 });
    assert.deepEqual(await got.until(1), [{ id: 1 }]);
  });

  test('an event with a custom name reaches the listener with a leading dot', async (t) => {
    const echo = await connectEcho(t, shared);
    const got = new Inbox();
    const channel = await subscribed(echo.channel('custom'));
    channel.listen('.custom', got.put).listen('.order.shipped', got.put);
    await shared.pusher.trigger('custom', 'custom', { id: 2 });
    await shared.pusher.trigger('custom', 'order.shipped', { id: 3 });
    assert.deepEqual(await got.until(2), [{ id: 2 }, { id: 3 }]);
  });

  test('a notification reaches notification()', async (t) => {
    const echo = await connectEcho(t, shared);
    const got = new Inbox();
    const channel = await subscribed(echo.channel('notes'));
    channel.notification(got.put);
    const note = { id: 'n1', type: 'App\\Notifications\\Paid' };
    await shared.pusher.trigger('notes', 'Illuminate\\Notifications\\Events\\BroadcastNotificationCreated', note);
    assert.deepEqual(await got.until(1), [note]);
  });

  test('payloads arrive equal, in the order they were published', async (t) => {
    const echo = await connectEcho(t, shared);
    const got = new Inbox();
    const channel = await subscribed(echo.channel('payloads'));
    channel.listen('.payload', got.put);
    const sent = Object.values(PAYLOADS);
    for (const data of sent) await shared.pusher.trigger('payloads', 'payload', data);
    assert.deepEqual(await got.until(sent.length), sent);
  });

  test('the data string comes out byte for byte as it went in', async (t) => {
    const frames = tap(t);
    const echo = await connectEcho(t, shared);
    await subscribed(echo.channel('bytes'));
    const texts = [
      '{"price":1.0,"huge":1e20,"big":12345678901234567890,"exp":1E+2}',
      '{"b":1,"a":2,"b":3}',
      ' { "spaced" : [ ] } ',
      '{"escapes":"\\u00e9\\/\\ud83d\\ude9a"}',
      '[]',
      '{}',
      'not json at all',
      '"a json string"',
      '',
    ];
    for (const data of texts) await shared.pusher.trigger('bytes', 'raw', data);
    const events = (items) => items.map((text) => JSON.parse(text)).filter(({ event }) => event === 'raw');
    await frames.until((items) => events(items).length >= texts.length);
    const want = texts.map((data) => ({ event: 'raw', channel: 'bytes', data }));
    assert.deepEqual(events(frames.items), want);
  });

  test('every data of the server is a JSON string, except that of pusher:error', async (t) => {
    const frames = tap(t);
    const echo = await connectEcho(t, shared);
    await subscribed(echo.channel('shape'));
    await shared.pusher.trigger('shape', 'e', { a: 1 });
    echo.connector.pusher.send_event('pusher:ping', {});
    await frames.until((items) => items.some((text) => text.includes('pusher:pong')));
    for (const text of frames.items) {
      const { event, data } = JSON.parse(text);
      if (event !== 'pusher:error') assert.equal(typeof data, 'string', text);
    }
    const [first] = frames.items.map((text) => JSON.parse(text));
    assert.equal(first.event, 'pusher:connection_established');
    const hello = JSON.parse(first.data);
    assert.match(hello.socket_id, /^\d+\.\d+$/);
    assert.equal(hello.activity_timeout, 30);
  });

  test('a trigger to several channels delivers one event for each of them', async (t) => {
    const echo = await connectEcho(t, shared);
    const got = new Inbox();
    const names = ['many-a', 'many-b', 'many-c'];
    for (const name of names) {
      (await subscribed(echo.channel(name))).listen('.e', (data) => got.put([name, data]));
    }
    await shared.pusher.trigger(names, 'e', { n: 1 });
    await shared.pusher.trigger('many-a', 'e', 'marker');
    const items = await got.until((all) => all.some(([, data]) => data === 'marker'));
    assert.deepEqual(items.slice(0, -1).sort(), names.map((name) => [name, { n: 1 }]), stringify(items));
    assert.equal(items.length, 4, stringify(items));
  });

  test('an event reaches only the channel it was published to', async (t) => {
    const echo = await connectEcho(t, shared);
    const got = new Inbox();
    const channel = await subscribed(echo.channel('mine'));
    channel.listen('.e', got.put);
    await shared.pusher.trigger('theirs', 'e', 'not for us');
    await shared.pusher.trigger('mine', 'e', 'marker');
    assert.deepEqual(await got.until(1), ['marker']);
  });

  test('leave() unsubscribes: later events do not arrive, other channels keep going', async (t) => {
    const echo = await connectEcho(t, shared);
    const got = new Inbox();
    (await subscribed(echo.channel('left'))).listenToAll((event, data) => got.put(['left', event, data]));
    (await subscribed(echo.channel('kept'))).listen('.e', (data) => got.put(['kept', '.e', data]));
    echo.connector.pusher.bind_global((event, data) => event === 'e' && got.put(['global', event, data]));
    echo.leave('left');
    await untilOccupied(shared.pusher, 'left', false);
    await shared.pusher.trigger('left', 'e', 'lost');
    await shared.pusher.trigger('kept', 'e', 'marker');
    const want = [['kept', '.e', 'marker'], ['global', 'e', 'marker']];
    assert.deepEqual(await got.until(2), want);
  });

  test('ten thousand bytes of data arrive whole', async (t) => {
    const echo = await connectEcho(t, shared);
    const got = new Inbox();
    (await subscribed(echo.channel('large'))).listen('.e', got.put);
    const data = 'x'.repeat(10_240);
    await shared.pusher.trigger('large', 'e', data);
    assert.deepEqual(await got.until(1), [data]);
  });

  test('a hundred events in one go arrive once each and in order', async (t) => {
    const echo = await connectEcho(t, shared);
    const got = new Inbox();
    (await subscribed(echo.channel('burst'))).listen('.e', got.put);
    const numbers = Array.from({ length: 100 }, (_, n) => n);
    for (let n = 0; n < 100; n += 10) {
      const batch = numbers.slice(n, n + 10).map((data) => ({ channel: 'burst', name: 'e', data }));
      await shared.pusher.triggerBatch(batch);
    }
    assert.deepEqual(await got.until(100), numbers);
  });
});
