/** Lists of CPUs and memory nodes as the kernel writes them: `0-3,7` (cpuset(7), list format). */

/** Is this a list of numbers below `limit`, with no range that runs backwards? Blanks around commas are fine. */
export function isNumberList(text: string, limit: number): boolean {
  return text.split(",").every((range) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range.trim());
    if (match === null) return false;
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    return first <= last && last < limit;
  });
}
