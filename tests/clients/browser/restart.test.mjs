// Owns what Echo in Chromium does when the server goes away: killed, or stopped by SIGTERM.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../harness.mjs';
import { browserWorld } from '../harness/browser.mjs';

// pusher-js waits 15 s before its next attempt when one was refused by the machine; twice that is room enough.
const COMEBACK = 35_000;

describe('a server that goes away, seen by the browser', () => {
  const shared = browserWorld();

  for (const [how, end] of Object.entries({ 'killed': 'kill', 'stopped by SIGTERM': 'stop' })) {
    test(`${how} and started again: the page is back on its private and presence channels`, async (t) => {
      const tab = await shared.connectedTab(t, { user: '1' });
      const channels = [['private', 'orders'], ['presence', 'room']];
      for (const [kind, name] of channels) assert.equal(await tab.call('listen', kind, name, [`.${kind}`]), 'subscribed');
      await shared.server[end]();
      await shared.server.start();
      await tab.logged(['state', 'connected'], { count: 2, deadline: COMEBACK });
      const back = channels.map(([kind, name]) => `"${kind}-${name}"`);
      const confirmed = (name) => tab.frames.filter((text) => text.includes('subscription_succeeded') && text.includes(name)).length;
      await until(() => back.every((name) => confirmed(name) === 2), 'resubscription');
      for (const [kind, name] of channels) await shared.pusher.trigger(`${kind}-${name}`, kind, 'again');
      for (const [kind] of channels) await tab.logged([`.${kind}`, 'again']);
      for (const [kind] of channels) assert.deepEqual(await tab.entries(`.${kind}`), [['again']]);
      if (end === 'stop') assert.ok((await tab.entries('error')).flat().includes(4200));
    });
  }
});
