// The shell of the console: login, the token in the address, navigation.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { consoleWorld, PAGES, READ_ONLY_TOKEN, TOKEN } from '../harness/console.mjs';
import { until } from '../harness.mjs';

const REFUSED = [/status of 401/];

describe('the console', () => {
  const world = consoleWorld();

  test('the modules have the types that they say', async () => {
    const folder = fileURLToPath(new URL('.', import.meta.url));
    const tsc = fileURLToPath(new URL('../node_modules/.bin/tsc', import.meta.url));
    await promisify(execFile)(tsc, ['--noEmit', '--strict', '--project', folder]).catch(({ stdout }) => assert.fail(stdout));
  });

  test('the token leaves the address at once, is kept by this tab alone, and is in no cookie', async (t) => {
    const tab = await world.open(t, {});
    assert.equal(await tab.page.evaluate(() => location.href), `${world.node.url}#/overview`);
    assert.deepEqual(await tab.page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]), ['', 0, 1]);
    await tab.page.reload();
    await tab.page.waitForSelector('nav');
    assert.ok(tab.requests.every((url) => !url.includes(TOKEN)), 'no request has the token in its address');
    assert.ok(tab.requests.every((url) => url.startsWith(world.node.root) || url.startsWith('data:')), 'nothing comes from elsewhere');
    assert.ok(!world.node.server.log.includes(TOKEN), 'nor does the log have it');
  });

  test('without a token there is a login, which a wrong token does not pass', async (t) => {
    const tab = await world.open(t, { token: null, page: 'channels', tolerated: REFUSED });
    await tab.untilText('Token');
    await tab.checkAxe();
    await tab.screenshots('login');
    const input = tab.page.getByLabel('Token');
    assert.ok(await input.evaluate((one) => one === document.activeElement), 'the field has the focus');
    await input.fill('wrong-token-0123456789');
    await tab.page.keyboard.press('Enter');
    await tab.untilText('This token is not accepted');
    await tab.page.getByLabel('Token').fill(TOKEN);
    await tab.page.keyboard.press('Enter');
    await tab.page.waitForSelector('nav [aria-current]');
    assert.equal(await tab.page.locator('h1').innerText(), 'Channels', 'the page that was asked for');
    await tab.page.getByRole('button', { name: 'Log out' }).click();
    await tab.untilText('Token');
    assert.equal(await tab.page.evaluate(() => sessionStorage.length), 0);
  });

  test('a token that is no longer accepted leads to the login, and is not tried again', async (t) => {
    const tab = await world.open(t, { token: 'token-of-an-earlier-start', tolerated: REFUSED });
    await tab.untilText('This token is not accepted');
    const asked = tab.requests.filter((url) => url.includes('/internal/v1'));
    assert.equal(asked.length, 1, 'one request, or the listener would hold this address back');
  });

  test('with the read-only token the page says so', async (t) => {
    const tab = await world.open(t, { token: READ_ONLY_TOKEN });
    await tab.untilText('Read only');
    const { status, body } = await world.node.api('/anything', { method: 'POST', token: READ_ONLY_TOKEN });
    assert.deepEqual([status, body], [403, { error: 'this token only reads; send that of internal.token to change something' }]);
  });

  test('the keyboard reaches the page and every other page, in the order of what is seen', async (t) => {
    const tab = await world.open(t, {});
    await tab.page.waitForSelector('nav [aria-current]');
    const focused = () => tab.page.evaluate(() => document.activeElement?.textContent?.trim());
    const order = [];
    for (let at = 0; at < PAGES.length + 3; at += 1) {
      await tab.page.keyboard.press('Tab');
      order.push(await focused());
    }
    const titles = ['Overview', 'Live', 'Channels', 'Sockets', 'Publish', 'Refused', 'Webhooks', 'Cluster', 'Apps', 'Doctor'];
    assert.deepEqual([order[0], ...order.slice(2, -1), order.at(-1)], ['To the page', ...titles, 'Log out']);
    await tab.page.getByRole('navigation').getByRole('link', { name: 'Refused' }).focus();
    await tab.page.keyboard.press('Enter');
    const heading = () => tab.page.evaluate(() => document.activeElement?.tagName === 'H1' && document.activeElement.textContent);
    await until(async () => (await heading()) === 'Refused', 'the heading of the page having the focus');
    assert.equal(await tab.page.title(), 'Refused – Resound');
  });

  test('an address that the console does not have says so', async (t) => {
    const tab = await world.open(t, { page: 'nonsense/%E0%A4%A/<b>x' });
    await tab.untilText('There is no such page');
  });
});
