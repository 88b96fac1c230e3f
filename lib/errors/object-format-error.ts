import { EbpfError } from './ebpf-error.js';
import { escapeControl } from './quote.js';

/** Where in a malformed object the reader stopped. */
export interface ObjectLocation {
  /** The object's name: a file name, or what the caller called the bytes. */
  readonly object: string;
  /** The ELF section, when one was being read. */
  readonly section?: string | undefined;
  /** Byte offset, from the start of the section when there is one, else of the object. */
  readonly offset?: number | undefined;
}

/** The bytes are not a BPF object that can be read: malformed or truncated ELF, BTF or BTF.ext. */
export class ObjectFormatError extends EbpfError {
  declare readonly code: 'ERR_EBPF_OBJECT_FORMAT';
  readonly object: string;
  readonly section: string | undefined;
  /** Byte offset, from the start of `section` when there is one, else of the object. */
  readonly offset: number | undefined;

  constructor(problem: string, location: ObjectLocation, options: { cause?: unknown } = {}) {
    const place = [
      escapeControl(location.object),
      ...(location.section === undefined ? [] : [`section ${escapeControl(location.section)}`]),
      ...(location.offset === undefined ? [] : [`offset ${location.offset}`]),
    ].join(', ');
    super(`${place}: ${problem}`, { code: 'ERR_EBPF_OBJECT_FORMAT', ...options });
    this.object = location.object;
    this.section = location.section;
    this.offset = location.offset;
  }
}
