// Owns the page Cluster: a server alone, two nodes with their leases and links, a node that ends, Redis that stops and starts.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { consoleWorld } from '../harness/console.mjs';
import { until } from '../harness.mjs';

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
    await tab.untilText('All nodes have the same apps');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('cluster');

    await world.redis.kill();
    await tab.untilText(/Redis is away from node [0-9a-f]{16} since \d+ s: .+cluster\./, 20_000);
    await tab.untilText('what stands there is from before');
    assert.equal(await nodes.count(), 2, 'the other node stays, as it was');
    await until(async () => (await nodes.getByText('Cannot be asked').count()) === 1, 'the other node that cannot be asked');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('cluster-redis-away');

    await world.redis.start();
    await until(async () => (await nodes.getByText('Well').count()) === 2, 'both nodes again', 20_000);
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
    await until(async () => (await nodes.count()) === 1, 'one node', 20_000);
  });
});
