// Owns what signing in changes elsewhere in Node: presence channels without channel_data, and who is terminated.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closes, connectPusher, Inbox, roundTrip, signedIn, state, statesOf, subscribed, userInfo, world } from '../harness.mjs';

describe('presence of signed-in users', () => {
  const shared = world();

  test('stock pusher-js joins without channel_data and appears as the user it signed in as', async (t) => {
    const bob = await connectPusher(t, shared, 'bob');
    const hall = await subscribed(bob.subscribe('presence-hall'));
    // The name holds "bare", so the application signs no member.
    const bare = await signedIn(await connectPusher(t, shared, 'ada'));
    const channel = await subscribed(bare.subscribe('presence-bare-hall'));
    assert.deepEqual(channel.members.me, { id: 'ada', info: userInfo('ada') });
    assert.equal(channel.members.count, 1);
    assert.equal(hall.members.count, 1);
  });

  test('raw frames signed over socket and channel only: the others see id and user_info', async (t) => {
    const bob = await connectPusher(t, shared, 'bob');
    const seen = new Inbox('bob');
    (await subscribed(bob.subscribe('presence-room'))).bind_global((event, data) => seen.put([event, data]));
    const ada = await signedIn(await connectPusher(t, shared, 'ada'));
    const answers = new Inbox('ada');
    ada.connection.bind('message', ({ event, data }) => answers.put([event, data]));
    const { auth } = shared.pusher.authorizeChannel(ada.connection.socket_id, 'presence-room');
    ada.send_event('pusher:subscribe', { channel: 'presence-room', auth });
    const [[event, { presence }]] = await answers.until(1);
    assert.equal(event, 'pusher_internal:subscription_succeeded');
    assert.deepEqual([presence.count, [...presence.ids].sort()], [2, ['ada', 'bob']]);
    assert.deepEqual(presence.hash.ada, userInfo('ada'));
    assert.deepEqual(await seen.until(1), [['pusher:member_added', { id: 'ada', info: userInfo('ada') }]]);
    assert.deepEqual(await (await shared.pusher.get({ path: '/channels/presence-room/users' })).json(), { users: [{ id: 'bob' }, { id: 'ada' }] });

    ada.send_event('client-typing', { a: 1 }, 'presence-room');
    await seen.until((items) => items.some(([name]) => name === 'client-typing'));
    ada.disconnect();
    await seen.until((items) => items.at(-1)[0] === 'pusher:member_removed' && items.at(-1)[1].id === 'ada');
  });

  test('channel_data wins over the sign-in where both are given', async (t) => {
    const ada = await signedIn(await connectPusher(t, shared, 'ada'));
    const answers = new Inbox('ada');
    ada.connection.bind('message', ({ data }) => answers.put(data));
    const signed = shared.pusher.authorizeChannel(ada.connection.socket_id, 'presence-alias', { user_id: 'alias', user_info: { a: 1 } });
    ada.send_event('pusher:subscribe', { channel: 'presence-alias', ...signed });
    assert.deepEqual(await answers.until(1), [{ presence: { count: 1, ids: ['alias'], hash: { alias: { a: 1 } } } }]);
  });

  test('being signed in does not replace the signature of the channel', async (t) => {
    const ada = await signedIn(await connectPusher(t, shared, 'ada'));
    const answers = new Inbox('ada');
    ada.connection.bind('message', ({ event }) => answers.put(event));
    for (const channel of ['presence-locked', 'private-locked']) ada.send_event('pusher:subscribe', { channel, auth: '' });
    await roundTrip(ada);
    assert.equal(answers.items.filter((event) => event === 'pusher:subscription_error').length, 2);
    assert.ok(!answers.items.includes('pusher_internal:subscription_succeeded'));
  });
});

/** A connection signed in as `user`, one that is only on a presence channel as that user, and one of another user. */
async function people(t, shared, user) {
  const closed = closes(t);
  const signed = await signedIn(await connectPusher(t, shared, user));
  const present = await connectPusher(t, shared, user);
  await subscribed(present.subscribe('presence-room'));
  const other = await signedIn(await connectPusher(t, shared, 'other'));
  return { closed, signed, present, other };
}

describe('terminating a user', () => {
  const shared = world();

  test('closes signed-in connections with 4009, and they stay away; others are left alone', async (t) => {
    const { closed, signed, present, other } = await people(t, shared, 'gone');
    const states = statesOf(signed);
    const answer = await shared.pusher.terminateUserConnections('gone');
    assert.equal(await answer.text(), '{}');
    await state(signed, 'disconnected');
    await state(present, 'disconnected');
    assert.deepEqual(await closed.until(2), [4009, 4009]);
    assert.deepEqual(states.items, ['disconnected']);
    await roundTrip(other);
    assert.equal(other.connection.state, 'connected');
  });

  test('a connection that is both signed in and present is closed once, and the user may come back', async (t) => {
    const closed = closes(t);
    const both = await signedIn(await connectPusher(t, shared, 'both'));
    await subscribed(both.subscribe('presence-room'));
    await shared.pusher.terminateUserConnections('both');
    await state(both, 'disconnected');
    assert.deepEqual(await closed.until(1), [4009]);
    await signedIn(await connectPusher(t, shared, 'both'));
  });
});

describe('terminating a user with terminate_presence_users = false', () => {
  const shared = world({ app: { terminate_presence_users: false } });

  test('closes signed-in connections only', async (t) => {
    const { closed, signed, present, other } = await people(t, shared, 'gone');
    await shared.pusher.terminateUserConnections('gone');
    await state(signed, 'disconnected');
    await Promise.all([roundTrip(present), roundTrip(other)]);
    assert.deepEqual([present.connection.state, other.connection.state], ['connected', 'connected']);
    assert.deepEqual(await closed.until(1), [4009]);
  });
});
