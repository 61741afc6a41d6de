import type { TranslatorCounters } from "@xen-node/x86-cpu";

const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
const tenths = (value: number): string =>
  value.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/**
 * What a processor has done so far, in lines.
 * @param retired instructions
 * @param translator undefined if all of them were interpreted
 * @param interval interpreted instructions that each of the translator's samples stands for
 */
export function describeCounters(
  retired: number,
  translator: TranslatorCounters | undefined,
  interval: number,
): string[] {
  const instructions = `${whole(retired)} instructions retired`;
  if (translator === undefined) return [instructions, "all interpreted: the translator is off"];
  const { compiled, shared, invalidated, evicted, regions, entries, samples, wasmBytes, emitMs, engineMs } = translator;
  // The samples stand for whole intervals: few of them can come to more than there was.
  const interpreted = Math.min(samples * interval, retired);
  const share = retired === 0 ? 0 : (100 * interpreted) / retired;
  const perEntry = entries === 0 ? 0 : (retired - interpreted) / entries;
  return [
    instructions,
    `${whole(entries)} region entries, ${tenths(perEntry)} instructions per entry`,
    `${share.toFixed(2)} % interpreted (${whole(samples)} samples of ${whole(interval)} instructions)`,
    `${whole(compiled)} regions compiled, ${whole(shared)} shared, ${whole(invalidated)} invalidated, ${whole(evicted)} evicted; ${whole(regions)} in use`,
    `${whole(wasmBytes)} bytes of WebAssembly kept`,
    `compile time ${whole(emitMs)} ms ours, ${whole(engineMs)} ms the engine's`,
  ];
}
