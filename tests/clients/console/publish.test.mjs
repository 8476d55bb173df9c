// Owns the pages Publish and Apps: events and batches with their verdicts, what a client receives, secrets on request only.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Pusher from 'pusher-js';
import { APP, consoleWorld, READ_ONLY_TOKEN } from '../harness/console.mjs';
import { until } from '../harness/until.mjs';

const HOSTILE = '<img src=x onerror="window.hacked=1">';

describe('the page Publish', () => {
  const world = consoleWorld({ app: { allowed_origins: ['*'] }, internal: { payloads: 'full' } });

  /** A stock client on a channel, with the data of each event that it received. */
  async function subscriber(t, channel) {
    const { host, port } = world.node.server;
    const client = new Pusher(APP.key, { wsHost: host, wsPort: port, forceTLS: false, enabledTransports: ['ws'], cluster: 'x' });
    t.after(() => client.disconnect());
    const received = [];
    client.subscribe(channel).bind_global((event, data) => received.push([event, data]));
    await until(() => received.some(([event]) => event === 'pusher:subscription_succeeded'), 'the subscription');
    return { received, id: client.connection.socket_id };
  }

  test('an event reaches a stock client, and the page says what became of it', async (t) => {
    const { received, id } = await subscriber(t, 'orders');
    const tab = await world.open(t, { page: 'publish?channel=orders' });
    await tab.page.getByRole('button', { name: 'Publish', exact: true }).click();
    await tab.untilText('delivered to 1 socket on 1 node');
    await until(() => received.some(([event, data]) => event === 'App\\Events\\OrderShipped' && data.id === 7), 'the event');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.page.getByLabel('Except socket').fill(id);
    await tab.page.getByRole('button', { name: 'Publish', exact: true }).click();
    await tab.untilText('Reached no socket');
    await tab.page.getByLabel('Channel', { exact: true }).fill('ordres');
    await tab.page.getByLabel('Except socket').fill('');
    await tab.page.getByRole('button', { name: 'Publish', exact: true }).click();
    await tab.untilText('0 on `ordres`');
    await tab.screenshots('publish');
  });

  test('a batch is collected, and published as one', async (t) => {
    const { received } = await subscriber(t, 'orders');
    const tab = await world.open(t, { page: 'publish?channel=orders&event=one' });
    const add = tab.page.getByRole('button', { name: 'Add to a batch' });
    await add.click();
    await tab.page.getByLabel('Event', { exact: true }).fill('two');
    await tab.page.getByLabel('Data').fill(HOSTILE);
    await add.click();
    await tab.page.getByRole('button', { name: 'Publish the batch (2)' }).click();
    await until(() => received.some(([event, data]) => event === 'two' && data === HOSTILE), 'the second event');
    assert.ok(received.some(([event, data]) => event === 'one' && data.id === 7));
  });

  test('an encrypted channel is refused with the reason, and by the server too', async (t) => {
    const tab = await world.open(t, { page: 'publish' });
    await tab.page.getByRole('button', { name: 'Encrypted' }).click();
    await tab.untilText('are encrypted by the back end, which alone has the key');
    assert.ok(await tab.page.getByRole('button', { name: 'Publish', exact: true }).isDisabled());
    const body = JSON.stringify({ name: 'a', channel: 'private-encrypted-a', data: '{}' });
    const answer = await world.node.api(`/apps/${APP.id}/events`, { method: 'POST', body });
    assert.equal(answer.status, 400);
  });

  test('a client is shown as any user, frame by frame, with hostile texts as text', async (t) => {
    const tab = await world.open(t, { page: 'publish?channel=presence-room' });
    await tab.page.getByLabel('User id').fill('7');
    await tab.page.getByLabel('User info').fill(JSON.stringify({ name: HOSTILE }));
    await tab.page.getByRole('button', { name: 'Subscribe' }).click();
    await tab.untilText('subscription_succeeded');
    await tab.page.getByLabel('Event', { exact: true }).fill('greeting');
    await tab.page.getByLabel('Data').fill(JSON.stringify({ text: HOSTILE }));
    await tab.page.getByRole('button', { name: 'Publish', exact: true }).click();
    await tab.page.locator('.frames li', { hasText: 'greeting' }).waitFor();
    assert.equal(await tab.page.locator('img').count(), 0);
    assert.equal(await tab.page.evaluate(() => window.hacked), undefined);
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('publish-client');
    await tab.page.getByRole('button', { name: 'Close', exact: true }).click();
    await until(async () => (await world.node.api(`/apps/${APP.id}/channels`)).body.channels.length === 0, 'the client to leave');
  });

  test('a token that only looks publishes nothing', async (t) => {
    const tab = await world.open(t, { page: 'publish', token: READ_ONLY_TOKEN });
    await tab.untilText('This token only looks. Log in with internal.token to publish.');
    assert.ok(await tab.page.getByRole('button', { name: 'Publish', exact: true }).isDisabled());
    for (const path of ['events', 'batch_events', 'client', 'reveal']) {
      const answer = await world.node.api(`/apps/${APP.id}/${path}`, { method: 'POST', token: READ_ONLY_TOKEN, body: '{}' });
      assert.equal(answer.status, 403, path);
    }
  });
});

describe('the page Apps', () => {
  const world = consoleWorld({ app: { allowed_origins: ['shop.example'] } });

  test('shows the settings, and the secret only when it is asked for', async (t) => {
    const tab = await world.open(t, { page: 'apps' });
    await tab.untilText(`App ${APP.id}`);
    await tab.untilText('shop.example');
    await tab.page.getByText('Limits', { exact: true }).click();
    await tab.untilText('max_event_data_bytes');
    assert.ok(!(await tab.page.content()).includes(APP.secret));
    await tab.checkAxe();
    await tab.page.getByLabel('Public host').fill('ws.example.com');
    await tab.page.getByLabel('Port').fill('443');
    await tab.page.getByLabel('Scheme').selectOption('https');
    await tab.page.getByRole('button', { name: 'Show with the secret' }).click();
    await tab.untilText(`REVERB_APP_SECRET=${APP.secret}`);
    await tab.untilText('REVERB_HOST="ws.example.com"');
    await tab.page.getByRole('button', { name: 'Copy the block' }).click();
    const copied = await tab.page.evaluate(() => navigator.clipboard.readText());
    assert.ok(copied.startsWith('BROADCAST_CONNECTION=reverb\n') && copied.includes('REVERB_SCHEME=https'));
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('apps');
    await tab.page.getByRole('button', { name: 'Hide' }).click();
    assert.ok(!(await tab.page.content()).includes(APP.secret));
  });

  test('a token that only looks is offered no secret', async (t) => {
    const tab = await world.open(t, { page: 'apps', token: READ_ONLY_TOKEN });
    await tab.untilText('This token only looks, and the block has the secret.');
    assert.equal(await tab.page.getByRole('button', { name: 'Show with the secret' }).count(), 0);
  });
});
