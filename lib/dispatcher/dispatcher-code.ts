import { HelperId } from '../abi/index.js';
import {
  AccessSize,
  CallSource,
  CodeBuilder,
  InstructionClass,
  JumpOperation,
  LoadSource,
  Opcode,
  OperandSource,
} from '../asm/index.js';
import { hostIsLittleEndian as littleEndian } from '../binary/index.js';

import { continueOffset, STUB_RESULT } from './dispatcher-config.js';

const XDP_PASS = 2;

/** A dispatcher's code: the program itself, then a stub for each slot. */
export interface DispatcherCode {
  readonly bytes: Uint8Array;
  /** The byte offset of the immediate that takes the descriptor of the map with the configuration. */
  readonly mapOffset: number;
  /** The first instruction of each stub. */
  readonly stubs: readonly number[];
}

/** Instructions of a slot, and of a stub. */
const perSlot = 8;
const perStub = 4;
const before = 3;
const after = 2;

/**
 * Calls one function after the other as long as their results say so. The kernel knows the frozen map's contents, and compiles the
 * questions away.
 */
export function dispatcherCode(slots: number): DispatcherCode {
  const code = new CodeBuilder({ littleEndian });
  const stubs = Array.from({ length: slots }, (_, slot) => before + slots * perSlot + after + slot * perStub);
  // r6: the context, r7: the configuration
  code.copy(6, 1).loadWide(7, 0n, LoadSource.MAP_VALUE);
  for (const stub of stubs) {
    const slot = stubs.indexOf(stub);
    code.copy(1, 6);
    code.add({ opcode: Opcode.CALL, source: CallSource.FUNCTION, immediate: stub - code.count - 1 });
    // The bit of the result: only five bits of it count, as in C on most machines.
    code.move(1, 1).add({ opcode: InstructionClass.ALU | 0x60 | OperandSource.X, destination: 1, source: 0 });
    code.load(2, AccessSize.W, 7, continueOffset(slot));
    code.add({ opcode: InstructionClass.ALU64 | 0x50 | OperandSource.X, destination: 2, source: 1 });
    code.add({ opcode: InstructionClass.JMP | JumpOperation.JNE | OperandSource.K, destination: 2, offset: 1 });
    code.exit();
  }
  code.move(0, XDP_PASS).exit();
  for (let slot = 0; slot < slots; slot++) {
    // A call that may move the packet: only such functions can be replaced by programs that do (check_attach_btf_id in kernel/bpf/verifier.c).
    code.move(2, 0).call(HelperId.xdp_adjust_tail).move(0, STUB_RESULT).exit();
  }
  return { bytes: code.toBytes(), mapOffset: 8 + 4, stubs };
}
