import { UsageError } from '../../../lib/errors/index.js';
import { givenOptions, readOptions, type Kconfig } from '../../../lib/kernel/kernel-config.js';
import { kernelVersionCode } from '../../../lib/kernel/kernel-version.js';

const wanted = new Set(['CONFIG_A', 'CONFIG_B', 'CONFIG_TEXT', 'CONFIG_OFF', 'LINUX_KERNEL_VERSION']);

test('options are read as a .config has them, of those wanted the first of several lines', () => {
  const text = [
    '#',
    '# CONFIG_OFF is not set',
    'CONFIG_A=y',
    'CONFIG_A=m',
    'CONFIG_AA=1',
    'CONFIG_B=0x10\r',
    'CONFIG_TEXT="a=b # \\"c\\""',
    ' CONFIG_OFF=y',
  ].join('\n');
  expect(readOptions(text, wanted, 'here')).toEqual(
    new Map([
      ['CONFIG_A', { text: 'y', source: 'here' }],
      ['CONFIG_B', { text: '0x10', source: 'here' }],
      ['CONFIG_TEXT', { text: '"a=b # \\"c\\""', source: 'here' }],
    ]),
  );
});

test.each<[Kconfig, Record<string, string>]>([
  ['CONFIG_A=m\nCONFIG_B=7', { CONFIG_A: 'm', CONFIG_B: '7' }],
  ['', {}],
  [
    { CONFIG_A: true, CONFIG_B: false, CONFIG_C: 1 },
    { CONFIG_A: 'y', CONFIG_B: 'n' },
  ],
  [
    { CONFIG_A: -7, CONFIG_B: 2n ** 64n - 1n },
    { CONFIG_A: '-7', CONFIG_B: '18446744073709551615' },
  ],
  [
    { CONFIG_A: 'm', CONFIG_TEXT: 'say "\\"' },
    { CONFIG_A: 'm', CONFIG_TEXT: '"say \\"\\\\\\""' },
  ],
  [{ LINUX_KERNEL_VERSION: 0x050a00 }, { LINUX_KERNEL_VERSION: '330240' }],
])('%j given by hand', (given, texts) => {
  expect(givenOptions(given, wanted)).toEqual(
    new Map(Object.entries(texts).map(([name, text]) => [name, { text, source: 'the option kconfig' }])),
  );
});

test.each<[unknown, string]>([
  ['CONFIG_A=y\nCONFIG_B\n', 'kconfig: line 2, "CONFIG_B", is not CONFIG_<name>=<value>'],
  ['CONFIG_A=', 'kconfig: line 1, "CONFIG_A=", is not'],
  ['CONFIG_A =y', 'kconfig: line 1, "CONFIG_A =y", is not'],
  [null, 'kconfig: must be text as in a .config, or an object of names and values'],
  [250, 'kconfig: must be text'],
  [[], 'kconfig: must be text'],
  [new Map([['CONFIG_A', 'y']]), 'kconfig: must be text'],
  [{ HZ: 1 }, 'kconfig.HZ: the name of a configuration value begins with CONFIG_ or LINUX_'],
  [{ CONFIG_A: 1.5 }, 'kconfig.CONFIG_A: must be a boolean, a whole number or a string, not 1.5'],
  [{ CONFIG_A: null }, 'kconfig.CONFIG_A: must be'],
])('%j is refused', (given, message) => {
  expect(() => givenOptions(given as Kconfig, wanted)).toThrow(UsageError);
  expect(() => givenOptions(given as Kconfig, wanted)).toThrow(message);
});

test.each([
  ['6.18.44-fc', '#1 SMP', undefined, 6, 18, 44],
  ['6.1.0-18-amd64', '#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)', undefined, 6, 1, 76],
  ['6.8.0-31-generic', '#31-Ubuntu SMP', 'Ubuntu 6.8.0-31.31-generic 6.8.1\n', 6, 8, 1],
  ['5.10-rc1', '#1', undefined, 5, 10, 0],
  ['4.19.325', '#1', '', 4, 19, 255],
])('the version of %s, %s, %s', (release, version, signature, major, minor, patch) => {
  expect(kernelVersionCode({ release, version, signature })).toBe(major * 65_536 + minor * 256 + patch);
});

test('a release without a number has no version', () => {
  expect(kernelVersionCode({ release: 'plan9', version: '', signature: undefined })).toBeUndefined();
});
