// Owns presence channels in Node: who is here, who joins and leaves, and that a user counts once however many tabs are open.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectEcho, connectPusher, Inbox, subscribed, tap, untilSubscriptions, userInfo, world } from '../harness.mjs';

/** Joins and notes all that happens, in order, as `[what, detail]`. */
async function watch(echo, name) {
  const seen = new Inbox(name);
  const channel = echo.join(name);
  channel
    .here((users) => seen.put(['here', users]))
    .joining((user) => seen.put(['joining', user]))
    .leaving((user) => seen.put(['leaving', user]))
    .listen('.marker', (data) => seen.put(['marker', data]));
  await subscribed(channel);
  return seen;
}

describe('presence channels', () => {
  const shared = world();
  const mark = (name, data) => shared.pusher.trigger(`presence-${name}`, 'marker', data);

  test('here() lists every member, the caller included, with user_info as the application gave it', async (t) => {
    const ada = await watch(await connectEcho(t, shared, '1'), 'here');
    assert.deepEqual(await ada.until(1), [['here', [userInfo('1')]]]);
    const bob = await watch(await connectEcho(t, shared, '2'), 'here');
    const [[, users]] = await bob.until(1);
    assert.deepEqual(users, [userInfo('1'), userInfo('2')]);
  });

  test('joining() and leaving() tell the others, not oneself', async (t) => {
    const ada = await watch(await connectEcho(t, shared, '1'), 'move');
    const bob = await connectEcho(t, shared, '2');
    const bobSaw = await watch(bob, 'move');
    await ada.until(2);
    await mark('move', 1);
    await bobSaw.until(2);
    bob.leave('move');
    await ada.until((items) => items.at(-1)[0] === 'leaving');
    await mark('move', 2);
    const seen = await ada.until((items) => items.at(-1)[1] === 2);
    assert.deepEqual(seen, [
      ['here', [userInfo('1')]],
      ['joining', userInfo('2')],
      ['marker', 1],
      ['leaving', userInfo('2')],
      ['marker', 2],
    ]);
    assert.deepEqual(bobSaw.items.map(([what]) => what), ['here', 'marker']);
  });

  test('a user who disconnects is announced as leaving', async (t) => {
    const ada = await watch(await connectEcho(t, shared, '1'), 'gone');
    const bob = await connectEcho(t, shared, '2');
    await watch(bob, 'gone');
    bob.disconnect();
    const seen = await ada.until((items) => items.at(-1)[0] === 'leaving');
    assert.deepEqual(seen.at(-1), ['leaving', userInfo('2')]);
  });

  test('two tabs of one user count once, and leaving is announced with the last', async (t) => {
    const ada = await watch(await connectEcho(t, shared, '1'), 'tabs');
    const [first, second] = [await connectEcho(t, shared, '2'), await connectEcho(t, shared, '2')];
    await watch(first, 'tabs');
    const secondSaw = await watch(second, 'tabs');
    assert.deepEqual(secondSaw.items[0], ['here', [userInfo('1'), userInfo('2')]]);

    await mark('tabs', 'both open');
    first.leave('tabs');
    await untilSubscriptions(shared.pusher, 'presence-tabs', 2);
    await mark('tabs', 'one left');
    second.disconnect();
    await ada.until((items) => items.at(-1)[0] === 'leaving');
    assert.deepEqual(ada.items, [
      ['here', [userInfo('1')]],
      ['joining', userInfo('2')],
      ['marker', 'both open'],
      ['marker', 'one left'],
      ['leaving', userInfo('2')],
    ]);
  });

  test('a second tab of oneself is no joining either', async (t) => {
    const ada = await watch(await connectEcho(t, shared, '1'), 'own');
    const tab = await watch(await connectEcho(t, shared, '1'), 'own');
    assert.deepEqual(tab.items[0], ['here', [userInfo('1')]]);
    await mark('own', 'end');
    const seen = await ada.until((items) => items.at(-1)[0] === 'marker');
    assert.deepEqual(seen.map(([what]) => what), ['here', 'marker']);
  });

  test('pusher-js counts members and has its own member', async (t) => {
    const ada = await connectPusher(t, shared, '1');
    const channel = await subscribed(ada.subscribe('presence-count'));
    assert.equal(channel.members.count, 1);
    assert.deepEqual(channel.members.me, { id: '1', info: userInfo('1') });
    const joined = new Inbox('member_added');
    channel.bind('pusher:member_added', joined.put);
    const bob = await connectPusher(t, shared, '2');
    const other = await subscribed(bob.subscribe('presence-count'));
    assert.equal(other.members.count, 2);
    assert.deepEqual(await joined.until(1), [{ id: '2', info: userInfo('2') }]);
    assert.equal(channel.members.count, 2);
  });

  test('user ids are strings everywhere on the wire, also when signed as numbers', async (t) => {
    const frames = tap(t);
    const pusher = await connectPusher(t, shared, '1');
    await subscribed(pusher.subscribe('presence-ids'));
    const other = await connectPusher(t, shared, '2');
    const signed = shared.pusher.authorizeChannel(other.connection.socket_id, 'presence-ids', { user_id: 77, user_info: {} });
    other.send_event('pusher:subscribe', { channel: 'presence-ids', ...signed });
    const has = (event) => (items) => items.find((text) => text.includes(event));
    const data = async (event) => JSON.parse(JSON.parse(has(event)(await frames.until(has(event)))).data);
    assert.deepEqual(await data('pusher_internal:member_added'), { user_id: '77', user_info: {} });
    const lists = () => frames.items.filter((text) => text.includes('subscription_succeeded'));
    await frames.until(() => lists().length === 2);
    const { count, ids, hash } = JSON.parse(JSON.parse(lists()[1]).data).presence;
    assert.equal(count, 2);
    assert.deepEqual([...ids].sort(), ['1', '77']);
    assert.deepEqual(hash, { 1: userInfo('1'), 77: {} });
    other.disconnect();
    assert.deepEqual(await data('pusher_internal:member_removed'), { user_id: '77' });
  });

  test('presence without channel_data is refused, without an effect on others', async (t) => {
    const ada = await watch(await connectEcho(t, shared, '1'), 'nameless');
    const pusher = await connectPusher(t, shared, '2');
    const { auth } = shared.pusher.authorizeChannel(pusher.connection.socket_id, 'presence-nameless');
    const refused = new Inbox('refusal');
    pusher.connection.bind('message', ({ event }) => refused.put(event));
    pusher.send_event('pusher:subscribe', { channel: 'presence-nameless', auth });
    await refused.until((events) => events.includes('pusher:subscription_error'));
    await mark('nameless', 'end');
    const seen = await ada.until((items) => items.at(-1)[0] === 'marker');
    assert.deepEqual(seen.map(([what]) => what), ['here', 'marker']);
  });
});
