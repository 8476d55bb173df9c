// The page Overview: figures that follow what happens, sentences that say what needs attention, one node and two.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import { describe, test } from 'node:test';
import { consoleWorld } from '../harness/console.mjs';
import { connectPusher, startBackend, subscribed, until } from '../harness.mjs';

/** Opens a socket with a key that no app has. */
async function knock({ server }) {
  const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
  const [, socket] = await once(get(`${server.url}/app/no-such-key?protocol=7`, { headers }), 'upgrade');
  socket.destroy();
}

describe('Overview of one node', () => {
  const world = consoleWorld();

  test('says that nothing needs attention, and what to do first', async (t) => {
    const tab = await world.open(t, {});
    await tab.untilText('Nothing needs attention');
    await tab.untilText('No client is connected');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('overview-empty');
  });

  test('shows sockets, events and an unknown key as they come', async (t) => {
    const backend = await startBackend(world.node.server);
    t.after(() => backend.stop());
    const pushers = await Promise.all([1, 2, 3].map(() => connectPusher(t, { server: world.node.server, backend }, 'ann')));
    await Promise.all(pushers.map((pusher) => subscribed(pusher.subscribe('orders'))));
    const tab = await world.open(t, {});
    const tile = (title) => tab.page.locator('.tile', { has: tab.page.getByRole('heading', { name: title, exact: true }) });
    await until(async () => (await tile('Sockets').locator('.value').innerText()) === '3', 'three sockets on the page');
    await world.node.pusher.trigger('orders', 'Shipped', { id: 7 });
    await until(async () => (await tile('Latency p99').locator('.value').innerText()) !== '–', 'a latency on the page');
    await knock(world.node);
    await tab.untilText('1 client a minute uses an unknown key');
    await until(async () => (await tile('Errors, a minute').locator('.figure').innerText()) === '1\n1 refused', 'the refusal among the errors');
    await tab.page.getByRole('link', { name: /Show refused/ }).click();
    assert.equal(await tab.page.evaluate(() => location.hash), '#/refused');
    await tab.page.goBack();
    const chart = tile('Sockets').getByRole('img');
    await until(async () => /^Sockets: 3 now, at most 3 in 10 minutes$/.test(await chart.getAttribute('aria-label')), 'a chart with a name', 60_000);
    await chart.focus();
    await tab.page.keyboard.press('End');
    assert.match(await tile('Sockets').locator('.note').innerText(), /^3 at \d\d:\d\d:\d\d$/);
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('overview');
  });
});

describe('Overview of a cluster', () => {
  const world = consoleWorld({ count: 2 });

  test('has the sums, each node, and Redis when it is away', async (t) => {
    for (const { server } of world.nodes) {
      const backend = await startBackend(server);
      t.after(() => backend.stop());
      await connectPusher(t, { server, backend }, 'ann');
    }
    const tab = await world.open(t, { tolerated: [/status of 503/] });
    const sockets = tab.page.locator('.tile').first().locator('.value');
    await until(async () => (await sockets.innerText()) === '2', 'the sockets of both nodes');
    const rows = tab.page.getByRole('region', { name: 'The nodes of the cluster' }).locator('tbody tr');
    assert.equal(await rows.count(), 2);
    await tab.page.getByRole('button', { name: 'This node' }).click();
    await until(async () => (await sockets.innerText()) === '1', 'the sockets of this node');
    await tab.page.getByRole('button', { name: 'Cluster' }).click();
    await until(async () => (await sockets.innerText()) === '2', 'the sockets of both nodes again');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('overview-cluster');
    await world.redis.kill();
    await tab.untilText(/Redis is away since \d+ s: 2 nodes serve their own sockets/, 60_000);
    await tab.untilText('the other nodes cannot be asked');
    await tab.checkAxe();
    await tab.screenshots('overview-redis-away');
  });
});
