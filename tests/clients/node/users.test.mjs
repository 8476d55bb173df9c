// Owns users in Node: signing in with stock pusher-js, events to a user, and that no other user reads a user's channel.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closes, connectPusher, errorsOf, Inbox, openPusher, roundTrip, signedIn, state, statesOf } from '../harness.mjs';
import { subscribed, tap, userInfo, world } from '../harness.mjs';

/** What the connection reads from now on, as `{ event, channel, data }`. */
function messagesOf(pusher) {
  const inbox = new Inbox('messages');
  pusher.connection.bind('message', inbox.put);
  return inbox;
}

/** `user_data` of any shape, signed as an application would. */
function sign(pusher, socket, userData) {
  const text = typeof userData === 'string' ? userData : JSON.stringify(userData);
  const { token } = pusher.config;
  return { auth: `${token.key}:${token.sign(`${socket}::user::${text}`)}`, user_data: text };
}

describe('signing in', () => {
  const shared = world();

  test('works on a connection that is open, and user_data comes back as it was signed', async (t) => {
    const frames = tap(t);
    const pusher = await connectPusher(t, shared, '1');
    await subscribed(pusher.subscribe('private-before'));
    await signedIn(pusher);
    assert.deepEqual(pusher.user.user_data, { id: '1', user_info: userInfo('1') });
    const success = frames.items.map((text) => JSON.parse(text)).find(({ event }) => event === 'pusher:signin_success');
    assert.equal(typeof success.data, 'string');
    const { user_data: received } = JSON.parse(success.data);
    assert.equal(received, JSON.stringify({ id: '1', user_info: userInfo('1') }));
  });

  test('works when requested before the connection is open', async (t) => {
    const pusher = await signedIn(openPusher(t, shared, '1'));
    assert.equal(pusher.user.user_data.id, '1');
  });

  test('happens again after a reconnect, requested or forced, and events reach the user again', async (t) => {
    const pusher = await signedIn(await connectPusher(t, shared, 'returning'));
    const got = new Inbox();
    pusher.user.bind('e', got.put);
    const ways = {
      asked: () => (pusher.disconnect(), pusher.connect()),
      forced: () => pusher.connection.connection.transport.socket.close(),
    };
    for (const [way, reconnect] of Object.entries(ways)) {
      const id = pusher.connection.socket_id;
      const states = statesOf(pusher);
      reconnect();
      await states.until((names) => names.includes('connected'));
      assert.notEqual(pusher.connection.socket_id, id);
      await signedIn(pusher);
      await shared.pusher.sendToUser('returning', 'e', way);
      await got.until((items) => items.includes(way));
    }
    assert.deepEqual(got.items, ['asked', 'forced']);
  });

  test('again as the same user succeeds; as another is answered with 4009, and the connection stays with the first', async (t) => {
    const pusher = await signedIn(await connectPusher(t, shared, 'first'));
    const [messages, errors] = [messagesOf(pusher), errorsOf(pusher)];
    const socket = pusher.connection.socket_id;
    pusher.send_event('pusher:signin', shared.pusher.authenticateUser(socket, { id: 'first' }));
    await roundTrip(pusher);
    assert.deepEqual(messages.items.map(({ event }) => event).slice(0, 1), ['pusher:signin_success']);
    assert.deepEqual(errors.items, []);

    pusher.send_event('pusher:signin', shared.pusher.authenticateUser(socket, { id: 'second' }));
    await roundTrip(pusher);
    assert.deepEqual(errors.items.map(({ code }) => code), [4009]);
    assert.equal(messages.items.filter(({ event }) => event === 'pusher:signin_success').length, 1);
    await shared.pusher.sendToUser('second', 'e', 'not for you');
    await shared.pusher.sendToUser('first', 'marker', 'end');
    await messages.until((items) => items.some(({ event }) => event === 'marker'));
    assert.ok(!messages.items.some(({ event }) => event === 'e'));
    assert.equal(pusher.connection.state, 'connected');
  });

  test('with a forged signature closes with 4009, and the client stays away', async (t) => {
    const closed = closes(t);
    const pusher = await connectPusher(t, shared, 'forged');
    const [errors, states] = [errorsOf(pusher), statesOf(pusher)];
    pusher.signin();
    await state(pusher, 'disconnected');
    assert.deepEqual(await closed.until(1), [4009]);
    assert.deepEqual([...new Set(errors.items.map(({ code }) => code))], [4009]);
    assert.match(errors.items[0].message, /signature does not fit/);
    assert.deepEqual(states.items, ['disconnected']);
  });

  const WITHOUT_USER = { 'no id': { user_info: {} }, 'an empty id': { id: '' }, 'an object for an id': { id: {} }, 'no JSON': 'no json' };
  for (const [what, userData] of Object.entries(WITHOUT_USER)) {
    test(`with ${what} in signed user_data closes with 4009`, async (t) => {
      const closed = closes(t);
      const pusher = await connectPusher(t, shared, '1');
      pusher.send_event('pusher:signin', sign(shared.pusher, pusher.connection.socket_id, userData));
      await state(pusher, 'disconnected');
      assert.deepEqual(await closed.until(1), [4009]);
    });
  }

  test('with the signature of another socket closes with 4009', async (t) => {
    const closed = closes(t);
    const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
    bob.send_event('pusher:signin', shared.pusher.authenticateUser(ada.connection.socket_id, { id: '1' }));
    await state(bob, 'disconnected');
    assert.deepEqual(await closed.until(1), [4009]);
    assert.equal(ada.connection.state, 'connected');
  });
});

describe('events to a user', () => {
  const shared = world();

  test('reach every connection of the user exactly once, and no other user', async (t) => {
    const people = {};
    for (const [name, user] of [['tab', 'ada'], ['phone', 'ada'], ['other', 'bob'], ['guest', null]]) {
      const pusher = await connectPusher(t, shared, user ?? 'guest');
      if (user) await signedIn(pusher);
      const arrived = new Inbox(name);
      pusher.user.bind_global((event, data) => arrived.put([event, data]));
      people[name] = { pusher, arrived, messages: messagesOf(pusher) };
    }
    const data = { text: 'Zoë 🚚', empty: {}, list: [] };
    await shared.pusher.sendToUser('ada', 'greeting', data);
    for (const user of ['ada', 'bob']) await shared.pusher.sendToUser(user, 'marker', user);
    for (const name of ['tab', 'phone']) {
      assert.deepEqual(await people[name].arrived.until(2), [['greeting', data], ['marker', 'ada']]);
      const frames = people[name].messages.items.map(({ event, channel }) => [event, channel]);
      assert.deepEqual(frames, [['greeting', '#server-to-user-ada'], ['marker', '#server-to-user-ada']]);
    }
    assert.deepEqual(await people.other.arrived.until(1), [['marker', 'bob']]);
    await roundTrip(people.guest.pusher);
    assert.deepEqual(people.guest.messages.items.map(({ event }) => event), ['pusher:pong']);
  });

  test('arrive once whether the client subscribed to its channel or not, once or twice', async (t) => {
    const pusher = await connectPusher(t, shared, 'plain');
    const messages = messagesOf(pusher);
    // pusher-js subscribes by itself when it receives a success: here it does not listen.
    pusher.user._onSigninSuccess = () => {};
    pusher.send_event('pusher:signin', shared.pusher.authenticateUser(pusher.connection.socket_id, { id: 'bare' }));
    await roundTrip(pusher);
    await shared.pusher.sendToUser('bare', 'e', 0);
    for (const round of [1, 2]) {
      pusher.send_event('pusher:subscribe', { channel: '#server-to-user-bare', auth: '' });
      await roundTrip(pusher);
      await shared.pusher.sendToUser('bare', 'e', round);
    }
    await messages.until((items) => items.some(({ data }) => data === 2));
    const own = messages.items.filter(({ channel }) => channel === '#server-to-user-bare');
    assert.deepEqual(own.map(({ event, data }) => [event, data]), [
      ['e', 0],
      ['pusher_internal:subscription_succeeded', {}],
      ['e', 1],
      ['pusher_internal:subscription_succeeded', {}],
      ['e', 2],
    ]);
  });

  for (const [who, signs] of [['a signed-in user', true], ['a socket that is not signed in', false]]) {
    test(`${who} is refused the channel of another user, and nothing leaks`, async (t) => {
      const spy = await connectPusher(t, shared, 'spy');
      if (signs) await signedIn(spy);
      const victim = await signedIn(await connectPusher(t, shared, 'victim'));
      const [messages, arrived] = [messagesOf(spy), messagesOf(victim)];
      const name = '#server-to-user-victim';
      const { auth } = shared.pusher.authorizeChannel(spy.connection.socket_id, 'private-x');
      for (const given of ['', undefined, auth]) spy.send_event('pusher:subscribe', { channel: name, auth: given });
      await roundTrip(spy);
      const refusals = messages.items.filter(({ event }) => event === 'pusher:subscription_error');
      assert.deepEqual(refusals.map(({ channel, data }) => [channel, data.type, data.status]), Array(3).fill([name, 'AuthError', 401]));
      await shared.pusher.sendToUser('victim', 'secret', 1);
      spy.send_event('client-forged', { a: 1 }, name);
      await roundTrip(spy);
      await shared.pusher.sendToUser('victim', 'marker', 2);
      await arrived.until((items) => items.some(({ event }) => event === 'marker'));
      assert.deepEqual(arrived.items.map(({ event }) => event), ['secret', 'marker']);
      await roundTrip(spy);
      assert.ok(!messages.items.some(({ event }) => ['secret', 'marker', 'pusher_internal:subscription_succeeded'].includes(event)));
      assert.equal(spy.connection.state, 'connected');
    });
  }

  test('are answered with {} when the user is not there', async () => {
    const answer = await shared.pusher.sendToUser('nobody', 'e', 1);
    assert.equal(await answer.text(), '{}');
  });
});
