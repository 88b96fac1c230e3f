// Installs the browser in which the profiler's flame graph is tested, where there is none: CI calls it before the tests.
import { fileURLToPath } from 'node:url';
import { aptInstall, findCommand, isDebianRoot, main, say } from './setup.mjs';

/** The browser that tests use, or undefined. */
export const browser = () => findCommand('chromium', 'chromium-browser', 'google-chrome');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main([], () => {
    if (browser() !== undefined) return 0;
    if (!isDebianRoot()) {
      say('browser: none is installed, and only root on Debian can be helped: apt-get install chromium');
      return 0;
    }
    aptInstall(['chromium'], 'the flame graph is opened in it');
    return 0;
  });
}
