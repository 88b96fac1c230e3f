import type { MapType } from '../abi/index.js';
import type { ElfFile, ElfSection, ElfSymbol } from '../elf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import type { SectionMaps } from './declared-maps.js';
import { MapSpec } from './map-spec.js';

/** `type, key_size, value_size, max_entries, map_flags` of `struct bpf_map_def` (libbpf before 1.0). */
const DEFINITION_WORDS = 5;
/** iproute2's first `struct bpf_elf_map`, and Aya's, add `id, pinning`. */
const AYA_WORDS = 7;
/** iproute2's later one adds `id, pinning, inner_id, inner_idx`. */
const IPROUTE2_WORDS = 9;

/** iproute2's PIN_GLOBAL_NS: shared under that name by every object. */
const IPROUTE2_PIN_GLOBAL = 2;
const IPROUTE2_PIN_DIRECTORY = '/sys/fs/bpf/tc/globals/';
/** `inner_idx` of a map that only shows what inner maps are like. */
const IPROUTE2_NO_SLOT = 0xffff_ffff;

/** What iproute2's definition says beyond the map itself. */
interface Nesting {
  readonly spec: MapSpec;
  /** 0 for none. */
  readonly id: number;
  /** Of a map of maps: the `id` of those that are in it, 0 for none. */
  readonly innerId: number;
  /** Where in such maps this one is. */
  readonly innerIndex: number;
}

/** The maps of one section, by its symbols. */
export function readLegacySection(
  elf: ElfFile,
  section: ElfSection,
  symbols: ElfSymbol[],
  warnings: string[],
): SectionMaps {
  const reader = elf.reader(section);
  symbols.sort((a, b) => a.value - b.value || a.index - b.index);
  const maps: MapSpec[] = [];
  const nested: Nesting[] = [];
  const nameAt = new Map<number, string>();
  for (const [index, { name, value: offset, size: own }] of symbols.entries()) {
    const fail = (problem: string): ObjectFormatError =>
      new ObjectFormatError(`map ${quote(name)}: ${problem}`, { object: elf.name, section: section.name, offset });
    if (nameAt.has(offset)) throw fail(`it lies where map ${quote(nameAt.get(offset) ?? '')} lies`);
    // A linker leaves definitions behind that others took the place of, without symbols; LLVM before 8 gave no sizes.
    const size = own > 0 ? own : (symbols[index + 1]?.value ?? section.size) - offset;
    if (size < DEFINITION_WORDS * 4 || size % 4 !== 0) throw fail(`a definition of ${size} bytes is of no known form`);
    reader.check(offset, size);
    const word = (at: number): number => reader.u32(offset + at * 4);
    const known = size === IPROUTE2_WORDS * 4 || size === AYA_WORDS * 4 ? size / 4 : DEFINITION_WORDS;
    for (let at = known; at * 4 < size; at++) if (word(at) !== 0) throw fail(`its field ${at} is unknown and not 0`);
    const spec = new MapSpec({
      name,
      type: word(0) as MapType,
      keySize: word(1),
      valueSize: word(2),
      maxEntries: word(3),
      flags: word(4),
    });
    if (known > DEFINITION_WORDS) readPinning(spec, known, word(6), warnings);
    if (known === IPROUTE2_WORDS) nested.push({ spec, id: word(5), innerId: word(7), innerIndex: word(8) });
    maps.push(spec);
    nameAt.set(offset, name);
  }
  nest(elf, section, nested);
  return { section, maps, nameAt };
}

/** Gives maps of maps their inner maps, as iproute2 does: by `id` and `inner_id`, in the slot `inner_idx`. */
function nest(elf: ElfFile, section: ElfSection, definitions: readonly Nesting[]): void {
  for (const { spec: outer, innerId } of definitions) {
    if (innerId === 0) continue;
    const inner = definitions.filter(({ id, innerId: ofInner }) => id === innerId && ofInner === 0);
    const [template] = inner;
    if (template === undefined) {
      throw new ObjectFormatError(`map ${quote(outer.name)}: no map that could be inside has the id ${innerId}`, {
        object: elf.name,
        section: section.name,
      });
    }
    outer.inner = template.spec.clone();
    outer.inner.pinning = 'none';
    outer.inner.pinPath = undefined;
    outer.slots = inner
      .filter(({ innerIndex }) => innerIndex !== IPROUTE2_NO_SLOT)
      .map(({ spec, innerIndex }) => ({ index: innerIndex, kind: 'map', name: spec.name }));
  }
}

function readPinning(spec: MapSpec, words: number, pinning: number, warnings: string[]): void {
  if (pinning === 0) return;
  if (words === AYA_WORDS && pinning === 1) {
    spec.pinning = 'by-name';
  } else if (pinning === IPROUTE2_PIN_GLOBAL) {
    spec.pinning = 'by-name';
    spec.pinPath = IPROUTE2_PIN_DIRECTORY + spec.name;
  } else {
    // 1 is a folder named after a hash of the file, others stand in /etc/iproute2/bpf_pinning.
    warnings.push(`map ${quote(spec.name)} is not pinned: what its pinning ${pinning} means is known to tc alone`);
  }
}
