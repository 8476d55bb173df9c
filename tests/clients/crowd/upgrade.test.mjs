// Owns upgrades under load: a server hands over to another process three times in a row, under 2000 stock sockets and 200 triggers a
// second. No connection is refused, no trigger fails, and every socket is back within the pace of the drain.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clock, mostPerSecond, openCrowd, prober, startBackend, startServer, steadyPublisher } from '../harness.mjs';

const SOCKETS = 2000;
const CHANNELS = 200;
const TRIGGERS_PER_SECOND = 200;
const CLOSED_PER_SECOND = 500;
const UPGRADES = 3;
// After the last close: for a handshake and a subscription.
const MARGIN_MS = 2000;
const SPREAD_MS = (SOCKETS / CLOSED_PER_SECOND) * 1000;

describe('upgrades without a gap', () => {
  test(`${UPGRADES} upgrades of ${SOCKETS} sockets under ${TRIGGERS_PER_SECOND} triggers a second`, async (t) => {
    const server = await startServer({ sections: { server: { drain_sockets_per_second: CLOSED_PER_SECOND } } });
    const backend = await startBackend(server);
    t.after(async () => {
      await backend.stop();
      await server.dispose();
    });
    const crowd = await openCrowd(t, { server, backend }, { count: SOCKETS, channels: CHANNELS });
    const flow = steadyPublisher(server, { perSecond: TRIGGERS_PER_SECOND, channels: CHANNELS });
    const probes = prober(server);
    for (let upgrade = 1; upgrade <= UPGRADES; upgrade += 1) {
      const before = await crowd.timeline();
      const began = clock();
      const { took } = await server.upgrade();
      const { closed, connected } = await crowd.untilBack(SOCKETS, before, 5 * SPREAD_MS);
      const [back, stalls] = [connected.at(-1) - began, await crowd.stallsSince(began)];
      const figures = `upgrade ${upgrade}: handed over in ${took} ms, ${closed.length} sockets closed and all back after ${Math.round(back)} ms`;
      t.diagnostic(`${figures}, ${mostPerSecond(connected)} in the busiest second; the clients stood still for ${Math.round(stalls)} ms`);
      assert.equal(closed.length, SOCKETS);
      assert.ok(back <= took + SPREAD_MS + MARGIN_MS + stalls, figures);
    }
    probes.stop();
    await flow.stop();
    const errors = await crowd.errors();
    const { received, lost, repeated } = await crowd.losses();
    t.diagnostic(`${flow.answered} triggers, ${probes.opened} probes, ${received} events received, ${lost} lost while reconnecting`);
    assert.deepEqual(flow.failed, []);
    assert.deepEqual(probes.refused, []);
    assert.equal(repeated, 0);
    const codes = Object.keys(errors).filter((text) => !text.startsWith('4200 '));
    assert.deepEqual(codes, [], JSON.stringify(errors));
  });
});
