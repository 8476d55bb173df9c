// @ts-check
// The page Sockets.

import { empty } from '../parts.js';

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Sockets',
  render(root) {
    root.append(empty('This page is not built yet', 'The connected clients, each with its channels. The gauge resound_connections of /metrics counts them by app.'));
    return () => {};
  },
};
