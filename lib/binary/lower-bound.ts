/** The first of `count` ascending rows that is not below what is sought; `count` when all are. */
export function lowerBound(count: number, isBelow: (row: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBelow(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
