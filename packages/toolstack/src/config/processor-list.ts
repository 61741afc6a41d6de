import { ConfigError } from "./config-error.ts";

/** Processors that a mask has bits for. */
const MOST = 32;
const PART = /^(\^)?(?:(all)|(?:nodes?:(\d+)(?:-(\d+))?)|(\d+)(?:-(\d+))?)$/;

/**
 * Reads xl's list of processors (xl.cfg(5), `cpus`): "all", "0-3,5", "^1" to leave one out, "node:0", of which there is one.
 *
 * @returns a bit for each.
 * @throws ConfigError, one sentence that begins with a verb's object, as it stands behind a key's name.
 */
export function parseProcessorList(text: string): number {
  let mask = 0;
  for (const part of text.split(",")) {
    const match = PART.exec(part.trim());
    if (match === null)
      throw new ConfigError(`"${text}" is no list of processors: write one as "all", "0" or "0-3,^1".`);
    const [, not, all, node, lastNode = node, first, last = first] = match;
    if (node !== undefined && (node !== "0" || lastNode !== "0"))
      throw new ConfigError(`"${text}" names a node that is not there: the machine has node 0 alone.`);
    const bits = all !== undefined || node !== undefined ? -1 : range(Number(first), Number(last), text);
    mask = not === undefined ? mask | bits : mask & ~bits;
  }
  return mask;
}

function range(first: number, last: number, text: string): number {
  if (last >= MOST || first > last) throw new ConfigError(`"${text}" names processors that no machine here has.`);
  let bits = 0;
  for (let processor = first; processor <= last; processor++) bits |= 1 << processor;
  return bits;
}
