// Owns client events in Node: which members receive them, which do not, and that the sender is named on presence channels.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectEcho, connectPusher, errorsOf, Inbox, roundTrip, subscribed, tap, world } from '../harness.mjs';

describe('whispers', () => {
  const shared = world();

  /** Two users on one channel, each with an inbox of whispers named `typing` and of the marker event. */
  async function pair(t, open) {
    const people = [];
    for (const user of ['1', '2']) {
      const echo = await connectEcho(t, shared, user);
      const received = new Inbox(`user ${user}`);
      const channel = await subscribed(open(echo));
      channel.listenForWhisper('typing', (data) => received.put(['typing', data]));
      channel.listen('.marker', (data) => received.put(['marker', data]));
      people.push({ echo, channel, received });
    }
    return people;
  }

  const KINDS = {
    private: [(echo) => echo.private('chat'), 'private-chat'],
    presence: [(echo) => echo.join('room'), 'presence-room'],
  };
  for (const [kind, [open, name]] of Object.entries(KINDS)) {
    test(`a whisper on a ${kind} channel reaches the others and not its sender`, async (t) => {
      const [ada, bob] = await pair(t, open);
      ada.channel.whisper('typing', { name: 'Zoë', empty: {}, list: [] });
      await roundTrip(ada.echo.connector.pusher);
      await shared.pusher.trigger(name, 'marker', 'end');
      const received = [['typing', { name: 'Zoë', empty: {}, list: [] }], ['marker', 'end']];
      assert.deepEqual(await bob.received.until(2), received);
      assert.deepEqual(await ada.received.until(1), [['marker', 'end']]);
    });
  }

  test('a whisper without data reaches the listener as null', async (t) => {
    const [ada, bob] = await pair(t, (echo) => echo.private('empty'));
    ada.channel.whisper('typing');
    ada.channel.whisper('typing', null);
    assert.deepEqual(await bob.received.until(2), [['typing', null], ['typing', null]]);
  });

  test('on a presence channel the listener learns the user id of the sender', async (t) => {
    const ada = await connectPusher(t, shared, '1');
    const bob = await connectPusher(t, shared, '2');
    const channel = await subscribed(ada.subscribe('presence-meta'));
    const received = new Inbox();
    (await subscribed(bob.subscribe('presence-meta'))).bind('client-typing', (data, metadata) => received.put([data, metadata]));
    channel.trigger('client-typing', { a: 1 });
    assert.deepEqual(await received.until(1), [[{ a: 1 }, { user_id: '1' }]]);
  });

  test('the user id is the signed one: a claimed one is not passed on, and on private channels there is none', async (t) => {
    const ada = await connectPusher(t, shared, '1');
    const frames = tap(t);
    const bob = await connectPusher(t, shared, '2');
    for (const name of ['presence-claim', 'private-claim']) {
      await subscribed(ada.subscribe(name));
      await subscribed(bob.subscribe(name));
      const forged = { event: 'client-e', channel: name, data: { a: 1 }, user_id: '999', extra: true };
      ada.connection.send(JSON.stringify(forged));
    }
    const whispers = (items) => items.filter((text) => text.includes('client-e')).map((text) => JSON.parse(text));
    const [first, second] = whispers(await frames.until((items) => whispers(items).length === 2));
    assert.deepEqual(first, { event: 'client-e', channel: 'presence-claim', data: '{"a":1}', user_id: '1' });
    assert.deepEqual(second, { event: 'client-e', channel: 'private-claim', data: '{"a":1}' });
  });

  test('whispers arrive in the order they were sent', async (t) => {
    const [ada, bob] = await pair(t, (echo) => echo.private('order'));
    const numbers = [1, 2, 3, 4, 5, 6];
    for (const n of numbers) ada.channel.whisper('typing', { n });
    assert.deepEqual(await bob.received.until(6), numbers.map((n) => ['typing', { n }]));
  });

  test('a client event on a public channel is refused with an error and reaches no subscriber', async (t) => {
    const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
    const errors = errorsOf(ada);
    const received = new Inbox();
    const channel = await subscribed(ada.subscribe('square'));
    (await subscribed(bob.subscribe('square'))).bind_global((event, data) => received.put([event, data]));
    channel.trigger('client-shout', { a: 1 });
    await roundTrip(ada);
    await shared.pusher.trigger('square', 'marker', 'end');
    assert.deepEqual(await received.until(1), [['marker', 'end']]);
    assert.equal(errors.items.length, 1);
    assert.equal(ada.connection.state, 'connected');
  });

  test('a client event into a channel the sender is not on is refused with an error and reaches no subscriber', async (t) => {
    const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
    const errors = errorsOf(ada);
    const received = new Inbox();
    (await subscribed(bob.subscribe('private-club'))).bind_global((event, data) => received.put([event, data]));
    ada.send_event('client-shout', { a: 1 }, 'private-club');
    await roundTrip(ada);
    await shared.pusher.trigger('private-club', 'marker', 'end');
    assert.deepEqual(await received.until(1), [['marker', 'end']]);
    assert.equal(errors.items.length, 1);
  });

  test('a client cannot send events that look like the server', async (t) => {
    const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
    const received = new Inbox();
    await subscribed(ada.subscribe('presence-stage'));
    await subscribed(bob.subscribe('presence-stage'));
    bob.connection.bind('message', ({ event, data }) => received.put([event, data]));
    ada.send_event('pusher_internal:member_added', { user_id: '9', user_info: {} }, 'presence-stage');
    ada.send_event('pusher:cache_miss', {}, 'presence-stage');
    ada.send_event('App\\Events\\Paid', { a: 1 }, 'presence-stage');
    await roundTrip(ada);
    await shared.pusher.trigger('presence-stage', 'marker', 'end');
    assert.deepEqual(await received.until(1), [['marker', 'end']]);
    assert.equal(ada.connection.state, 'connected');
  });
});
