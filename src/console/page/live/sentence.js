// @ts-check
// A sentence of the server with its names in code: what stands between backticks.

import { h } from '../dom.js';

/** @param {string} sentence
 * @returns {(string | HTMLElement)[]} */
export function withCode(sentence) {
  return sentence.split('`').map((part, at) => (at % 2 === 1 ? h('code', null, part) : part));
}
