import { bodyText } from "@xen-node/wasm-emit";
import { createInstruction, Decoder, DecodeStatus, format } from "../decode/index.ts";
import type { Place } from "./flow-graph.ts";

/** A region's code and what was made of it. */
export interface RegionSource {
  /** Linear address of the page that places count from. */
  readonly anchor: number;
  readonly long: boolean;
  readonly entries: readonly Place[];
  readonly instructionCount: number;
  readonly threshold: number;
  readonly body: Uint8Array;
  /** Where each instruction's code begins in the body. */
  readonly marks: readonly { readonly place: Place; readonly offset: number }[];
  /** Up to 15 bytes of the code at a place. */
  code(place: Place): Uint8Array;
}

/**
 * The guest's instructions with the WebAssembly that stands for each beneath it.
 * @param symbolize names an address
 */
export function listRegion(region: RegionSource, symbolize: (va: number) => string | undefined): string {
  const { anchor, entries, marks, body } = region;
  const out: string[] = [];
  const decoder = new Decoder();
  const insn = createInstruction();
  const address = (place: Place): string => BigInt.asUintN(64, BigInt(anchor + place)).toString(16);
  const [start] = entries;
  const name = symbolize(anchor + start);
  out.push(
    `region at ${address(start)}${name ? ` ${name}` : ""}: ${region.instructionCount} instructions, ${body.length} bytes,` +
      ` ${entries.length} entries, enters with more than ${region.threshold} instructions left`,
  );
  let next = 0;
  for (const { offset, depth, text } of bodyText(body)) {
    while (next < marks.length && marks[next].offset <= offset) {
      const { place } = marks[next++];
      const label = symbolize(anchor + place);
      if (entries.includes(place)) out.push(`entry ${entries.indexOf(place) + 1}${label ? ` ${label}` : ""}:`);
      const bytes = region.code(place);
      const known = decoder.decode(bytes, 0, bytes.length, region.long, insn) === DecodeStatus.OK;
      out.push(`  ${address(place)}  ${known ? format(insn, anchor + place) : "(bad)"}`);
    }
    out.push(`${" ".repeat(24 + 2 * Math.min(depth, 20))}${text}`);
  }
  return `${out.join("\n")}\n`;
}
