import { inspect } from 'node:util';

import { ProgramType } from '../abi/index.js';
import { EbpfError, UsageError, quote } from '../errors/index.js';
import { openNetworkNamespace, type NetworkNamespaceSource } from '../kernel/index.js';
import { testRunProgram, type Handle, type TestRunInput, type TestRunResult } from '../sys/index.js';

/** What {@link Program.testRun} runs a program on. */
export interface TestRunOptions extends TestRunInput {
  /** The network namespace in which it runs, whose interfaces `context` may name; default: the process's own. */
  readonly netns?: NetworkNamespaceSource | undefined;
}

/** ETH_HLEN: a packet that has no room for an Ethernet header is refused (bpf_test_init in net/bpf/test_run.c). */
const shortestPacket = 14;

/** The types that run on a packet. */
const packetTypes: ReadonlySet<ProgramType> = new Set([
  ProgramType.SOCKET_FILTER,
  ProgramType.SCHED_CLS,
  ProgramType.SCHED_ACT,
  ProgramType.XDP,
  ProgramType.CGROUP_SKB,
  ProgramType.LWT_IN,
  ProgramType.LWT_OUT,
  ProgramType.LWT_XMIT,
  ProgramType.LWT_SEG6LOCAL,
  ProgramType.FLOW_DISSECTOR,
]);

/** Runs a program of a type on made-up input. */
export async function runTest(program: Handle, type: ProgramType, options: TestRunOptions): Promise<TestRunResult> {
  requireKnown(options);
  requireBuffers(options);
  requireCounts(options);
  if (packetTypes.has(type)) requirePacket(program, options.data);
  const { netns, ...input } = options;
  const networkNamespace = netns === undefined ? undefined : openNetworkNamespace(netns);
  try {
    return await testRunProgram(program, input, networkNamespace);
  } catch (error) {
    if (!EbpfError.is(error) || error.errnoName !== 'ENOSPC') throw error;
    const problem = `${program.describe()} left more than there is room for; give more`;
    throw UsageError.invalidValue('dataOutSize', problem, { cause: error });
  } finally {
    networkNamespace?.close();
  }
}

const buffers = ['data', 'context'] as const;
const counts = ['repeat', 'batchSize', 'cpu', 'flags', 'dataOutSize', 'contextOutSize'] as const;
const known: readonly string[] = [...buffers, ...counts, 'liveFrames', 'netns'];

function requireKnown(options: TestRunOptions): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw UsageError.notFound('option of testRun', name, known);
  }
}

function requireBuffers(options: TestRunOptions): void {
  for (const name of buffers) {
    const value: unknown = options[name];
    if (value === undefined || value instanceof Uint8Array) continue;
    throw UsageError.invalidValue(name, `must be a Uint8Array, not ${inspect(value, { depth: 0 })}`);
  }
}

/** What the kernel says EINVAL to; before Linux 5.15 of XDP nothing. */
function requirePacket(program: Handle, data: Uint8Array | undefined): void {
  if (data !== undefined && data.byteLength >= shortestPacket) return;
  const given = data === undefined ? 'it is missing' : `it has ${data.byteLength} bytes`;
  const problem = `${given}; ${program.describe()} runs on a packet, of at least ${shortestPacket} bytes`;
  throw UsageError.invalidValue('data', problem);
}

function requireCounts(options: TestRunOptions): void {
  for (const name of counts) {
    const value = options[name];
    if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff)) continue;
    throw UsageError.invalidValue(name, `must be a whole number from 0, not ${String(value)}`);
  }
  if (options.batchSize !== undefined && options.liveFrames !== true) {
    throw UsageError.invalidValue('batchSize', `is of runs with ${quote('liveFrames')} only`);
  }
}
