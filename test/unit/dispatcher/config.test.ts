import fc from 'fast-check';

import { inRunOrder, type Component } from '../../../lib/dispatcher/component.js';
import { decodeConfig, encodeConfig, takesFragments } from '../../../lib/dispatcher/dispatcher-config.js';
import type { Handle } from '../../../lib/sys/index.js';

const slot = fc.record({
  priority: fc.integer({ min: 0, max: 0xffff_ffff }),
  continueOn: fc.integer({ min: 0, max: 0x7fff_ffff }),
  fragments: fc.boolean(),
});

test('is read as it was written', () => {
  const configs = fc.record({ version: fc.constantFrom(2, 3), slots: fc.array(slot, { maxLength: 10 }) });
  fc.assert(
    fc.property(configs, (config) => {
      const bytes = encodeConfig(config, takesFragments(config));
      expect(bytes.byteLength).toBe(config.version === 2 ? 124 : 128);
      const all = config.slots.length > 0 && config.slots.every(({ fragments }) => fragments);
      expect(bytes[3]).toBe(all ? 1 : 0);
      expect(decodeConfig(bytes)).toEqual(config);
    }),
  );
});

test('what stubs return lets packets go on', () => {
  const bytes = encodeConfig({ version: 2, slots: [{ priority: 50, continueOn: 4, fragments: false }] }, false);
  const [, actions, second] = new Uint32Array(bytes.buffer.slice(0, 12));
  expect([actions, second]).toEqual([0x8000_0004, 0]);
});

test.each<[string, Uint8Array]>([
  ['nothing', new Uint8Array(0)],
  ['another map', new Uint8Array(124)],
  ['a short one', encodeConfig({ version: 2, slots: [] }, false).subarray(0, 100)],
  [
    'too many programs',
    Uint8Array.from(encodeConfig({ version: 2, slots: [] }, false), (byte, at) => (at === 2 ? 11 : byte)),
  ],
])('%s is no configuration', (_, bytes) => {
  expect(decodeConfig(bytes)).toBeUndefined();
});

test('other versions are refused, and dispatchers of network cards', () => {
  const bytes = encodeConfig({ version: 3, slots: [] }, false);
  bytes[124] = 1;
  expect(() => decodeConfig(bytes)).toThrow('XDP dispatchers bound to a network card');
  bytes[1] = 9;
  expect(() => decodeConfig(bytes)).toThrow('version 9 of XDP dispatchers: versions 2 and 3 are known here');
});

test('programs run by priority, then by name, tag and age', () => {
  const handle = {} as unknown as Handle;
  const common = { handle, id: 1, continueOn: 0, fragments: false };
  const components: Component[] = [
    { ...common, priority: 2, name: 'a', tag: '00', loadTime: 1n },
    { ...common, priority: 1, name: 'b', tag: '00', loadTime: 1n },
    { ...common, priority: 1, name: 'Z', tag: '01', loadTime: 1n },
    { ...common, priority: 1, name: 'Z', tag: '00', loadTime: 3n },
    { ...common, priority: 1, name: 'Z', tag: '00', loadTime: 2n },
  ];
  expect(inRunOrder(components).map((one) => components.indexOf(one))).toEqual([4, 3, 2, 1, 0]);
});
