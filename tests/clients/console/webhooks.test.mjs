// Owns the page Webhooks: a call that fails, with its cause; resent by a click, which a read-only token is not offered; and one
// that was given up, sent again.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { consoleWorld, launch, openTab, READ_ONLY_TOKEN, startConsole } from '../harness/console.mjs';
import { connectPusher, startBackend, subscribed, webhooks } from '../harness.mjs';

describe('the page Webhooks', () => {
  const receiver = webhooks();
  const endpoint = receiver.endpoint({ events: ['channel_occupied'] });
  endpoint.answers = Array(20).fill(500);
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
    await endpoint.calls.until((calls) => calls.length >= 4, 60_000);
    await tab.untilText('it answered 500 Internal Server Error');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('webhooks');
    const looker = await openTab(t, world.browser, { url: node.url, page: 'webhooks', token: READ_ONLY_TOKEN });
    await looker.untilText('The next try is in');
    assert.equal(await looker.page.getByRole('button', { name: 'Resend now' }).count(), 0);
    endpoint.answers = [];
    await tab.page.getByRole('button', { name: 'Resend now' }).click();
    await tab.untilText('Takes calls');
    const bodies = new Set(endpoint.calls.items.map(({ rawBody }) => rawBody));
    assert.equal(bodies.size, 1);
    assert.equal(endpoint.events.items.length, 1);
  });
});

describe('the page Webhooks, with a call that was given up', () => {
  const receiver = webhooks();
  const endpoint = receiver.endpoint({ events: ['channel_occupied'] });
  const world = consoleWorld({ app: () => receiver.app(), sections: { webhooks: { retry_for_seconds: 1 } } });

  test('sends it again with the same body, marked, and says what came of it', async (t) => {
    const [node] = world.nodes;
    const backend = await startBackend(node.server);
    t.after(() => backend.stop());
    endpoint.answers = Array(9).fill(500);
    const client = await connectPusher(t, { server: node.server, backend }, 'ann');
    await subscribed(client.subscribe('orders'));
    const tab = await openTab(t, world.browser, { url: node.url, page: 'webhooks' });
    await tab.untilText('These calls were given up');
    const looker = await openTab(t, world.browser, { url: node.url, page: 'webhooks', token: READ_ONLY_TOKEN });
    await looker.untilText('Not delivered');
    assert.equal(await looker.page.getByRole('button', { name: /^Send again/ }).count(), 0);
    const tries = endpoint.calls.items.length;
    endpoint.answers = [503];
    await tab.page.getByRole('button', { name: /^Send again/ }).click();
    await tab.untilText('it answered 503 Service Unavailable');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('webhooks-given-up');
    await tab.page.getByRole('button', { name: /^Send again/ }).click();
    await tab.untilText('Sent again, taken');
    await tab.untilText('taken 1');
    const [first, ...resent] = [endpoint.calls.items[0], ...endpoint.calls.items.slice(tries)];
    assert.deepEqual(resent.map(({ rawBody }) => rawBody), [first.rawBody, first.rawBody]);
    const [marks, [kept]] = [resent.map(({ headers }) => headers['resound-resent']), (await node.api('/apps/123456/webhooks')).body.endpoints[0].given_up];
    assert.deepEqual(marks, [kept.batch, kept.batch]);
    assert.equal(first.headers['resound-resent'], undefined);
    assert.equal(endpoint.events.items.length, 1);
  });
});

describe('the page Webhooks of two nodes', () => {
  const receiver = webhooks();
  const endpoint = receiver.endpoint({ events: ['channel_occupied'] });
  const world = consoleWorld({ count: 2, app: () => receiver.app() });

  test('lists the calls of both, and resends one of the other node', async (t) => {
    const [here, there] = world.nodes;
    const [names, backend] = [await Promise.all(world.nodes.map(async (node) => (await node.api('')).body.node)), await startBackend(there.server)];
    t.after(() => backend.stop());
    const occupy = async (server, channel) => subscribed((await connectPusher(t, { server, backend }, 'ann')).subscribe(channel));
    await occupy(here.server, 'of-the-first');
    await endpoint.calls.until((calls) => calls.length === 1, 60_000);
    endpoint.answers = Array(20).fill(500);
    await occupy(there.server, 'of-the-second');
    await endpoint.calls.until((calls) => calls.length >= 5, 60_000);
    const tab = await openTab(t, world.browser, { url: here.url, page: 'webhooks' });
    await tab.untilText('The calls of 2 nodes.');
    for (const name of names) await tab.untilText(name);
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('webhooks-of-two');
    const own = (await here.api('/apps/123456/webhooks?nodes=this')).body;
    assert.deepEqual([own.endpoints[0].calls.length, own.node, own.other_nodes], [1, names[0], undefined]);
    endpoint.answers = [];
    await tab.page.getByRole('button', { name: 'Resend now' }).click();
    await tab.untilText('Takes calls');
    assert.equal(endpoint.events.items.length, 2);
  });
});

describe('the page Webhooks of two nodes, with a call that the other one gave up', () => {
  const receiver = webhooks();
  const endpoint = receiver.endpoint({ events: ['channel_occupied'] });
  const world = consoleWorld({ count: 2, app: () => receiver.app(), sections: { webhooks: { retry_for_seconds: 1 } } });

  test('sends it again from the node that keeps it', async (t) => {
    const [here, there] = world.nodes;
    const backend = await startBackend(there.server);
    t.after(() => backend.stop());
    endpoint.answers = Array(9).fill(500);
    const client = await connectPusher(t, { server: there.server, backend }, 'ann');
    await subscribed(client.subscribe('orders'));
    const tab = await openTab(t, world.browser, { url: here.url, page: 'webhooks' });
    await tab.untilText('These calls were given up', 60_000);
    endpoint.answers = [];
    const path = '/apps/123456/webhooks/0/given_up';
    const refused = await here.api(`${path}/0123456789abcdef/resend`, { method: 'POST' });
    assert.deepEqual([refused.status, refused.body.error], [404, 'no call with this number is kept: of each endpoint the last 20 that were given up are, in 1 MB']);
    await tab.page.getByRole('button', { name: /^Send again/ }).click();
    await tab.untilText('Sent again, taken');
    assert.equal(endpoint.events.items.length, 1);
    const [kept] = (await here.api('/apps/123456/webhooks')).body.endpoints[0].given_up;
    const again = await here.api(`${path}/${kept.batch}/resend`, { method: 'POST' });
    assert.deepEqual([again.status, again.body.error], [409, 'the endpoint took this call when it was sent again; it is not sent a second time']);
  });
});
