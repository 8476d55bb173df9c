// Owns what pages do before their data is there: each passes axe, what acts on an app waits for the list of apps, and a list that failed is asked for again.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { APP, consoleWorld, PAGES } from '../harness/console.mjs';

const APPS = '**/internal/v1/apps';
const ACTS = [
  { page: 'publish', buttons: ['Publish', 'Add to a batch', 'Subscribe'], why: 'Waiting for the list of apps' },
  { page: 'doctor', buttons: ['Run the checks'], why: 'Waiting for the list of apps' },
];

describe('a page whose answers are late', () => {
  const world = consoleWorld();

  for (const page of PAGES) {
    test(`${page}: passes axe before the first of them`, async (t) => {
      let release;
      const isReleased = new Promise((done) => (release = done));
      const tab = await world.open(t, { page: page === 'overview' ? 'live' : 'overview' });
      await tab.page.route('**/internal/v1/**', async (route) => (await isReleased, route.fallback()));
      await tab.show(page);
      await tab.page.waitForSelector(`.page-${page}`, { state: 'attached' });
      await tab.checkAxe();
      release();
      await tab.page.unrouteAll({ behavior: 'wait' });
    });
  }
});

describe('a page whose list of apps is late', () => {
  const world = consoleWorld({ app: { allowed_origins: ['*'] } });

  /** A tab on `page` whose requests for the list of apps are answered by `answer`. */
  async function opened(t, page, answer, tolerated) {
    const tab = await world.open(t, { page: 'overview', tolerated });
    await tab.page.route(APPS, answer);
    await tab.show(page);
    await tab.page.waitForSelector(`.page-${page}`);
    return tab;
  }

  for (const { page, buttons, why } of ACTS) {
    test(`${page}: nothing acts before the list is there`, async (t) => {
      let release;
      const isReleased = new Promise((done) => (release = done));
      const tab = await opened(t, page, async (route) => (await isReleased, route.fallback()));
      const named = (name) => tab.page.getByRole('button', { name, exact: true });
      await tab.untilText(why);
      for (const name of buttons) assert.ok(await named(name).isDisabled(), name);
      release();
      for (const name of buttons) await named(name).click({ trial: true });
      assert.ok(!(await tab.text()).includes(why));
    });

    test(`${page}: a list that failed is asked for again`, async (t) => {
      let failures = 1;
      const refused = { status: 503, json: { error: 'The server is about to end.' } };
      const tab = await opened(t, page, (route) => (failures-- > 0 ? route.fulfill(refused) : route.fallback()), ['503']);
      await tab.untilText('The server is about to end.');
      for (const name of buttons) await tab.page.getByRole('button', { name, exact: true }).click({ trial: true });
      assert.ok(!(await tab.text()).includes('The server is about to end.'));
    });
  }

  test('publish and channels: a server without an app says so', async (t) => {
    const tab = await opened(t, 'publish', (route) => route.fulfill({ json: { apps: [] } }));
    for (const page of ['publish', 'channels']) {
      await tab.show(page);
      await tab.page.locator(`.page-${page}`, { hasText: 'This server has no app' }).waitFor();
    }
  });

  test('channels: a search before the list is there asks for nothing, and is applied then', async (t) => {
    let release;
    const isReleased = new Promise((done) => (release = done));
    const tab = await opened(t, 'channels', async (route) => (await isReleased, route.fallback()));
    await tab.page.getByLabel('Search channels').fill('none-such');
    const answered = tab.page.waitForResponse((answer) => answer.url().includes('search=none-such'));
    release();
    assert.equal(new URL((await answered).url()).pathname, `/internal/v1/apps/${APP.id}/channels`);
    assert.ok(!tab.requests.some((url) => url.includes('undefined')));
  });
});
