// What was sampled, as a tree: processes, and below each the functions that were running, callers first.

export interface Frame {
  readonly name: string;
  readonly kind: 'process' | 'user' | 'kernel';
}

export class Profile {
  readonly root = new ProfileNode({ name: 'all', kind: 'process' });

  /** Counts a stack, its outermost frame first. */
  add(frames: readonly Frame[], count: number): void {
    let node = this.root;
    node.total += count;
    for (const frame of frames) {
      node = node.child(frame);
      node.total += count;
    }
    node.self += count;
  }

  /** A line a stack, as flame graph tools read it: `node;main;work_[k] 12`. */
  folded(): string {
    const lines: string[] = [];
    const walk = (node: ProfileNode, path: readonly string[]): void => {
      if (node.self > 0) lines.push(`${path.join(';')} ${node.self}`);
      for (const child of node.children()) walk(child, [...path, foldedName(child.frame)]);
    };
    walk(this.root, []);
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
  }

  /** The functions in which most samples were taken. */
  hottest(most: number): { readonly frame: Frame; readonly samples: number }[] {
    const byName = new Map<string, { frame: Frame; samples: number }>();
    const walk = (node: ProfileNode): void => {
      if (node.self > 0) {
        const found = byName.get(foldedName(node.frame));
        if (found === undefined) byName.set(foldedName(node.frame), { frame: node.frame, samples: node.self });
        else found.samples += node.self;
      }
      for (const child of node.children()) walk(child);
    };
    walk(this.root);
    return [...byName.values()].sort((a, b) => b.samples - a.samples).slice(0, most);
  }
}

export class ProfileNode {
  readonly frame: Frame;
  /** Samples taken in this frame itself, and those in what it called as well. */
  self = 0;
  total = 0;
  readonly #children = new Map<string, ProfileNode>();

  constructor(frame: Frame) {
    this.frame = frame;
  }

  child(frame: Frame): ProfileNode {
    const key = `${frame.kind} ${frame.name}`;
    let node = this.#children.get(key);
    if (node === undefined) this.#children.set(key, (node = new ProfileNode(frame)));
    return node;
  }

  children(): IterableIterator<ProfileNode> {
    return this.#children.values();
  }
}

/** Kernel functions are marked as perf's scripts mark them; `;` and line ends separate what they must not be part of. */
function foldedName({ name, kind }: Frame): string {
  const text = name.replace(/[;\p{Cc}]/gu, '_');
  return kind === 'kernel' ? `${text}_[k]` : text;
}
