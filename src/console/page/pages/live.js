// @ts-check
// The page Live.

import { empty } from '../parts.js';

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Live',
  render(root) {
    root.append(empty('This page is not built yet', 'The events, subscriptions and refusals of this server, as they happen. In a terminal, resound tail has the same stream.'));
    return () => {};
  },
};
