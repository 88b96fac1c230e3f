import { ProgramType } from '../abi/index.js';
import { UsageError, quote } from '../errors/index.js';

import {
  flowDissectorContext,
  netfilterContext,
  skBuffContext,
  skLookupContext,
  xdpContext,
  type ContextType,
} from './run-contexts.js';

const contextTypes = new Map<ProgramType, ContextType | undefined>();

/** The context that programs of a type have as an object; undefined for those without one that is known. */
export function contextTypeOf(type: ProgramType): ContextType | undefined {
  if (!contextTypes.has(type)) contextTypes.set(type, makeContextType(type));
  return contextTypes.get(type);
}

function makeContextType(type: ProgramType): ContextType | undefined {
  switch (type) {
    case ProgramType.SOCKET_FILTER:
    case ProgramType.SCHED_CLS:
    case ProgramType.SCHED_ACT:
    case ProgramType.CGROUP_SKB:
    case ProgramType.LWT_IN:
    case ProgramType.LWT_OUT:
    case ProgramType.LWT_XMIT:
    case ProgramType.LWT_SEG6LOCAL:
      return skBuffContext();
    case ProgramType.XDP:
      return xdpContext();
    case ProgramType.SK_LOOKUP:
      return skLookupContext();
    case ProgramType.FLOW_DISSECTOR:
      return flowDissectorContext();
    case ProgramType.NETFILTER:
      return netfilterContext();
    default:
      return undefined;
  }
}

/**
 * The bytes of a context, what is not given as zeros.
 *
 * @throws {@link UsageError} for members that are unknown, not of their type, or that the kernel takes as 0 only.
 */
export function encodeContext(type: ContextType, context: object): Uint8Array {
  const { codec, takes } = type;
  const bytes = new Uint8Array(codec.size);
  const view = new DataView(bytes.buffer);
  const members = codec.decode(view, 0);
  for (const [name, value] of Object.entries(context) as [string, unknown][]) {
    if (value === undefined) continue;
    if (takes.includes(name)) members[name] = meaning(type, name, value);
    else if (!Object.hasOwn(members, name)) throw UsageError.notFound(`member of ${codec.typeName}`, name, takes);
    else if (!isZero(value)) {
      const problem = `must be 0: of ${codec.typeName} the kernel takes ${takes.join(', ')} in a test run`;
      throw UsageError.invalidValue(`context.${name}`, problem);
    }
  }
  codec.encode(members, view, 0, 'context');
  return bytes;
}

/** The members that come back; those that this kernel's struct is too short for are 0. Undefined when nothing does. */
export function decodeContext({ codec, gives }: ContextType, bytes: Uint8Array): object | undefined {
  if (gives.length === 0 || bytes.byteLength === 0) return undefined;
  const whole = new Uint8Array(Math.max(codec.size, bytes.byteLength));
  whole.set(bytes);
  const members = codec.decode(new DataView(whole.buffer), 0);
  return Object.fromEntries(gives.map((name) => [name, members[name]]));
}

function meaning({ words }: ContextType, name: string, value: unknown): unknown {
  const numbers = words?.[name];
  if (numbers === undefined) return value;
  if (typeof value === 'string' && Object.hasOwn(numbers, value)) return numbers[value];
  const known = Object.keys(numbers).map((word) => `'${word}'`);
  throw UsageError.invalidValue(`context.${name}`, `must be ${known.join(', ')}, not ${quote(String(value))}`);
}

function isZero(value: unknown): boolean {
  if (Array.isArray(value) || value instanceof Uint8Array) return Array.from<unknown>(value).every(isZero);
  return value === 0 || value === 0n;
}

/** MAX_BPF_FUNC_ARGS of include/linux/bpf.h, which bpf_prog_test_run_raw_tp holds a context against. */
const mostArguments = 12;

/** Arguments as programs of tracepoints and of struct_ops have them: eight bytes each. */
export function encodeArguments(args: readonly unknown[]): Uint8Array {
  if (args.length > mostArguments) {
    throw UsageError.invalidValue('context', `must be at most ${mostArguments} arguments, not ${args.length}`);
  }
  return new Uint8Array(BigUint64Array.from(args, encodeArgument).buffer);
}

function encodeArgument(value: unknown, index: number): bigint {
  const word = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value as bigint | number) : undefined;
  const bits = word === undefined ? undefined : BigInt.asUintN(64, word);
  if (bits !== undefined && (word === bits || word === BigInt.asIntN(64, bits))) return bits;
  throw UsageError.invalidValue(
    `context[${index}]`,
    `must be a safe integer or a bigint of 64 bits, not ${String(value)}`,
  );
}
