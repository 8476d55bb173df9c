// Owns a rolling restart of two nodes behind Nginx under 2000 stock sockets: all are back within the spread of the closes, and no
// more come back in a second than the configured rate.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clock, mostPerSecond, openCrowd, ownCluster, steadyPublisher } from '../harness.mjs';
import { documented, startNginx } from '../nginx/harness.mjs';

const SOCKETS = 2000;
const CHANNELS = 200;
const TRIGGERS_PER_SECOND = 100;
const CLOSED_PER_SECOND = 500;
// After the last close. pusher-js waits one second where it was answered by the node that stops.
const MARGIN_MS = 2000;
// Of the clocks of clients, whose threads are late now and then: closes are counted exactly in the server's own tests.
const JITTER = 1.1;

/** How many sockets are open on one node. */
async function socketsOf(node) {
  const line = /^resound_connections\{.*\} (\d+)$/m.exec(await node.metrics());
  return Number(line[1]);
}

describe('two nodes behind Nginx, restarted one after the other', () => {
  test(`${SOCKETS} sockets come back within the spread, ${CLOSED_PER_SECOND} a second`, async (t) => {
    const server = { drain_sockets_per_second: CLOSED_PER_SECOND, drain_seconds: 14 };
    const cluster = await ownCluster(t, { nodes: 2, hosts: ['127.0.0.1', '127.0.0.2'], server });
    const nginx = await startNginx(cluster.nodes.map((node) => node.server), { site: documented, connections: 4 * SOCKETS });
    t.after(() => nginx.stop());
    const crowd = await openCrowd(t, { server: nginx, backend: cluster.backend }, { count: SOCKETS, channels: CHANNELS });
    const flow = steadyPublisher(nginx, { perSecond: TRIGGERS_PER_SECOND, channels: CHANNELS });
    for (const node of cluster.nodes) {
      const [before, count] = [await crowd.timeline(), await socketsOf(node)];
      const began = clock();
      assert.deepEqual(await node.server.stop(), { code: 0, signal: null });
      await node.server.start();
      await cluster.untilJoined(2);
      const { closed, connected } = await crowd.untilBack(count, before, 60_000);
      const [spread, back] = [(closed.length / CLOSED_PER_SECOND) * 1000, connected.at(-1) - began];
      const [most, stalls] = [mostPerSecond(connected), await crowd.stallsSince(began)];
      const figures = `${closed.length} sockets closed over ${Math.round(spread)} ms, all back after ${Math.round(back)} ms, ${most} in the busiest second`;
      t.diagnostic(`${figures}; the clients stood still for ${Math.round(stalls)} ms`);
      assert.ok(count > SOCKETS / 4 && closed.length === count, `${count} sockets: ${figures}`);
      assert.ok(back <= spread + MARGIN_MS + stalls, figures);
      assert.ok(most <= CLOSED_PER_SECOND * (JITTER + stalls / 1000), figures);
    }
    await flow.stop();
    const { received, lost, repeated } = await crowd.losses();
    t.diagnostic(`${flow.answered} triggers, ${received} events received, ${lost} lost while reconnecting`);
    assert.deepEqual(flow.failed, []);
    assert.equal(repeated, 0);
  });
});
