/** How well a file's name answers to a library's: 0 is best, undefined is not at all. */
export type LibraryRank = (file: string) => number | undefined;

/** musl has everything of the C library in its loader. */
const musl = /^(?:ld-musl-[\w-]+|libc\.musl-[\w-]+)\.so(?:\.\d+)*$/;

/**
 * Which files a library's name stands for: `libssl.so.3` for itself, `libssl.so` for any version, `libssl` too, and `libc`
 * also for the C library by the names that old glibc and musl give it.
 */
export function libraryRank(name: string): LibraryRank {
  const base = name.replace(/\.so(?:\..*)?$/s, '');
  const isVersioned = /\.so\./.test(name);
  return (file) => {
    if (file === name) return 0;
    if (!isVersioned) {
      if (file === `${base}.so`) return 1;
      if (file.startsWith(`${base}.so.`)) return 2;
      if (file.startsWith(`${base}-`) && /^-\d[\d.]*\.so$/.test(file.slice(base.length))) return 3;
    }
    return base === 'libc' && musl.test(file) ? 4 : undefined;
  };
}

/** Of the files that answer to a name, those that do best; newer versions first. */
export function bestLibraries<File>(files: Iterable<File>, name: string, nameOf: (file: File) => string): File[] {
  const rank = libraryRank(name);
  const ranked = [...files].flatMap((file) => {
    const found = rank(nameOf(file));
    return found === undefined ? [] : [{ file, rank: found }];
  });
  const best = Math.min(...ranked.map((each) => each.rank));
  return ranked
    .filter((each) => each.rank === best)
    .map(({ file }) => file)
    .sort((a, b) => nameOf(b).localeCompare(nameOf(a), 'en', { numeric: true }));
}
