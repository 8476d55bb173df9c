// Owns subscribe and unsubscribe in quick succession in Node, as React's strict mode makes them: the last word counts, once.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { channelInfo, connectEcho, connectPusher, errorsOf, Inbox } from '../harness.mjs';
import { openPusher, roundTrip, state, subscribed, world } from '../harness.mjs';

const ROUNDS = 20;

describe('storms of subscribe and unsubscribe', () => {
  const shared = world();

  /** One event and a marker: each must be in the inbox exactly once. */
  async function deliversOnce(name, got) {
    const before = got.items.length;
    await shared.pusher.trigger(name, 'e', 'once');
    await shared.pusher.trigger(name, 'e', 'marker');
    const items = await got.until((all) => all.includes('marker', before));
    assert.deepEqual(items.slice(before), ['once', 'marker']);
  }

  const KINDS = {
    public: ['storm', (echo) => echo.channel('storm')],
    private: ['private-storm', (echo) => echo.private('storm')],
    presence: ['presence-storm', (echo) => echo.join('storm')],
  };
  for (const [kind, [name, open]] of Object.entries(KINDS)) {
    test(`mount, unmount, mount at once: a ${kind} channel ends subscribed and delivers once`, async (t) => {
      const echo = await connectEcho(t, shared, '1');
      const got = new Inbox();
      const mount = () => open(echo).listen('.e', got.put);
      const unmount = (channel) => {
        channel.stopListening('.e', got.put);
        echo.leave('storm');
      };
      let channel = mount();
      for (let round = 0; round < ROUNDS; round += 1) {
        unmount(channel);
        channel = mount();
      }
      await subscribed(channel);
      await roundTrip(echo.connector.pusher);
      await deliversOnce(name, got);
      assert.equal((await channelInfo(shared.pusher, name, 'subscription_count')).subscription_count, 1);
    });

    test(`leave and join again after each success: a ${kind} channel delivers once each time`, async (t) => {
      const echo = await connectEcho(t, shared, '2');
      const got = new Inbox();
      for (let round = 0; round < 5; round += 1) {
        await subscribed(open(echo).listen('.e', got.put));
        await deliversOnce(name, got);
        echo.leave('storm');
      }
    });
  }

  test('mounting while the connection is still opening delivers once', async (t) => {
    const pusher = openPusher(t, shared, '1');
    const got = new Inbox();
    const mount = () => pusher.subscribe('private-early').bind('e', got.put);
    mount().unbind('e', got.put);
    pusher.unsubscribe('private-early');
    mount();
    pusher.connection.bind('connected', () => pusher.subscribe('private-early'));
    await state(pusher, 'connected');
    await subscribed(pusher.channel('private-early'));
    await roundTrip(pusher);
    await deliversOnce('private-early', got);
  });

  test('raw on one socket: the server keeps the order of subscribe and unsubscribe', async (t) => {
    const pusher = await connectPusher(t, shared, '1');
    const answers = new Inbox('answers');
    const got = new Inbox('events');
    pusher.connection.bind('message', ({ event, data }) => (event === 'e' ? got : answers).put(event === 'e' ? data : event));
    const names = ['raw', 'private-raw', 'presence-raw'];
    for (const name of names) {
      const member = name.startsWith('presence') ? { user_id: '1' } : undefined;
      const signed = shared.pusher.authorizeChannel(pusher.connection.socket_id, name, member);
      for (let round = 0; round < ROUNDS; round += 1) {
        pusher.send_event('pusher:subscribe', { channel: name, ...signed });
        pusher.send_event('pusher:unsubscribe', { channel: name });
      }
      pusher.send_event('pusher:subscribe', { channel: name, ...signed });
    }
    await roundTrip(pusher);
    const successes = answers.items.filter((event) => event === 'pusher_internal:subscription_succeeded');
    assert.equal(successes.length, names.length * (ROUNDS + 1), 'each subscribe is answered exactly once');
    for (const name of names) await deliversOnce(name, got);

    for (const name of names) pusher.send_event('pusher:unsubscribe', { channel: name });
    await roundTrip(pusher);
    for (const name of names) assert.equal((await channelInfo(shared.pusher, name)).occupied, false, name);
  });

  test('subscribing twice is answered twice, delivers once and is announced to no member', async (t) => {
    const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
    const errors = errorsOf(ada);
    const received = new Inbox('bob');
    (await subscribed(bob.subscribe('presence-twice'))).bind_global((event, data) => received.put([event, data]));
    const got = new Inbox('ada');
    const channel = await subscribed(ada.subscribe('presence-twice'));
    channel.bind('e', got.put);
    const again = new Inbox('again');
    channel.bind('pusher:subscription_succeeded', again.put);
    const signed = shared.pusher.authorizeChannel(ada.connection.socket_id, 'presence-twice', { user_id: '1', user_info: {} });
    ada.send_event('pusher:subscribe', { channel: 'presence-twice', ...signed });
    await again.until(1);
    await deliversOnce('presence-twice', got);
    await received.until((items) => items.some(([, data]) => data === 'marker'));
    assert.deepEqual(received.items.map(([event]) => event), ['pusher:member_added', 'e', 'e']);
    assert.deepEqual(errors.items, []);
    ada.unsubscribe('presence-twice');
    await received.until((items) => items.some(([event]) => event === 'pusher:member_removed'));
  });

  test('unsubscribing from what one is not on is ignored', async (t) => {
    const pusher = await connectPusher(t, shared, '1');
    const errors = errorsOf(pusher);
    pusher.send_event('pusher:unsubscribe', { channel: 'never-joined' });
    await roundTrip(pusher);
    assert.equal(pusher.connection.state, 'connected');
    assert.deepEqual(errors.items, []);
  });
});
