// @ts-check
// The page Webhooks.

import { empty } from '../parts.js';

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Webhooks',
  render(root) {
    root.append(empty('This page is not built yet', 'The endpoints of back ends, their queues and last calls. The counters resound_webhook of /metrics have their totals.'));
    return () => {};
  },
};
