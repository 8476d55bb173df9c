// Owns terminateUserConnections of the npm `pusher` server SDK: every connection of the user ends, with 4009, and no other.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, errorsOf, Inbox, state, subscribed, world } from '../harness.mjs';

describe('npm pusher: terminateUserConnections', () => {
  const shared = world();

  test('closes all connections of a presence user with 4009, and they stay away', async (t) => {
    const tabs = [await connectPusher(t, shared, '7'), await connectPusher(t, shared, '7')];
    for (const tab of tabs) {
      await subscribed(tab.subscribe('plain'));
      await subscribed(tab.subscribe('presence-room'));
    }
    const errors = tabs.map(errorsOf);
    const answer = await shared.pusher.terminateUserConnections('7');
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), '{}');
    for (const [index, tab] of tabs.entries()) {
      await state(tab, 'disconnected');
      assert.ok(errors[index].items.length > 0);
      assert.deepEqual([...new Set(errors[index].items.map(({ code }) => code))], [4009]);
    }
  });

  test('tells the others once that the user left, and leaves the others alone', async (t) => {
    const ada = await connectPusher(t, shared, '1');
    const seen = new Inbox('ada');
    (await subscribed(ada.subscribe('presence-hall'))).bind_global((event, data) => seen.put([event, data.id ?? data]));
    for (const user of ['8', '8']) {
      const tab = await connectPusher(t, shared, user);
      await subscribed(tab.subscribe('presence-hall'));
    }
    await shared.pusher.terminateUserConnections('8');
    await seen.until((items) => items.some(([event]) => event === 'pusher:member_removed'));
    await shared.pusher.trigger('presence-hall', 'marker', 'end');
    const items = await seen.until((all) => all.some(([event]) => event === 'marker'));
    assert.deepEqual(items, [['pusher:member_added', '8'], ['pusher:member_removed', '8'], ['marker', 'end']]);
    assert.equal(ada.connection.state, 'connected');
  });

  test('answers {} for a user without a connection', async () => {
    const answer = await shared.pusher.terminateUserConnections('nobody');
    assert.equal(await answer.text(), '{}');
  });
});
