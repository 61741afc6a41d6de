import { TraceKind, type TraceRing } from "./trace.ts";

/** One event of the Trace Event Format that Chrome and Perfetto read. Times in microseconds. */
export interface ChromeTraceEvent {
  name: string;
  cat: string;
  ph: "X" | "i" | "M";
  ts: number;
  dur?: number;
  pid: number;
  tid: number;
  s?: "t";
  args?: Record<string, unknown>;
}

/** Names for numbers; what has none is shown as a number. */
export interface TraceNames {
  hypercall?(number: number): string | undefined;
  domain?(domid: number): string | undefined;
  exit?(reason: number): string | undefined;
}

/**
 * Converts a trace to the JSON object that Perfetto and chrome://tracing load: a process per domain, a thread per vcpu,
 * running stretches and hypercalls as slices, everything else as instants.
 */
export function exportChromeTrace(ring: TraceRing, names: TraceNames = {}): { traceEvents: ChromeTraceEvent[] } {
  const events: ChromeTraceEvent[] = [];
  const running = new Map<string, number>();
  const hypercalls = new Map<string, { number: number; ts: number; sub: number }[]>();
  const seen = new Set<number>();
  for (const r of ring.records()) {
    const ts = r.timeNs / 1000;
    const key = `${r.domid}.${r.vcpu}`;
    const common = { pid: r.domid, tid: r.vcpu };
    if (!seen.has(r.domid)) {
      seen.add(r.domid);
      const name = names.domain?.(r.domid) ?? `domain ${r.domid}`;
      events.push({ name: "process_name", cat: "", ph: "M", ts: 0, ...common, args: { name } });
    }
    const instant = (name: string, cat: string, args: Record<string, unknown>): void => {
      events.push({ name, cat, ph: "i", s: "t", ts, ...common, args });
    };
    switch (r.kind) {
      case TraceKind.scheduleIn:
        running.set(key, ts);
        break;
      case TraceKind.scheduleOut: {
        const start = running.get(key);
        running.delete(key);
        if (start !== undefined)
          events.push({ name: "run", cat: "sched", ph: "X", ts: start, dur: ts - start, ...common });
        break;
      }
      case TraceKind.hypercall:
        // A multicall's entries nest in it.
        if (!hypercalls.has(key)) hypercalls.set(key, []);
        hypercalls.get(key)!.push({ number: r.a, ts, sub: r.b });
        break;
      case TraceKind.hypercallReturn: {
        const call = hypercalls.get(key)?.pop();
        if (call === undefined || call.number !== r.a) break;
        const name = names.hypercall?.(r.a) ?? `hypercall ${r.a}`;
        const args = { operation: call.sub, result: r.value };
        events.push({ name, cat: "hypercall", ph: "X", ts: call.ts, dur: ts - call.ts, ...common, args });
        break;
      }
      case TraceKind.exit:
        instant(names.exit?.(r.a) ?? `exit ${r.a}`, "exit", { vector: r.b, rip: r.value });
        break;
      case TraceKind.bounce:
        instant(`trap ${r.a}`, "trap", { errorCode: r.b, rip: r.value });
        break;
      case TraceKind.event:
        instant("event send", "event", { port: r.a });
        break;
      case TraceKind.upcall:
        instant("upcall", "event", { rip: r.value });
        break;
      case TraceKind.timer:
        instant("timer", "time", { kind: r.a });
        break;
      default:
        break;
    }
  }
  return { traceEvents: events };
}
