// Owns presence and whispers in Chromium: tabs of one user share a browser profile, users have one each.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { untilSubscriptions, userInfo } from '../harness.mjs';
import { browserWorld } from '../harness/browser.mjs';

const PRESENCE = ['here', 'joining', 'leaving', '.marker'];

describe('presence in the browser', () => {
  const shared = browserWorld();

  async function join(t, room, user) {
    const tab = await shared.connectedTab(t, { user });
    assert.equal(await tab.call('listen', 'presence', room, ['.marker']), 'subscribed');
    return tab;
  }

  const received = async (tab) => (await tab.log()).filter(([what]) => PRESENCE.includes(what));

  test('here, joining and leaving carry user_info untouched', async (t) => {
    const ada = await join(t, 'room', '1');
    const bob = await join(t, 'room', '2');
    assert.deepEqual(await received(bob), [['here', [userInfo('1'), userInfo('2')]]]);
    await ada.logged(['joining', userInfo('2')]);
    await bob.close();
    await ada.logged(['leaving', userInfo('2')]);
    assert.deepEqual(await received(ada), [['here', [userInfo('1')]], ['joining', userInfo('2')], ['leaving', userInfo('2')]]);
  });

  test('two tabs of one user count once; leaving is announced when the last one closes', async (t) => {
    const ada = await join(t, 'tabs', '1');
    const first = await join(t, 'tabs', '2');
    const second = await join(t, 'tabs', '2');
    assert.deepEqual(await received(second), [['here', [userInfo('1'), userInfo('2')]]]);
    await first.page.evaluate(() => window.Echo.leave('tabs'));
    await untilSubscriptions(shared.pusher, 'presence-tabs', 2);
    await shared.pusher.trigger('presence-tabs', 'marker', 'one left');
    await ada.logged(['.marker', 'one left']);
    await second.close();
    await ada.logged(['leaving', userInfo('2')]);
    assert.deepEqual(await received(ada), [
      ['here', [userInfo('1')]],
      ['joining', userInfo('2')],
      ['.marker', 'one left'],
      ['leaving', userInfo('2')],
    ]);
  });

  for (const [kind, prefix] of [['private', 'private-'], ['presence', 'presence-']]) {
    test(`a whisper on a ${kind} channel reaches the other page, not its sender`, async (t) => {
      const [ada, bob] = [await shared.connectedTab(t, { user: '1' }), await shared.connectedTab(t, { user: '2' })];
      for (const tab of [ada, bob]) await tab.call('listen', kind, 'talk', ['.marker']);
      await ada.call('whisper', kind, 'talk', { name: 'Zoë', empty: {}, list: [] });
      await bob.logged(['typing', { name: 'Zoë', empty: {}, list: [] }]);
      await shared.pusher.trigger(`${prefix}talk`, 'marker', 'end');
      for (const tab of [ada, bob]) await tab.logged(['.marker', 'end']);
      assert.deepEqual(await ada.entries('typing'), []);
      assert.equal((await bob.entries('typing')).length, 1);
      const frame = JSON.parse(bob.frames.find((text) => text.includes('client-typing')));
      assert.equal(frame.user_id, kind === 'presence' ? '1' : undefined);
    });
  }

  test('a storm of mounting and unmounting ends subscribed and delivers once', async (t) => {
    const tab = await shared.connectedTab(t, { user: '1' });
    for (const [kind, prefix] of [['public', ''], ['private', 'private-'], ['presence', 'presence-']]) {
      assert.equal(await tab.call('storm', kind, 'storm', `.${kind}`, 20), 'subscribed');
      await shared.pusher.trigger(`${prefix}storm`, kind, 'once');
      await shared.pusher.trigger(`${prefix}storm`, kind, 'marker');
      await tab.logged([`.${kind}`, 'marker']);
      assert.deepEqual(await tab.entries(`.${kind}`), [['once'], ['marker']]);
      await untilSubscriptions(shared.pusher, `${prefix}storm`, 1);
    }
  });
});
