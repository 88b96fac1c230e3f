import { requireKnown, unsigned32, UsageError } from '../../../lib/errors/index.js';

describe('requireKnown', () => {
  const known = ['logLevel', 'kernelBtf'];

  test.each([[{}], [{ logLevel: 1 }], [{ kernelBtf: undefined, logLevel: 2 }]])('takes %j', (options) => {
    expect(() => {
      requireKnown('option of Ebpf.load', options, known);
    }).not.toThrow();
  });

  test('refuses a misspelt option by its name, with the one that was meant', () => {
    const check = (): void => {
      requireKnown('option of Ebpf.load', { kernelBtf: undefined, loglevle: undefined }, known);
    };
    expect(check).toThrow(UsageError);
    expect(check).toThrow('no option of Ebpf.load is named "loglevle"; did you mean "logLevel"?');
  });
});

describe('unsigned32', () => {
  test.each([
    [0, 0],
    [1, 1],
    [4_294_967_295, 1],
  ])('takes %d where the least is %d', (value, least) => {
    expect(unsigned32('maxEntries', value, least)).toBe(value);
  });

  test.each([
    [0, 1, '0'],
    [-1, 0, '-1'],
    [4_294_967_296, 0, '4294967296'],
    [1.5, 0, '1.5'],
    [Number.NaN, 0, 'NaN'],
    [Infinity, 0, 'Infinity'],
    [3n, 0, '3n'],
    ['3', 0, "'3'"],
    [undefined, 0, 'undefined'],
  ])('refuses %p where the least is %d', (value, least, shown) => {
    const check = (): number => unsigned32('maxEntries', value, least);
    expect(check).toThrow(`maxEntries: must be a whole number from ${least} to 4294967295, not ${shown}`);
    expect(check).toThrow(expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', path: 'maxEntries' }));
  });
});
