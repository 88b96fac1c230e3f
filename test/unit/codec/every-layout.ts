import type { Types } from './support.js';

/** One of everything that a value can be. */
export function everything(types: Types): Types {
  const { builder } = types;
  const state = builder.addEnum('state', {
    size: 4,
    values: [
      { name: 'IDLE', value: 0 },
      { name: 'BUSY', value: 1 },
      { name: 'ALSO_BUSY', value: 1 },
    ],
  });
  const wide = builder.addEnum64('wide', { size: 8, values: [{ name: 'HUGE', value: 1n << 40n }] });
  const point = types.struct('point', 8, [
    ['x', types.s32, 0],
    ['y', types.s32, 4],
  ]);
  const nameless = types.struct('', 4, [
    ['port', types.typedef('__be16', types.u16), 0],
    ['zone', types.u16, 2],
  ]);
  const named = types.typedef('address_t', nameless);
  const either = types.union('either', 8, [
    ['whole', types.u64, 0],
    ['half', types.u32, 0],
  ]);
  const within = types.union('', 4, [
    ['inner_a', types.u32, 0],
    ['inner_b', types.s8, 0],
  ]);
  const lock = types.struct('bpf_spin_lock', 4, [['val', types.u32, 0]]);
  builder.addStruct('everything', 168, [
    ...(
      [
        ['u8', types.u8],
        ['flag', types.bool],
        ['u16', types.u16],
        ['s32', types.s32],
        ['u64', types.u64],
        ['s64', types.s64],
        ['u128', types.u128],
        ['real', builder.addFloat('double', 8)],
        ['pointer', builder.addPointer(point)],
        ['state', state],
        ['wide', wide],
        ['comm', types.array(types.char, 8)],
        ['mac', types.array(types.u8, 6)],
        ['matrix', types.array(types.s32, 2, 2)],
        ['points', types.array(point, 1)],
        ['address', named],
        ['second', builder.addConst(named)],
        ['either', either],
        ['', within],
        ['lock', lock],
        ['plain', types.struct('', 4, [['deep', types.s32, 0]])],
      ] as const
    ).map(([name, type], index) => ({ name, type, bitOffset: (offsets[index] ?? 0) * 8, bitSize: 0 })),
    { name: 'bits', type: types.u32, bitOffset: 152 * 8, bitSize: 5 },
    { name: 'bit_state', type: state, bitOffset: 152 * 8 + 5, bitSize: 3 },
    { name: 'bit_wide', type: wide, bitOffset: 152 * 8 + 8, bitSize: 42 },
    { name: 'sixty', type: types.u64, bitOffset: 160 * 8, bitSize: 60 },
    { name: 'bit_flag', type: types.bool, bitOffset: 160 * 8 + 60, bitSize: 1 },
    { name: 'tail', type: types.array(point, 0), bitOffset: 168 * 8, bitSize: 0 },
  ]);
  return types;
}
const offsets = [0, 1, 2, 4, 8, 16, 32, 48, 56, 64, 72, 80, 88, 96, 112, 120, 124, 128, 136, 140, 144];
