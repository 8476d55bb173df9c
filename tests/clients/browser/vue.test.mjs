// Owns the hooks of @laravel/echo-vue in Chromium: useEcho receives, unmounting leaves, useConnectionStatus is right.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until, untilOccupied, untilSubscriptions, userInfo } from '../harness.mjs';
import { browserWorld } from '../harness/browser.mjs';

const COMEBACK = 35_000;

describe('@laravel/echo-vue', () => {
  const shared = browserWorld();

  async function vueTab(t, user = '1') {
    const tab = await shared.tab(t, { user });
    await tab.call('vue.configure', tab.target);
    return tab;
  }

  test('useEcho, useEchoPublic and useEchoPresence receive', async (t) => {
    const tab = await vueTab(t);
    const names = { private: 'private-vue', public: 'vue', presence: 'presence-vue' };
    for (const kind of Object.keys(names)) await tab.call('vue.mount', kind, { channel: 'vue', event: 'OrderShipped' });
    for (const [kind, name] of Object.entries(names)) {
      await untilOccupied(shared.pusher, name, true);
      await shared.pusher.trigger(name, 'App\\Events\\OrderShipped', { kind });
      await tab.logged([kind, { kind }]);
    }
    await tab.logged(['here', [userInfo('1').name]]);
  });

  test('two components share one subscription; the channel is left with the last of them', async (t) => {
    const tab = await vueTab(t);
    const mount = () => tab.call('vue.mount', 'private', { channel: 'shared', event: '.e' });
    const [first, second] = [await mount(), await mount()];
    await untilSubscriptions(shared.pusher, 'private-shared', 1);
    await tab.call('vue.unmount', first);
    await shared.pusher.trigger('private-shared', 'e', 'one listens');
    await tab.logged(['private', 'one listens']);
    assert.deepEqual(await tab.entries('private'), [['one listens']]);
    await tab.call('vue.unmount', second);
    await untilOccupied(shared.pusher, 'private-shared', false);
  });

  test('mount, unmount, mount in quick succession delivers once', async (t) => {
    const tab = await vueTab(t);
    await tab.page.evaluate(() => {
      const { mount, unmount } = window.client.vue;
      for (let round = 0; round < 20; round += 1) unmount(mount('private', { channel: 'strict', event: '.e' }));
      mount('private', { channel: 'strict', event: '.e' });
    });
    await untilSubscriptions(shared.pusher, 'private-strict', 1);
    await shared.pusher.trigger('private-strict', 'e', 'once');
    await shared.pusher.trigger('private-strict', 'e', 'marker');
    await tab.logged(['private', 'marker']);
    assert.deepEqual(await tab.entries('private'), [['once'], ['marker']]);
  });

  test('useConnectionStatus goes through a restart of the server and ends connected', async (t) => {
    const tab = await vueTab(t);
    await tab.call('vue.mount', 'status');
    await tab.call('vue.mount', 'private', { channel: 'restart', event: '.e' });
    await tab.logged(['status', 'connected']);
    await untilOccupied(shared.pusher, 'private-restart', true);
    await shared.server.kill();
    await shared.server.start();
    await tab.logged(['status', 'connected'], { count: 2, deadline: COMEBACK });
    const statuses = (await tab.entries('status')).flat();
    const between = statuses.slice(statuses.indexOf('connected') + 1, -1);
    assert.ok(between.length > 0, statuses.join());
    for (const status of between) assert.ok(['reconnecting', 'connecting', 'disconnected', 'failed'].includes(status), status);
    assert.equal(await tab.page.textContent('#status'), 'connected');

    await until(() => tab.frames.filter((text) => text.includes('subscription_succeeded')).length === 2, 'resubscription');
    await shared.pusher.trigger('private-restart', 'e', 'again');
    await tab.logged(['private', 'again']);
  });
});
