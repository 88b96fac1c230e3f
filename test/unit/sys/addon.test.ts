import type * as NodeFs from 'node:fs';

import { MapType } from '../../../lib/abi/index.js';
import type { UnsupportedError } from '../../../lib/errors/index.js';
import type * as Sys from '../../../lib/sys/index.js';

/** lib/sys as another process would load it: it remembers whether there is an addon. */
function freshSys(): typeof Sys {
  jest.resetModules();
  return jest.requireActual<typeof Sys>('../../../lib/sys/index.js');
}

const create = async (sys: typeof Sys): Promise<unknown> =>
  sys
    .createMap({ type: MapType.ARRAY, name: 'x', keySize: 4, valueSize: 4, maxEntries: 1 })
    .catch((error: unknown) => error);

describe('without the addon', () => {
  const { platform } = process;
  afterEach(() => {
    Object.defineProperty(process, 'platform', { value: platform });
    jest.dontMock('node:fs');
  });

  test('on another platform the first call says which, and that parsing works there', async () => {
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    const sys = freshSys();
    expect(sys.isSupported()).toBe(false);
    const error = (await create(sys)) as UnsupportedError;
    expect(error.name).toBe('UnsupportedError');
    expect(error.code).toBe('ERR_EBPF_UNSUPPORTED');
    expect(sys.whyUnsupported()).toBe(error);
    expect(error.message).toBe(
      `eBPF: it needs Linux, and this is darwin-${process.arch}; objects can be parsed and inspected here, and loaded on Linux`,
    );
  });

  test('on Linux it says what was looked for and what to do', async () => {
    Object.defineProperty(process, 'platform', { value: 'linux' });
    jest.doMock('node:fs', () => {
      const fs = jest.requireActual<typeof NodeFs>('node:fs');
      return { ...fs, existsSync: (path: string) => !path.endsWith('.node') && fs.existsSync(path) };
    });
    const sys = freshSys();
    expect(sys.isSupported()).toBe(false);
    const error = (await create(sys)) as UnsupportedError;
    expect(error.message).toMatch(
      /^eBPF: the native addon of node-ebpf cannot be loaded on linux-\w+ \(Node\.js [\d.]+\): there is none for it: neither .* nor .*\/prebuilds\/linux-\w+\/node\.napi[.\w]*\.node exists; reinstall node-ebpf, or build it/,
    );
    expect(error.cause).toBeDefined();
  });

  test('loading the module alone needs nothing', () => {
    Object.defineProperty(process, 'platform', { value: 'win32' });
    expect(() => freshSys()).not.toThrow();
  });
});
