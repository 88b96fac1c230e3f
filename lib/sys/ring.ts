import { UsageError } from '../errors/index.js';
import { addon } from './addon.js';
import { EventSource } from './event-source.js';
import type { Handle } from './handle.js';
import { trace } from './trace.js';

/** The reading end of a BPF ring buffer. */
export class Ring extends EventSource {
  private constructor(open: (onReady: () => void) => number, name: string | undefined) {
    super(open, 'ring buffer', name);
  }

  /** Opens the ring of a map of type RINGBUF. It has a descriptor of its own: the map's handle may be closed. */
  static open(map: Handle): Ring {
    if (map.closed) throw UsageError.closed(map.describe());
    return new Ring(
      (onReady) => trace(`open ring of ${map.describe()}`, addon().ringOpen(map.token, onReady)),
      map.name,
    );
  }
}
