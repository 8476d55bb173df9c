// Owns the page Webhooks: a call that fails, with its cause; resent by a click, which a read-only token is not offered.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, openTab, READ_ONLY_TOKEN, startConsole } from '../harness/console.mjs';
import { connectPusher, startBackend, subscribed, webhooks } from '../harness.mjs';

describe('the page Webhooks', () => {
  const receiver = webhooks();
  const endpoint = receiver.endpoint({ events: ['channel_occupied'] });
  endpoint.answers = [500, 500, 500, 500];
  const world = {};
  before(async () => Object.assign(world, await startConsole({ app: receiver.app() }), { browser: await launch() }));
  after(async () => {
    await world.browser?.close();
    await world.dispose?.();
  });

  test('shows a call that fails, and resends it', async (t) => {
    const [node] = world.nodes;
    const backend = await startBackend(node.server);
    t.after(() => backend.stop());
    const tab = await openTab(t, world.browser, { url: node.url, page: 'webhooks' });
    await tab.untilText('Not called yet');
    await tab.checkAxe();
    const client = await connectPusher(t, { server: node.server, backend }, 'ann');
    await subscribed(client.subscribe('orders'));
    await endpoint.calls.until((calls) => calls.length === 4, 15_000);
    await tab.untilText('it answered 500 Internal Server Error');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('webhooks');
    const looker = await openTab(t, world.browser, { url: node.url, page: 'webhooks', token: READ_ONLY_TOKEN });
    await looker.untilText('The next try is in');
    assert.equal(await looker.page.getByRole('button', { name: 'Resend now' }).count(), 0);
    await tab.page.getByRole('button', { name: 'Resend now' }).click();
    await tab.untilText('Takes calls');
    const bodies = new Set(endpoint.calls.items.map(({ rawBody }) => rawBody));
    assert.equal(bodies.size, 1);
    assert.equal(endpoint.events.items.length, 1);
  });
});
