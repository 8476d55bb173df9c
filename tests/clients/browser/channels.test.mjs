// Owns public, private, encrypted and cache channels in Chromium, with Laravel Echo and the options Reverb users have.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserWorld } from '../harness/browser.mjs';

describe('channels in the browser', () => {
  const shared = browserWorld();

  test('a public event named after a Laravel class arrives, as does one with a custom name', async (t) => {
    const tab = await shared.connectedTab(t);
    assert.equal(await tab.call('listen', 'public', 'orders', ['OrderShipped', '.custom']), 'subscribed');
    const data = { text: 'Zoë 注文 🚚', price: 1.5, huge: 1e20, list: [], map: {} };
    await shared.pusher.trigger('orders', 'App\\Events\\OrderShipped', data);
    await shared.pusher.trigger('orders', 'custom', data);
    await tab.logged(['.custom', data]);
    assert.deepEqual(await tab.entries('OrderShipped'), [[data]]);
  });

  test('the frame carries the data byte for byte', async (t) => {
    const tab = await shared.connectedTab(t);
    await tab.call('listen', 'public', 'bytes', ['.marker']);
    const texts = ['{"price":1.0,"huge":1e20}', '[]', '{}', '{"e":"\\u00e9\\/"}', 'plain – text'];
    for (const data of texts) await shared.pusher.trigger('bytes', 'App\\Raw', data);
    await shared.pusher.trigger('bytes', 'marker', '1');
    await tab.logged(['.marker', 1]);
    const events = tab.frames.map((text) => JSON.parse(text)).filter(({ event }) => event === 'App\\Raw');
    assert.deepEqual(events, texts.map((data) => ({ event: 'App\\Raw', channel: 'bytes', data })));
  });

  test('a large event is deflated on the wire and whole in the page', async (t) => {
    const tab = await shared.connectedTab(t);
    assert.match(await tab.call('extensions'), /^permessage-deflate/);
    await tab.call('listen', 'public', 'large', ['.large', '.marker']);
    const rows = Array.from({ length: 200 }, (_, id) => ({ id, name: `web-${id}`, status: 'läuft 🚚' }));
    for (const data of [rows.slice(0, 3), rows, rows.slice(0, 50)]) await shared.pusher.trigger('large', 'large', data);
    await shared.pusher.trigger('large', 'marker', 1);
    await tab.logged(['.marker', 1]);
    assert.deepEqual(await tab.entries('.large'), [[rows.slice(0, 3)], [rows], [rows.slice(0, 50)]]);
  });

  test('a private channel opens with the application\'s signature', async (t) => {
    const tab = await shared.connectedTab(t, { user: '1' });
    assert.equal(await tab.call('listen', 'private', 'orders.1', ['OrderShipped']), 'subscribed');
    await shared.pusher.trigger('private-orders.1', 'App\\Events\\OrderShipped', { id: 1 });
    await tab.logged(['OrderShipped', { id: 1 }]);
  });

  test('a forged signature fires error() with AuthError 401; the socket lives and other channels work', async (t) => {
    const tab = await shared.connectedTab(t, { user: '1' });
    assert.equal(await tab.call('listen', 'private', 'forged', ['.e']), 'refused');
    assert.deepEqual(await tab.entries('refused'), [['AuthError', 401]]);
    assert.equal(await tab.call('listen', 'private', 'honest', ['.e']), 'subscribed');
    await shared.pusher.trigger('private-forged', 'e', 'not for us');
    await shared.pusher.trigger('private-honest', 'e', 'marker');
    await tab.logged(['.e', 'marker']);
    assert.deepEqual(await tab.entries('.e'), [['marker']]);
    assert.deepEqual((await tab.entries('state')).at(-1), ['connected']);
  });

  test('a page that posts gets no echo of its own event, another page gets it once', async (t) => {
    const [ada, bob] = [await shared.connectedTab(t, { user: '1' }), await shared.connectedTab(t, { user: '2' })];
    for (const tab of [ada, bob]) await tab.call('listen', 'private', 'board', ['.posted']);
    assert.equal(await ada.call('post', 'private-board', 'posted', 'to others'), 200);
    await shared.pusher.trigger('private-board', 'posted', 'marker');
    for (const tab of [ada, bob]) await tab.logged(['.posted', 'marker']);
    assert.deepEqual(await ada.entries('.posted'), [['marker']]);
    assert.deepEqual(await bob.entries('.posted'), [['to others'], ['marker']]);
  });

  test('an encrypted event is decrypted in the page and unreadable on the wire', async (t) => {
    const tab = await shared.tab(t, { user: '1' });
    await tab.open({ encryption: true });
    await tab.logged(['state', 'connected']);
    assert.equal(await tab.call('listen', 'encrypted', 'vault', ['.opened']), 'subscribed');
    await shared.pusher.trigger('private-encrypted-vault', 'opened', { secret: 'treasure' });
    await tab.logged(['.opened', { secret: 'treasure' }]);
    assert.ok(!tab.frames.join().includes('treasure'));
  });

  const PREFIXES = { public: '', private: 'private-', presence: 'presence-', encrypted: 'private-encrypted-' };
  for (const [kind, prefix] of Object.entries(PREFIXES)) {
    test(`${prefix}cache-: a miss when empty, the last event for later subscribers`, async (t) => {
      const tabs = [];
      for (const user of ['1', '2']) {
        const tab = await shared.tab(t, { user });
        await tab.open({ encryption: kind === 'encrypted' });
        assert.equal(await tab.call('listen', kind, 'cache-page', ['.e']), 'subscribed');
        if (tabs.length === 0) {
          await tab.logged(['cache miss', 'cache-page']);
          await shared.pusher.trigger(`${prefix}cache-page`, 'e', { n: 1 });
        }
        await tab.logged(['.e', { n: 1 }]);
        tabs.push(tab);
      }
      assert.deepEqual(await tabs[1].entries('cache miss'), []);
    });
  }
});
