import { closeSync, openSync } from 'node:fs';

import { AttachType } from '../abi/index.js';
import { EbpfError, UnsupportedError, UsageError, escapeControl, quote } from '../errors/index.js';
import { kernelFunctionNames } from '../kernel/index.js';
import { LircLink } from '../links/index.js';
import {
  adoptDescriptor,
  attachProgram,
  descriptorNumber,
  detachProgram,
  duplicateHandle,
  queryPrograms,
  type AttachedProgram,
  type DescriptorSource,
  type Handle,
} from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';

/** Which infrared receiver. */
export interface LircOptions {
  /** The file of the device, `/dev/lirc0`, or that file, open; to attach, for writing. */
  readonly device: string | DescriptorSource;
}

/** Where {@link LircMode2.attach} attaches. */
export interface LircAttachOptions extends AttachOptions, LircOptions {}

/**
 * A program of section `lirc_mode2`: it sees the pulses and spaces that an infrared receiver takes in, one at a time, and reports
 * keys (`bpf_rc_keydown`), repeats and movements. Needs CAP_NET_ADMIN and write access to the device. Least kernel: 4.18, built with
 * CONFIG_BPF_LIRC_MODE2, as those of Debian are not.
 *
 * @example
 * ```js
 * const link = await ebpf.program('decode', LircMode2).attach({ device: '/dev/lirc0' });
 * ```
 */
export class LircMode2 extends Program {
  /**
   * Attaches to a receiver, beside those that are attached there: at most 64. It stays when the process ends without closing the link.
   *
   * @throws {@link UsageError} when there is no such device, or this program is attached to it; {@link UnsupportedError};
   * {@link PermissionError}; {@link KernelError}, such as E2BIG when there are too many.
   */
  override async attach(options?: LircAttachOptions): Promise<LircLink> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    const { device, words } = openDevice(options, 'r+');
    try {
      await attachProgram(this.handle, device, AttachType.LIRC_MODE2);
      // These are its own: the program's object may be closed before it.
      const program = duplicateHandle(this.handle);
      const place = duplicateHandle(device);
      const made = {
        withoutLink: {
          feature: 'links of infrared receivers',
          explanation: `the kernel attached the program to ${words} without one; there are none`,
        },
        survivesProcess: true,
        detach: async () => detachFrom(program, place),
      };
      return await this.attached(LircLink, made, words, signal);
    } catch (error) {
      if (EbpfError.is(error) && error.errnoName === 'EEXIST') {
        throw UsageError.busy(words, `program ${quote(this.name)} is attached already`);
      }
      throw attachFailure(await lircFailure(error, words), this.name, words, ['CAP_NET_ADMIN', 'CAP_BPF']);
    } finally {
      device.close();
    }
  }

  /**
   * The programs of a receiver, by whomever they were attached, in the order in which they run.
   *
   * @throws {@link UsageError} when there is no such device; {@link UnsupportedError}; {@link PermissionError}; {@link KernelError}.
   */
  static async query(options: LircOptions): Promise<readonly AttachedProgram[]> {
    const { device, words } = openDevice(options, 'r');
    try {
      return (await queryPrograms({ target: device, attachType: AttachType.LIRC_MODE2 })).programs;
    } catch (error) {
      throw await lircFailure(error, words);
    } finally {
      device.close();
    }
  }

  protected override sectionObstacle(): string | undefined {
    return "its section names no receiver; give attach({ device: '/dev/lirc0' })";
  }
}

function openDevice(
  options: LircOptions | undefined,
  flags: 'r' | 'r+',
): { readonly device: Handle; readonly words: string } {
  const { device: source } = (options ?? {}) as Partial<LircOptions>;
  if (source === undefined)
    throw UsageError.invalidValue('device', "is missing; give attach({ device: '/dev/lirc0' })");
  if (typeof source !== 'string') {
    const descriptor = descriptorNumber(source, 'device');
    const words = `lirc_mode2 descriptor ${descriptor}`;
    return { device: adoptDescriptor(descriptor, words), words };
  }
  const words = `lirc_mode2 ${escapeControl(source)}`;
  let descriptor;
  try {
    descriptor = openSync(source, flags);
  } catch (cause) {
    throw UsageError.invalidValue('device', `${quote(source)} cannot be opened: ${(cause as Error).message}`, {
      cause,
    });
  }
  try {
    return { device: adoptDescriptor(descriptor, words), words };
  } finally {
    closeSync(descriptor);
  }
}

async function detachFrom(program: Handle, device: Handle): Promise<void> {
  try {
    await detachProgram(program, device, AttachType.LIRC_MODE2);
  } catch (error) {
    // Somebody else detached it, or the device is gone, and with it what was attached.
    if (!EbpfError.is(error) || !['ENOENT', 'ENODEV'].includes(error.errnoName ?? '')) throw error;
  } finally {
    program.close();
    device.close();
  }
}

/** EINVAL stands for kernels without such programs, and for files that are no receivers (drivers/media/rc/bpf-lirc.c). */
async function lircFailure(error: unknown, words: string): Promise<unknown> {
  if (!EbpfError.is(error) || error.errnoName !== 'EINVAL') return error;
  if (await hasLirc()) {
    return UsageError.invalidValue('device', `${words} is no infrared receiver that gives pulses and spaces`, {
      cause: error,
    });
  }
  return withoutLirc(error);
}

/** Whether the kernel was built with programs of infrared receivers, as far as can be told. @internal */
export async function hasLirc(): Promise<boolean> {
  const functions = await kernelFunctionNames();
  return functions.length === 0 || functions.includes('lirc_prog_attach');
}

/** What is said where it was not. @internal */
export function withoutLirc(cause: EbpfError): UnsupportedError {
  const problem = 'this kernel was built without them (CONFIG_BPF_LIRC_MODE2)';
  return new UnsupportedError('programs of infrared receivers', problem, { cause });
}
