// Owns the page Cluster: a server alone, two nodes with their leases and links, a node that ends, Redis that stops and starts,
// partitions of which one is away, and inputs.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Pusher from 'pusher-js';
import { APP, consoleWorld, launch, openTab, startConsole } from '../harness/console.mjs';
import { until } from '../harness.mjs';
import { startRedis } from '../harness/redis.mjs';
import { startRedisCluster } from '../harness/redis-cluster.mjs';

/** In how many lines the name of its node stands, of each row. */
const linesOfNames = (rows) =>
  rows.evaluateAll((all) =>
    all.map(({ cells }) => {
      const range = document.createRange();
      range.selectNodeContents(cells[0]);
      return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size;
    }),
  );

const rowsOf = (tab, name) => tab.page.getByRole('region', { name }).locator('tbody tr');

describe('the page Cluster of a server alone', () => {
  const world = consoleWorld();

  test('names the keys that start a cluster', async (t) => {
    const tab = await world.open(t, { page: 'cluster' });
    await tab.untilText('There is no cluster');
    await tab.untilText('url = "redis://127.0.0.1:6379"');
    await tab.page.getByRole('button', { name: 'Copy' }).click();
    const copied = await tab.page.evaluate(() => navigator.clipboard.readText());
    assert.equal(copied, '[cluster]\nenabled = true\nurl = "redis://127.0.0.1:6379"');
    await tab.screenshots('cluster-alone');
  });
});

describe('the page Cluster of two nodes', () => {
  const world = consoleWorld({ count: 2 });

  test('has nodes, leases and links, also while Redis stops and starts', async (t) => {
    const tab = await world.open(t, { page: 'cluster', tolerated: [/status of 503/] });
    const nodes = rowsOf(tab, 'The nodes of the cluster');
    const links = rowsOf(tab, 'The links to Redis');
    await until(async () => (await nodes.getByText('Well').count()) === 2, 'two nodes that are well');
    const lines = await nodes.allInnerTexts();
    assert.ok(lines.every((line) => /\d ms ago|\d s ago/.test(line)), `a heartbeat of each: ${lines}`);
    assert.match(lines[0], /this one/);
    await until(async () => (await links.getByText('Connected').count()) === 2, 'two links');
    const [first] = await links.allInnerTexts();
    assert.match(first, new RegExp(`redis://127\\.0\\.0\\.1:${world.redis.port}`));
    assert.match(first, /redis \d+\.\d+/);
    assert.match(first, /primary/);
    assert.deepEqual(await linesOfNames(links), [1, 1], 'the id of a node in one line');
    await tab.untilText('All nodes have the same apps');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('cluster');

    await world.redis.kill();
    await tab.untilText(/Redis is away from node [0-9a-f]{16} since \d+ s: .+cluster\./, 60_000);
    await tab.untilText('what stands there is from before');
    assert.equal(await nodes.count(), 2, 'the other node stays, as it was');
    await until(async () => (await nodes.getByText('Cannot be asked').count()) === 1, 'the other node that cannot be asked');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('cluster-redis-away');

    await world.redis.start();
    await until(async () => (await nodes.getByText('Well').count()) === 2, 'both nodes again', 60_000);
    const lost = rowsOf(tab, 'What was lost').filter({ hasText: 'Links lost' });
    await until(async () => (await lost.locator('td').nth(1).innerText()) === '2', 'the lost link of each node');
    await until(async () => (await links.locator('td:last-child').allInnerTexts()).join() === '1,1', 'one reconnect of each link');
    const causes = await tab.page.getByText('Redis is away from node').count();
    assert.equal(causes, 0);
  });

  test('a node that ends disappears', async (t) => {
    const tab = await world.open(t, { page: 'cluster' });
    const nodes = rowsOf(tab, 'The nodes of the cluster');
    await until(async () => (await nodes.count()) === 2, 'two nodes');
    await world.nodes[1].server.dispose();
    await until(async () => (await nodes.count()) === 1, 'one node', 60_000);
  });
});

describe('the page Cluster of two nodes with three partitions on a Redis Cluster', () => {
  const world = consoleWorld({ count: 2, startShared: () => startRedisCluster({ hasReplicas: false }), sections: { cluster: { partitions: 3 } } });

  /** The master that has the second partition; the first one would be what nodes ask each other through. */
  async function masterOfSecond() {
    const [{ links }] = (await world.node.api('/cluster')).body.nodes;
    const [first, second] = links.map(({ address }) => Number((/\(at .+:(\d+)\)$/.exec(address) ?? /:(\d+)/.exec(address))[1]));
    assert.notEqual(first, second, 'the partitions are spread');
    return world.redis.nodes.find(({ port }) => port === second);
  }

  test('names the partition that is away, on each node and on Overview', async (t) => {
    const tab = await world.open(t, { page: 'cluster', tolerated: [/status of 503/] });
    const [nodes, links] = [rowsOf(tab, 'The nodes of the cluster'), rowsOf(tab, 'The links to Redis')];
    await until(async () => (await links.getByText('Connected').count()) === 6, 'three links of each node');
    await until(async () => (await nodes.getByText('Well').count()) === 2, 'two nodes that are well');
    assert.deepEqual((await links.locator('td[data-label=Partition]').allInnerTexts()), ['0', '0', '1', '1', '2', '2']);
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('cluster-partitions');

    const master = await masterOfSecond();
    await master.kill();
    await until(async () => (await tab.page.getByText(/^Redis of partition 1 is away from node [0-9a-f]{16} since /).count()) === 2, 'a sentence of each node', 60_000);
    await until(async () => (await nodes.getByText('1 partition of 3 away').count()) === 2, 'the state of each node');
    assert.deepEqual(await links.filter({ hasText: 'Away' }).locator('td[data-label=Partition]').allInnerTexts(), ['1', '1']);
    await tab.untilText('3, 1 away');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('cluster-partition-away');
    await tab.show('overview');
    await tab.untilText(/Redis of 1 of 3 partitions is away since \d+ s: in their channels each node serves its own sockets/);

    await master.start();
    await tab.show('cluster');
    await until(async () => (await nodes.getByText('Well').count()) === 2, 'both nodes again', 60_000);
    assert.equal(await tab.page.getByText('Redis of partition').count(), 0);
    const lost = rowsOf(tab, 'What was lost').filter({ hasText: 'Links lost' });
    const cell = (name) => lost.locator(`td[data-label="${name}"]`).innerText();
    assert.match(await cell('In partition'), /^1: \d+$/m);
    const sum = (text) => [...text.matchAll(/: (\d+)/g)].reduce((all, [, one]) => all + Number(one), 0);
    assert.deepEqual([sum(await cell('In partition')), sum(await cell('At node'))], Array(2).fill(Number(await cell('Count'))));
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('cluster-partition-back');
  });

  test('has one sentence for all partitions of a Redis that is away', async (t) => {
    const tab = await world.open(t, { page: 'overview' });
    await tab.page.route('**/internal/v1/cluster', async (route) => {
      const real = await route.fetch();
      const view = await real.json();
      const [node] = view.nodes;
      const [link] = node.links;
      const away = { ...link, state: 'away', cause: 'nothing listens there', for_ms: 5000 };
      const links = Array.from({ length: 8 }, (_, partition) => ({ ...([0, 1, 2, 5].includes(partition) ? away : link), partition }));
      links[7] = { ...away, partition: 7, cause: 'it answers too late' };
      await route.fulfill({ response: real, json: { ...view, nodes: [{ ...node, links }] } });
    });
    await tab.show('cluster');
    await tab.untilText(`Redis of partitions 0–2, 5 is away from node ${(await world.node.api('/cluster')).body.nodes[0].node} since 5 s: nothing listens there. The node serves its own sockets in the channels of these partitions.`);
    await tab.untilText(/Redis of partition 7 is away from node [0-9a-f]{16} since 5 s: it answers too late\. The node serves its own sockets in the channels of this partition\./);
    assert.equal(await tab.page.getByText(/^Redis of partition/).count(), 2);
  });
});

describe('the inputs on the page Cluster', () => {
  const world = {};
  before(async () => {
    world.source = await startRedis();
    const sections = { laravel_redis: [{ prefix: 'shop-', host: world.source.host, port: world.source.port }] };
    Object.assign(world, await startConsole({ sections }), { browser: await launch() });
  });
  after(async () => {
    await world.browser?.close();
    await world.dispose?.();
    await world.source?.dispose();
  });

  test('show what arrives, what is refused, and a Redis that stops and starts', async (t) => {
    const [node] = world.nodes;
    const client = new Pusher(APP.key, { wsHost: node.server.host, wsPort: node.server.port, forceTLS: false, enabledTransports: ['ws'], cluster: 'x' });
    t.after(() => client.disconnect());
    const orders = client.subscribe('orders');
    await until(() => orders.subscribed, 'the subscription');
    const published = [];
    orders.bind('Shipped', (data) => published.push(data));
    await world.source.ask('PUBLISH', 'shop-orders', JSON.stringify({ event: 'Shipped', data: { id: 7 }, socket: null }));
    await world.source.ask('PUBLISH', 'shop-orders', 'no event');
    await until(() => published.length === 1, 'the event');

    const tab = await openTab(t, world.browser, { url: node.url, page: 'cluster' });
    const input = rowsOf(tab, 'The inputs from Redis');
    const cell = (name) => input.locator(`td[data-label="${name}"]`).innerText();
    await until(async () => (await input.getByText('Connected').count()) === 1, 'the input');
    await until(async () => (await cell('Messages')) === '2', 'its messages');
    assert.match(await cell('Input'), /Laravel, app 123456\s*laravel_redis\[0\]/);
    assert.deepEqual([await cell('Topics'), await cell('Not delivered'), await cell('Possible gaps')], ['1', '1 malformed', '0']);
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('cluster-inputs');

    await world.source.kill();
    await tab.untilText(/The Redis of Laravel, app 123456 is away since \d+ s: .+laravel_redis\[0\]\..+ What is published there does not arrive\./, 60_000);
    await tab.screenshots('cluster-input-away');
    await tab.show('overview');
    await tab.untilText(/A Redis that Laravel or Reverb publishes to is away since \d+ s: its events do not arrive/);
    await tab.page.getByRole('link', { name: /^Show cluster: A Redis/ }).click();
    await world.source.start();
    await until(async () => (await input.getByText('Connected').count()) === 1, 'the input again', 60_000);
    await until(async () => (await cell('Possible gaps')) === '1', 'the gap of the channel');
    assert.equal(await cell('Reconnects'), '1');
  });
});
