// Writes archives of cpio's "newc" format, which the kernel unpacks as its first root file system
// (Documentation/driver-api/early-userspace/buffer-format.rst).
import fs from 'node:fs';
import path from 'node:path';

const Mode = { DIRECTORY: 0o040755, FILE: 0o100644, PROGRAM: 0o100755, LINK: 0o120777 };

export class CpioArchive {
  #parts = [];
  #directories = new Set(['/']);
  #inode = 1;
  size = 0;

  directory(name) {
    if (this.#directories.has(name)) return;
    this.#add(name, Mode.DIRECTORY, Buffer.alloc(0));
    this.#directories.add(name);
  }

  file(name, content, { executable = false } = {}) {
    this.#add(name, executable ? Mode.PROGRAM : Mode.FILE, Buffer.from(content));
  }

  link(name, target) {
    this.#add(name, Mode.LINK, Buffer.from(target));
  }

  /** A file or a tree from the disk; links to files become the files. `accept` is asked for each path below `source`. */
  copy(source, name, accept = () => true) {
    const stat = fs.statSync(source);
    if (stat.isDirectory()) {
      this.directory(name);
      for (const entry of fs.readdirSync(source).sort()) {
        const below = path.join(source, entry);
        if (accept(below)) this.copy(below, path.posix.join(name, entry), accept);
      }
    } else if (stat.isFile()) {
      this.file(name, fs.readFileSync(source), { executable: (stat.mode & 0o100) !== 0 });
    }
  }

  /** The archive's bytes, to be written one after another; an archive may follow another one. */
  end() {
    this.#entry('TRAILER!!!', 0, Buffer.alloc(0), 0);
    const rest = -this.size & 511;
    this.#push(Buffer.alloc(rest));
    return this.#parts;
  }

  #add(name, mode, content) {
    if (!name.startsWith('/')) throw new Error(`${name} is not an absolute path`);
    const parent = path.posix.dirname(name);
    if (!this.#directories.has(parent)) this.directory(parent);
    this.#entry(name.slice(1), mode, content, this.#inode++);
  }

  #entry(name, mode, content, inode) {
    const encoded = Buffer.from(`${name}\0`);
    const links = (mode & 0o170000) === 0o040000 ? 2 : 1;
    // inode, mode, user, group, links, time, size, device (2), special device (2), length of the name, checksum
    const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, encoded.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    this.#push(Buffer.from(header, 'latin1'), encoded);
    this.#align();
    this.#push(content);
    this.#align();
  }

  #push(...buffers) {
    for (const buffer of buffers) {
      if (buffer.length === 0) continue;
      this.#parts.push(buffer);
      this.size += buffer.length;
    }
  }

  #align() {
    this.#push(Buffer.alloc(-this.size & 3));
  }
}

/** Writes the archives into one file. */
export function writeArchives(file, archives) {
  const descriptor = fs.openSync(file, 'w');
  try {
    for (const parts of archives) fs.writeFileSync(descriptor, parts.length === 1 ? parts[0] : Buffer.concat(parts));
  } finally {
    fs.closeSync(descriptor);
  }
}
