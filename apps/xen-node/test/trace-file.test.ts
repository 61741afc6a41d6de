import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChromeTraceEvent, TraceKind, TraceRing } from "@xen-node/hypervisor-core";
import { __HYPERVISOR_sched_op, SCHEDOP_block } from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import { TraceFile } from "../src/report/trace-file.ts";
import { UserError } from "../src/user-error.ts";

describe("--trace", () => {
  it("writes what Perfetto reads, with names", () => {
    const folder = mkdtempSync(join(tmpdir(), "xen-node-trace-"));
    try {
      const path = join(folder, "trace.json");
      const ring = new TraceRing({ capacity: 65536, enabled: true });
      for (let time = 0; time < 60_000; time += 3000) {
        ring.add(TraceKind.hypercall, time + 1000, 1, 0, __HYPERVISOR_sched_op, SCHEDOP_block, 0);
        ring.add(TraceKind.hypercallReturn, time + 2000, 1, 0, __HYPERVISOR_sched_op, 0, 0);
      }
      new TraceFile(path).write(ring, new Map([[1, "web"]]));
      const { traceEvents }: { traceEvents: ChromeTraceEvent[] } = JSON.parse(readFileSync(path, "utf8"));
      expect(traceEvents.find(({ ph }) => ph === "M")?.args).toEqual({ name: "web" });
      expect(traceEvents.filter(({ name, dur }) => name === "sched_op" && dur === 1)).toHaveLength(20);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("refuses at once a path that cannot be written", () => {
    expect(() => new TraceFile(join(tmpdir(), "no", "such", "folder"))).toThrow(UserError);
  });
});
