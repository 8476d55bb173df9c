// Owns connections the server refuses, in Chromium: unknown key, over the limit, foreign origin.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { APP } from '../harness.mjs';
import { browserWorld } from '../harness/browser.mjs';

const SMALL = { id: '2', key: 'small-key', secret: 'small-secret', max_connections: 1 };
const HERE = { id: '3', key: 'here-key', secret: 'here-secret', allowed_origins: ['127.0.0.1'] };
const ELSEWHERE = { id: '4', key: 'elsewhere-key', secret: 'elsewhere-secret', allowed_origins: ['example.com'] };

describe('refused connections in the browser', () => {
  const shared = browserWorld({ apps: [APP, SMALL, HERE, ELSEWHERE] });

  /** Fills the one place of SMALL and lets a second page try until it has had to wait twice. */
  async function aSecondOfRetrying(t) {
    const first = await shared.tab(t);
    await first.open({ key: SMALL.key });
    await first.logged(['state', 'connected']);
    const second = await shared.tab(t);
    await second.open({ key: SMALL.key });
    await second.logged(['retry in', 1], { count: 2 });
    return { first, second };
  }

  const GIVEN_UP = { 'an unknown key': ['no-such-key', 4001], 'a foreign origin': [ELSEWHERE.key, 4009] };
  for (const [what, [key, code]] of Object.entries(GIVEN_UP)) {
    test(`${what} receives ${code}; the page gives up and does not try again`, async (t) => {
      const tab = await shared.tab(t);
      await tab.open({ key });
      await tab.logged(['state', 'disconnected']);
      assert.deepEqual(await tab.entries('error'), [[code]]);
      await aSecondOfRetrying(t);
      assert.deepEqual(await tab.entries('retry in'), []);
      assert.deepEqual((await tab.entries('state')).at(-1), ['disconnected']);
    });
  }

  test('over the limit the page receives 4100 and gets in when another one closes', async (t) => {
    const { first, second } = await aSecondOfRetrying(t);
    const codes = (await second.entries('error')).flat();
    assert.deepEqual([...new Set(codes)], [4100]);
    await first.close();
    await second.logged(['state', 'connected']);
  });

  test('an allowed origin connects', async (t) => {
    const tab = await shared.tab(t);
    await tab.open({ key: HERE.key });
    await tab.logged(['state', 'connected']);
  });
});
