// `npm run build`: everything the package is made of: the addon, dist/*.js and the one rolled-up dist/index.d.ts.
import { main } from './setup.mjs';
import { report } from './api.mjs';

await main(undefined, async () => {
  const { ok, text } = await report({ accept: false });
  process.stderr.write(text);
  return ok ? 0 : 1;
});
