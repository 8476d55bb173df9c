// @ts-check
// The page Channels.

import { empty } from '../parts.js';

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Channels',
  render(root) {
    root.append(empty('This page is not built yet', 'The channels that have subscribers, and who is there. The HTTP API lists them: GET /apps/{app_id}/channels.'));
    return () => {};
  },
};
