// @ts-check
// The page Doctor: the checks of `resound doctor` that this server can make of itself, run by a click.

import { asApiError, post } from '../api.js';
import { fill, h } from '../dom.js';
import { milliseconds, time } from '../format.js';
import { appChoice, showFailure } from '../lists.js';
import { announce, copyButton, empty, field, notice, section, status } from '../parts.js';

/** @typedef {'pass' | 'warn' | 'fail' | 'not_decided' | 'not_tried'} Outcome */
/**
 * @typedef {{ kind: 'line', file: string, line: number | null, old: string | null, new: string | null }
 *   | { kind: 'run', command: string } | { kind: 'advice', text: string }} Step
 */
/** @typedef {{ gravity: 'warn' | 'fail', says: string, seen: string[], change: Step[] }} Finding */
/** @typedef {{ id: string, title: string, outcome: Outcome, took_ms: number, seen?: string[], findings: Finding[], reason?: string, blocked_by?: string }} Check */
/** @typedef {{ report: { outcome: 'pass' | 'warn' | 'fail', summary: string, checks: Check[] }, text: string }} Checkup */
/** @typedef {{ title: string, tone: import('../parts.js').Tone, word: string, takes: (check: Check) => boolean, isFolded?: boolean }} Group */

/** @type {Group[]} */
const GROUPS = [
  { title: 'Failed', tone: 'bad', word: 'Failed', takes: ({ outcome }) => outcome === 'fail' },
  { title: 'Warnings', tone: 'warn', word: 'Warning', takes: ({ outcome }) => outcome === 'warn' },
  { title: 'Not decided', tone: 'info', word: 'Not decided', takes: ({ outcome }) => outcome === 'not_decided' },
  { title: 'Not tried', tone: 'off', word: 'Not tried', takes: ({ outcome, blocked_by: by }) => outcome === 'not_tried' && by !== undefined, isFolded: true },
  { title: 'Passed', tone: 'good', word: 'Passed', takes: ({ outcome }) => outcome === 'pass' },
  { title: 'Not applicable', tone: 'off', word: 'Not applicable', takes: ({ outcome, blocked_by: by }) => outcome === 'not_tried' && by === undefined, isFolded: true },
];

/** @type {Record<Checkup['report']['outcome'], [import('../parts.js').Tone, string]>} */
const OUTCOMES = { pass: ['good', 'Nothing is wrong'], warn: ['warn', 'It works, with warnings'], fail: ['bad', 'Something is wrong'] };

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Doctor',
  render(root, { mayChange }) {
    let app = '';
    const [failed, results] = [h('div', { role: 'alert' }), h('div', { class: 'stack' })];
    const url = h('input', { type: 'url', placeholder: 'https://ws.example.com', spellcheck: 'false', autocomplete: 'off' });
    const origin = h('input', { type: 'url', placeholder: 'https://example.com', spellcheck: 'false', autocomplete: 'off' });
    const button = h('button', { type: 'submit', class: 'primary', disabled: true }, 'Run the checks');
    const state = h('span', { class: 'soft', role: 'status' }, 'Waiting for the list of apps');
    const listed = (/** @type {string | undefined} */ first) => {
      showFailure(failed, null);
      // Without an app the checks that need one say so.
      app = first ?? '';
      button.disabled = false;
      fill(state);
    };
    const choice = appChoice({ chosen: undefined, all: null, choose: (chosen) => (app = chosen), listed, failed: (failure) => showFailure(failed, failure) });
    const ended = new AbortController();
    const run = async (/** @type {Event} */ event) => {
      event.preventDefault();
      button.disabled = true;
      button.textContent = 'Checking…';
      results.setAttribute('aria-busy', 'true');
      try {
        const wanted = { app: app || undefined, url: url.value.trim() || undefined, origin: origin.value.trim() || undefined };
        const checkup = await post('doctor', wanted, { signal: ended.signal });
        showFailure(failed, null);
        fill(results, shown(checkup));
        announce(checkup.report.summary);
      } catch (failure) {
        if (!ended.signal.aborted) showFailure(failed, asApiError(failure));
      }
      results.removeAttribute('aria-busy');
      button.disabled = false;
      button.textContent = 'Run the checks';
    };
    const form = h('form', { class: 'card checkup', onsubmit: run },
      field('Public URL', url, 'Where browsers reach this server. Empty: DNS, proxy and certificate are left out.'),
      field('Origin of the pages', origin, 'Is it in allowed_origins? Empty: left out.'),
      h('div', { class: 'row end' }, state, choice.element, button));
    root.append(mayChange ? form : notice('info', 'This token looks and changes nothing. A run publishes events on channels of its own, so it needs internal.token; or run ', h('code', null, 'resound doctor'), ' on the machine of the server.'), failed, results);
    fill(results, mayChange ? nothingYet() : null);
    return () => {
      choice.stop();
      ended.abort();
    };
  },
};

function nothingYet() {
  return empty('Nothing is checked yet', ['A run takes ten seconds at most. It reads the configuration as a start would, connects to this server and to its Redis as clients do, and sends an event on its round trip, on channels of its own. ', h('code', null, 'resound doctor'), ' in the folder of a Laravel application checks its files too.']);
}

/** @param {Checkup} checkup */
function shown({ report, text }) {
  const [tone, word] = OUTCOMES[report.outcome];
  const head = h('div', { class: 'row checkup-head' }, status(tone, word), h('span', null, report.summary), h('span', { class: 'soft' }, `at ${time(Date.now())}`), copyButton('Copy the report', () => text));
  const groups = GROUPS.map((group) => ({ group, checks: report.checks.filter(group.takes) })).filter(({ checks }) => checks.length > 0);
  return [head, ...groups.map(({ group, checks }) => shownGroup(group, checks))];
}

/**
 * @param {Group} group
 * @param {Check[]} checks
 */
function shownGroup(group, checks) {
  const list = h('ul', { class: 'checks' }, checks.map((check) => shownCheck(group, check)));
  if (!group.isFolded) return section(`${group.title} (${checks.length})`, list);
  return h('details', { class: 'section' }, h('summary', null, `${group.title} (${checks.length})`), list);
}

/**
 * @param {Group} group
 * @param {Check} check
 */
function shownCheck({ tone, word }, { id, title, took_ms: took, seen = [], findings, reason }) {
  const head = h('div', { class: 'row' }, status(tone, word), h('code', null, id), h('span', { class: 'check-title' }, title), took > 0 && h('span', { class: 'soft' }, milliseconds(took)));
  const why = reason && h('p', { class: 'soft' }, `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`);
  return h('li', null, head, why, seen.length > 0 && evidence(seen), findings.map(shownFinding));
}

/** @param {Finding} finding */
function shownFinding({ says, seen, change }) {
  const steps = change.length > 0 && h('div', { class: 'change' }, h('h3', null, 'Change'), h('ul', null, change.map((step) => h('li', null, shownStep(step)))));
  return h('div', { class: 'finding' }, h('p', null, h('strong', null, says)), seen.length > 0 && evidence(seen), steps);
}

/** @param {string[]} seen */
function evidence(seen) {
  return h('ul', { class: 'evidence' }, seen.map((one) => h('li', null, one)));
}

/** @param {Step} step */
function shownStep(step) {
  if (step.kind === 'advice') return step.text;
  if (step.kind === 'run') return h('span', { class: 'row' }, h('code', null, step.command), copyButton('Copy', () => step.command));
  const place = `${step.file}${step.line === null ? '' : ` line ${step.line}`}: `;
  return [place, step.old !== null && h('del', null, step.old), ' ', step.new !== null && h('ins', null, step.new)].filter((part) => part !== false);
}
