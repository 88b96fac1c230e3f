import { AttachType } from '../abi/index.js';
import { UsageError, escapeControl, quote } from '../errors/index.js';
import { features, supposed, uprobeMultiOfProcess } from '../kernel/index.js';
import { UsdtLink } from '../links/index.js';
import {
  findUsdt,
  openTarget,
  hostMachine,
  type ProgramFile,
  type UserTarget,
  type UsdtPlace,
} from '../user-space/index.js';

import { attachFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';
import { attachEach, linkToPlaces, type LinkToPlaces } from './uprobe-multi-attach.js';
import { usdtAddresses } from './usdt-addresses.js';
import { UsdtSpecs, type UsdtEntries } from './usdt-specs.js';
import { checkPid, splitSection } from './user-probe.js';

/** Where and how {@link Usdt.attach} attaches. */
export interface UsdtAttachOptions extends AttachOptions {
  /** The program or library. Without it the section says which. */
  readonly target?: UserTarget | undefined;
  /** `provider:name`; without it the section says which. */
  readonly probe?: string | undefined;
  /**
   * Only in that process, threads included; without it in the target's when that is a process, else in every process, those
   * that start later included.
   */
  readonly pid?: number | undefined;
  /** A number the program reads with `bpf_usdt_cookie`. */
  readonly cookie?: number | bigint | undefined;
}

/** Of each object that has such programs. */
const specsOf = new WeakMap<object, UsdtSpecs>();

/**
 * A program of section `usdt/<path>:<provider>:<name>`: it runs when a process gets to a probe that a program or library was
 * built with, and reads the probe's arguments with `bpf_usdt_arg`. Written with libbpf's `<bpf/usdt.bpf.h>`. In sections
 * `usdt.s/…` it may sleep. Needs CAP_SYS_ADMIN or, where one link takes all places (Linux 6.10), CAP_PERFMON. Least kernel: 4.20.
 *
 * @example
 * ```js
 * const link = await ebpf.program('called', Usdt).attach({ target: { pid, library: 'libpython3.11' }, probe: 'python:function__entry' });
 * for (const { arguments: given } of link.places) console.log(given.map(({ text, problem }) => problem ?? text));
 * ```
 */
export class Usdt extends Program {
  /**
   * Attaches to the probe that the section names, or to another one, wherever it is in the program. An argument that cannot
   * be read is reported in {@link UsdtLink.places}; `bpf_usdt_arg` gives EINVAL for it, and the others can be read.
   *
   * @throws {@link UsageError} when neither names a probe, or there is none such, with the nearest names; for an object that
   * was not written with usdt.bpf.h; {@link ObjectFormatError} for a target that is malformed; {@link UnsupportedError} for
   * a kernel without uprobes, or before 5.15, for libraries and other programs without fixed addresses, without `pid`;
   * {@link PermissionError}.
   */
  override async attach(options: UsdtAttachOptions = {}): Promise<UsdtLink> {
    const { signal } = options;
    signal?.throwIfAborted();
    checkPid(options.pid);
    const { target, probe } = this.#chosen(options);
    const program = this.handle;
    const specs = this.#specs();
    const file = await openTarget(target);
    try {
      requireHost(file);
      const places = await findUsdt(file, probe);
      const words = escapeControl(`usdt ${file.name}:${probe}`);
      const { pid = file.pid, cookie = 0 } = options;
      const described = await this.#describe(specs, file, places, { pid, cookie });
      const release = (): void => {
        specs.release(described.entries);
      };
      const link = { program, path: file.path, pid, places: described.places, atReturn: false, target: words, signal };
      try {
        const handle = await attachTo(link);
        const text = `${words} (${places.length} ${places.length === 1 ? 'place' : 'places'})`;
        return await this.attached(UsdtLink, handle, text, signal, { probes: places, release });
      } catch (error) {
        release();
        throw attachFailure(error, this.name, words, ['CAP_SYS_ADMIN', 'CAP_BPF'], true);
      }
    } finally {
      file.close();
    }
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no probe` : undefined;
  }

  #chosen(options: UsdtAttachOptions): { target: UserTarget; probe: string } {
    const said = options.target === undefined && this.attachTo !== undefined ? splitSection(this.attachTo) : undefined;
    const target = options.target ?? said?.target;
    const probe = options.probe ?? said?.place;
    if (target === undefined || probe === undefined) {
      const path = target === undefined ? 'target' : 'probe';
      throw UsageError.invalidValue(
        path,
        `section ${quote(this.section)} of program ${quote(this.name)} names none; give { target: 'path', probe: 'provider:name' }`,
      );
    }
    if (!/^[^:]+:[^:]+$/s.test(probe)) {
      throw UsageError.invalidValue('probe', `must be 'provider:name', not ${quote(probe)}`);
    }
    return { target, probe };
  }

  #specs(): UsdtSpecs {
    let specs = specsOf.get(this.owner);
    if (specs === undefined) specsOf.set(this.owner, (specs = new UsdtSpecs(this.objectMaps, this.name)));
    return specs;
  }

  /** Tells the program of each place where its arguments are; equal descriptions are told once. */
  async #describe(
    specs: UsdtSpecs,
    file: ProgramFile,
    places: readonly UsdtPlace[],
    { pid, cookie }: { pid: number | undefined; cookie: number | bigint },
  ): Promise<{ entries: UsdtEntries; places: LinkToPlaces['places'] }> {
    const hasCookies = (await supposed(features.bpfCookie())).supported;
    const addresses = hasCookies ? undefined : await usdtAddresses(file, places, pid);
    const known = new Map<string, number>();
    const told: bigint[] = [];
    const entries = (): UsdtEntries => ({ ids: [...known.values()], addresses: told });
    try {
      const toAttach = places.map((place, index) => {
        const spec = specs.format.encode(place.arguments, BigInt(cookie));
        const key = Buffer.from(spec).toString('latin1');
        const id = known.get(key) ?? specs.add(spec);
        known.set(key, id);
        const address = addresses?.[index];
        if (address !== undefined) {
          specs.addAddress(address, id);
          told.push(address);
        }
        return {
          fileOffset: place.fileOffset,
          text: `${place.provider}:${place.name}`,
          cookie: hasCookies ? BigInt(id) : 0n,
          counterOffset: place.semaphoreOffset ?? 0,
        };
      });
      return { entries: entries(), places: toAttach };
    } catch (error) {
      specs.release(entries());
      throw error;
    }
  }
}

/** By one link where the program was loaded for one, as {@link Ebpf.load} does where the kernel has such links. */
async function attachTo(link: Omit<LinkToPlaces, 'attachType'>): ReturnType<typeof linkToPlaces> {
  const options = { ...link, attachType: AttachType.TRACE_UPROBE_MULTI };
  return (await supposed(uprobeMultiOfProcess())).supported ? linkToPlaces(options) : attachEach(options);
}

/** Registers are named as this machine has them. */
function requireHost({ image, name }: ProgramFile): void {
  if (image.bits === 64 && image.machine === hostMachine()) return;
  throw UsageError.invalidValue(
    'target',
    `${quote(name)} is a program of ${image.bits} bits for machine ${image.machine}, not of this processor's kind`,
  );
}
