// Owns toOthers() in Node: the X-Socket-ID of a request keeps the event from the socket that caused it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectEcho, Inbox, subscribed, world } from '../harness.mjs';

describe('toOthers()', () => {
  const shared = world();

  /** The request a page makes to its application, with the header Echo's interceptors set. */
  async function post(echo, channel, event, data, header = echo.socketId()) {
    const headers = { 'content-type': 'application/json', 'X-Socket-ID': header };
    const body = JSON.stringify({ channel, event, data });
    const answer = await fetch(`${shared.backend.url}/broadcast`, { method: 'POST', headers, body });
    assert.equal(answer.status, 200, await answer.text());
  }

  async function listener(t, open, user) {
    const echo = await connectEcho(t, shared, user);
    const got = new Inbox(`user ${user}`);
    (await subscribed(open(echo))).listen('.posted', got.put);
    return { echo, got };
  }

  const KINDS = {
    'orders': (echo) => echo.channel('orders'),
    'private-orders': (echo) => echo.private('orders'),
    'presence-orders': (echo) => echo.join('orders'),
  };
  for (const [name, open] of Object.entries(KINDS)) {
    test(`the sender gets nothing, the others get the event once: ${name}`, async (t) => {
      const ada = await listener(t, open, '1');
      const bob = await listener(t, open, '2');
      const eve = await listener(t, open, '3');
      await post(ada.echo, name, 'posted', 'to others');
      await shared.pusher.trigger(name, 'posted', 'marker');
      assert.deepEqual(await bob.got.until(2), ['to others', 'marker']);
      assert.deepEqual(await eve.got.until(2), ['to others', 'marker']);
      assert.deepEqual(await ada.got.until(1), ['marker']);
    });
  }

  test('another tab of the sender does get the event', async (t) => {
    const tab = await listener(t, KINDS['private-orders'], '1');
    const other = await listener(t, KINDS['private-orders'], '1');
    await post(tab.echo, 'private-orders', 'posted', 'to others');
    await shared.pusher.trigger('private-orders', 'posted', 'marker');
    assert.deepEqual(await other.got.until(2), ['to others', 'marker']);
    assert.deepEqual(await tab.got.until(1), ['marker']);
  });

  test('the id of a closed socket excludes no socket', async (t) => {
    const ada = await listener(t, KINDS.orders, '1');
    await post(ada.echo, 'orders', 'posted', 'to all', '1.1');
    assert.deepEqual(await ada.got.until(1), ['to all']);
  });
});
