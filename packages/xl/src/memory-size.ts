const KIB: Record<string, number> = { b: 1 / 1024, k: 1, m: 1024, g: 1024 ** 2, t: 1024 ** 3 };

/** Reads xl's size of memory, in MiB or with a unit behind it (b, k, m, g, t), as KiB; undefined: it is none. */
export function parseMemorySize(text: string): number | undefined {
  const match = /^(\d{1,15})([bkmgt]?)$/i.exec(text);
  if (match === null) return undefined;
  const kib = Math.floor(Number(match[1]) * KIB[match[2].toLowerCase() || "m"]);
  return Number.isSafeInteger(kib) ? kib : undefined;
}
