// Owns the page Refused: each cause with its number, its remedy and its last examples; hostile texts in them.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, test } from 'node:test';
import Pusher from 'pusher-js';
import { sdk } from '../harness/backend.mjs';
import { APP, consoleWorld } from '../harness/console.mjs';
import { until } from '../harness/until.mjs';

const HOSTILE = '<img src=x onerror="window.hacked=1">';

describe('the page Refused', () => {
  const world = consoleWorld({ app: { allowed_origins: ['shop.example'] } });

  /** A handshake with this origin and this client. */
  function handshake(origin) {
    const { host, port } = world.node.server;
    const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': 13, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', origin, 'user-agent': HOSTILE };
    return new Promise((resolve, reject) => {
      const call = request({ host, port, path: `/app/${APP.key}?protocol=7`, headers });
      call.on('upgrade', (_, socket) => resolve(socket.destroy()));
      call.on('error', reject);
      call.end();
    });
  }

  test('says that nothing was refused, then what was and what to change', async (t) => {
    const tab = await world.open(t, { page: 'refused' });
    await tab.untilText('Nothing was refused since the server started');
    await tab.checkAxe();
    await handshake(`http://${HOSTILE}`);
    await handshake('http://staging.example');
    await sdk(world.node.server, { secret: 'wrong' }).trigger('orders', 'Shipped', {}).then(assert.fail, () => {});
    const { host, port } = world.node.server;
    const customHandler = (_, done) => done(null, { auth: '' });
    const client = new Pusher(APP.key, { wsHost: host, wsPort: port, forceTLS: false, enabledTransports: ['ws'], cluster: 'x', channelAuthorization: { customHandler } });
    t.after(() => client.disconnect());
    await tab.page.reload();
    const group = (text) => tab.page.locator('details.refused-group', { hasText: text });
    await group('origin_not_allowed').waitFor();
    await tab.untilText('The page has an origin that the app does not allow: add its host to allowed_origins of the app');
    await tab.untilText('The request was signed with another secret: correct REVERB_APP_SECRET of the back end');
    assert.equal(await group('origin_not_allowed').locator('.refused-count').innerText(), '2');
    await group('origin_not_allowed').locator('summary').click();
    await tab.untilText('http://staging.example');
    await tab.untilText(HOSTILE);
    assert.equal(await tab.page.evaluate(() => window.hacked), undefined);
    assert.equal(await tab.page.locator('img').count(), 0);
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('refused-examples');
    // It stays open while the numbers change.
    await handshake('http://other.example');
    await until(async () => (await group('origin_not_allowed').locator('.refused-count').innerText()) === '3', 'the third refusal', 60_000);
    assert.ok(await group('origin_not_allowed').evaluate((one) => one.open));
  });
});
