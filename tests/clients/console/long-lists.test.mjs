// Owns tables with thousands of rows: they are made in slices, the page answers meanwhile, and the keyboard focus stays.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { APP, consoleWorld } from '../harness/console.mjs';
import { until } from '../harness.mjs';

const ROWS = 5000;
const PARTITIONS = 50;
// All rows take 3 s on an idle machine, and more than 60 s beside ten compilers.
const MADE = 180_000;

/** Runs in the page: notes every task of the main thread that takes 50 ms or more. */
function observeTasks() {
  window.longTasks = [];
  new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' });
}

/** The answer to `…/cluster` of one node as that of a hundred with fifty partitions each. */
function enlarged(view, round) {
  const [own] = view.nodes;
  const [link] = own.links;
  const links = Array.from({ length: PARTITIONS }, (_, partition) => ({ ...link, partition, reconnects: partition + round }));
  const nodes = Array.from({ length: ROWS / PARTITIONS }, (_, at) => ({ ...own, node: at.toString(16).padStart(16, '0'), links }));
  return { ...view, nodes, leases: null };
}

/** Milliseconds in which the main thread of the page was at work so far. */
async function workOf(session) {
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'TaskDuration').value * 1000;
}

describe('a table with thousands of rows', () => {
  const world = consoleWorld({ count: 2 });

  /** Answers requests for a path with what `change` makes of the real answer, each time. */
  const answer = (tab, path, change) =>
    tab.page.route(path, async (route) => {
      const real = await route.fetch();
      await route.fulfill({ response: real, json: change(await real.json()) });
    });

  /** Answers with many links, the same ones each time: on a slow machine rows that change would be made again without an end. */
  async function answerWithLinks(tab, round = 0) {
    let view;
    await answer(tab, '**/internal/v1/cluster', (real) => (view ??= enlarged(real, round)));
  }

  test('is made in slices: no task takes as long as the whole', async (t) => {
    const tab = await world.open(t, { page: 'overview', script: [observeTasks] });
    const session = await tab.page.context().newCDPSession(tab.page);
    await session.send('Performance.enable');
    const region = tab.page.getByRole('region', { name: 'The links to Redis' });
    const isWhole = async () => (await region.locator('tbody tr').count()) === ROWS && (await region.getAttribute('aria-busy')) === null;
    const rounds = [];
    // A machine that is busy stretches a task now and then; one that has everything is as long as the whole in each of three rounds.
    for (let round = 0; round < 3; round += 1) {
      await tab.page.unroute('**/internal/v1/cluster');
      await answerWithLinks(tab, round);
      await tab.page.evaluate(() => (window.longTasks.length = 0));
      const before = await workOf(session);
      await tab.show('cluster');
      await until(isWhole, `${ROWS} rows`, MADE);
      const [work, tasks] = [(await workOf(session)) - before, await tab.page.evaluate(() => window.longTasks)];
      const longest = Math.max(0, ...tasks);
      rounds.push({ longest: Math.round(longest), work: Math.round(work), share: longest / work });
      if (longest < work / 3) break;
      await tab.show('overview');
      await until(async () => (await region.count()) === 0, 'the other page');
    }
    t.diagnostic(`longest task and all work in ms: ${rounds.map(({ longest, work }) => `${longest} of ${work}`).join(', ')}`);
    assert.ok(Math.min(...rounds.map(({ share }) => share)) < 1 / 3, JSON.stringify(rounds));
  });

  test('is sorted in slices, and its rows stay the same elements', async (t) => {
    const tab = await world.open(t, { page: 'overview' });
    await answerWithLinks(tab);
    await tab.show('cluster');
    const region = tab.page.getByRole('region', { name: 'The links to Redis' });
    const isWhole = async () => (await region.locator('tbody tr').count()) === ROWS && (await region.getAttribute('aria-busy')) === null;
    await until(isWhole, `${ROWS} rows`, MADE);
    await region.locator('tbody').evaluate((body) => (body.firstElementChild.mark = 'first'));
    const heading = region.getByRole('button', { name: 'Reconnects' });
    await heading.focus();
    await heading.press('Enter');
    const last = () => region.locator('tbody').evaluate((body) => [...body.children].findIndex(({ mark }) => mark === 'first'));
    await until(async () => (await isWhole()) && (await last()) > ROWS / 2, 'the other order', MADE);
    const order = await region.locator('td[data-label="Reconnects"]').allInnerTexts();
    assert.deepEqual(order, [...order].sort((one, other) => Number(other) - Number(one)));
    assert.equal(await tab.page.evaluate(() => document.activeElement.textContent), 'Reconnects');
  });

  test('keeps the focus on the link of a row that moves, and ends it with the row', async (t) => {
    let names = Array.from({ length: ROWS }, (_, at) => `orders.${String(at).padStart(4, '0')}`);
    const rowOf = (channel) => ({ channel, type: 'public', cache: false, subscriptions: 1, on_this_node: 1 });
    const tab = await world.open(t, { page: 'overview' });
    await answer(tab, `**/apps/${APP.id}/channels?**`, (found) => ({ ...found, matched: names.length, more: false, channels: names.map(rowOf) }));
    await tab.show(`channels/${APP.id}`);
    const region = tab.page.getByRole('region', { name: 'Occupied channels' });
    const rows = region.locator('tbody tr');
    const isWhole = async (count) => (await rows.count()) === count && (await region.getAttribute('aria-busy')) === null;
    await until(() => isWhole(ROWS), `${ROWS} rows`, MADE);
    const chosen = names[4321];
    await tab.page.getByRole('link', { name: chosen }).focus();
    const focused = () => tab.page.evaluate(() => document.activeElement.textContent);
    assert.equal(await focused(), chosen);
    const at = () => region.locator('tbody').evaluate((body, key) => [...body.children].findIndex((line) => line.dataset.key === key), chosen);

    names = names.reverse();
    await until(async () => (await at()) === ROWS - 1 - 4321 && (await isWhole(ROWS)), 'the other order', MADE);
    assert.equal(await focused(), chosen, 'the row has moved');
    names = ['orders.new', ...names.slice(10)];
    await until(() => isWhole(ROWS - 9), 'fewer rows', MADE);
    assert.equal(await focused(), chosen, 'another row came');
    assert.deepEqual(await rows.evaluateAll((lines) => lines.map(({ dataset }) => dataset.key)), names);
    names = names.filter((name) => name !== chosen);
    await until(() => isWhole(ROWS - 10), 'the row to be gone', MADE);
    assert.equal(await focused(), await tab.page.evaluate(() => document.body.textContent));
  });
});
