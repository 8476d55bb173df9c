// Owns the figures of conflation and spread: 500 stock sockets on one channel, 200 changes a second, and pages that request
// their data again with each event. What counts for PHP is how many of these requests come at once.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { openCrowd, sdk, startBackend, startServer } from '../harness.mjs';

const SOCKETS = 500;
const CHANGES_PER_SECOND = 200;
const TIME_MS = 3000;
const LATEST_MS = 300;
const SPREAD_MS = 500;
const BUCKET_MS = 10;

/** Processor time of a process so far, in milliseconds. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Requests in each ten milliseconds from the first to the last: the most of them, and the share of the time with any. */
function histogram(arrivals) {
  const buckets = new Map();
  for (const at of arrivals) {
    const bucket = Math.floor(at / BUCKET_MS);
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
  }
  return { most: Math.max(...buckets.values()), buckets: buckets.size };
}

/**
 * Triggers 0, 1, 2 … at an even rate or as fast as they are answered, each when the one before was, so that the server has them
 * in this order.
 */
async function publish(server, { perSecond, time }) {
  const [pusher, began] = [sdk(server), performance.now()];
  for (let sent = 0; ; sent += 1) {
    const due = (sent * 1000) / perSecond;
    if (due >= time || performance.now() - began > 2 * time) return { triggers: sent, took: performance.now() - began };
    await pause(Math.max(0, began + due - performance.now()));
    await pusher.trigger('crowd-0', 'e', sent);
  }
}

async function run(t, pacing, { perSecond, time }) {
  const server = await startServer({ app: { pacing } });
  const backend = await startBackend(server);
  t.after(async () => {
    await backend.stop();
    await server.dispose();
  });
  const crowd = await openCrowd(t, { server, backend }, { count: SOCKETS, channels: 1 });
  const before = cpuOf(server.pid);
  const { triggers, took } = await publish(server, { perSecond, time });
  await crowd.untilReceived(triggers - 1, 60_000);
  const cpu = cpuOf(server.pid) - before;
  const { received, repeated, disordered } = await crowd.losses();
  assert.deepEqual([repeated, disordered], [0, 0]);
  return { triggers, took, received, cpu, ...histogram(await crowd.arrivals()) };
}

const entry = (keys) => [{ channels: 'crowd-*', ...keys }];
const SETTINGS = [
  ['as they come', []],
  [`latest within ${LATEST_MS} ms`, entry({ latest_within_ms: LATEST_MS })],
  [`latest within ${LATEST_MS} ms, spread over ${SPREAD_MS} ms`, entry({ latest_within_ms: LATEST_MS, spread_over_ms: SPREAD_MS })],
];

describe('the pace of events', () => {
  test(`${SOCKETS} sockets, ${CHANGES_PER_SECOND} changes a second`, async (t) => {
    const figures = [];
    for (const [name, pacing] of SETTINGS) {
      const one = await run(t, pacing, { perSecond: CHANGES_PER_SECOND, time: TIME_MS });
      t.diagnostic(
        `${name}: ${one.triggers} changes in ${Math.round(one.took)} ms, ${one.received} events received, at most ${one.most} reload requests in ${BUCKET_MS} ms ` +
          `(${one.buckets} of these intervals have some), ${one.cpu} ms CPU of the server`,
      );
      figures.push(one);
    }
    const [off, latest, spread] = figures;
    assert.equal(off.received, SOCKETS * off.triggers);
    for (const one of [latest, spread]) {
      assert.ok(one.received <= SOCKETS * (one.took / LATEST_MS + 3), `${one.received} events in ${one.took} ms`);
    }
    assert.ok(spread.most < latest.most, `${spread.most} and ${latest.most} in ${BUCKET_MS} ms`);
  });

  test('one change', async (t) => {
    const figures = [];
    for (const [name, pacing] of [SETTINGS[0], [`spread over ${SPREAD_MS} ms`, entry({ spread_over_ms: SPREAD_MS })]]) {
      const one = await run(t, pacing, { perSecond: 1, time: 100 });
      assert.equal(one.received, SOCKETS * one.triggers);
      t.diagnostic(`${name}: at most ${one.most} reload requests in ${BUCKET_MS} ms, ${one.buckets} of these intervals have some`);
      figures.push(one);
    }
    const [off, spread] = figures;
    assert.ok(spread.most * 3 < off.most && spread.buckets > 20, JSON.stringify(figures));
  });
});
