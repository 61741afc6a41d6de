import { closeSync, openSync, writeSync } from "node:fs";
import { type ChromeTraceEvent, exportChromeTrace, type TraceRing } from "@xen-node/hypervisor-core";
import { ExitReason } from "@xen-node/x86-cpu";
import { UserError } from "../user-error.ts";
import { hypercallNames } from "./hypercall-names.ts";

const exitNames = new Map<number, string>(Object.entries(ExitReason).map(([name, reason]) => [reason, name]));

/** The file of --trace. It is opened first and written last: a path that cannot be written is better known before the run. */
export class TraceFile {
  private readonly descriptor: number;

  constructor(readonly path: string) {
    try {
      this.descriptor = openSync(path, "w");
    } catch (error) {
      throw new UserError(`the trace ${path} cannot be written: ${(error as Error).message}.`);
    }
  }

  /** Writes the records that the ring still holds. Synchronous, as the process may be about to end. */
  write(ring: TraceRing, domainNames: ReadonlyMap<number, string>): void {
    const { traceEvents } = exportChromeTrace(ring, {
      hypercall: (number) => hypercallNames.get(number),
      exit: (reason) => exitNames.get(reason),
      domain: (domid) => domainNames.get(domid),
    });
    for (const piece of traceDocument(traceEvents)) writeSync(this.descriptor, piece);
    closeSync(this.descriptor);
  }
}

/** A trace as a JSON document, in pieces: a long one is more than a string can hold. */
export function* traceDocument(events: ChromeTraceEvent[]): Generator<string> {
  yield '{"displayTimeUnit":"ns","traceEvents":[';
  let piece = "";
  for (const [index, event] of events.entries()) {
    piece += `${index === 0 ? "\n" : ",\n"}${JSON.stringify(event)}`;
    if (piece.length > 65536) {
      yield piece;
      piece = "";
    }
  }
  yield `${piece}\n]}\n`;
}
