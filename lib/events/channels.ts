import { channel } from 'node:diagnostics_channel';

/** Published once per loaded object: {@link LoadMessage}. */
export const loadChannel: ReturnType<typeof channel> = channel('node-ebpf:load');
/** Published once per attached program: {@link AttachMessage}. */
export const attachChannel: ReturnType<typeof channel> = channel('node-ebpf:attach');
/** Published when a reader learns that its program could not write events: {@link LostMessage}. */
export const lostChannel: ReturnType<typeof channel> = channel('node-ebpf:lost');

/** What `diagnostics_channel.channel('node-ebpf:load')` publishes after an object was loaded. */
export interface LoadMessage {
  /** The object's name. */
  readonly object: string;
  /** Names of the loaded programs. */
  readonly programs: readonly string[];
  /** Names of the maps, data sections included. */
  readonly maps: readonly string[];
  /** Milliseconds from the call of `Ebpf.load`. */
  readonly durationMs: number;
}

/** What `diagnostics_channel.channel('node-ebpf:attach')` publishes after a program was attached. */
export interface AttachMessage {
  /** The program's name. */
  readonly program: string;
  /** Where: `tp_btf sched_process_exec`. */
  readonly target: string;
}

/** What `diagnostics_channel.channel('node-ebpf:lost')` publishes when events were lost. */
export interface LostMessage {
  /** The ring's name. */
  readonly map: string;
  /** Events lost since the last message. */
  readonly lost: bigint;
  /** Events lost in all. */
  readonly total: bigint;
}
