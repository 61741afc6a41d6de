import { EVTCHNSTAT_closed, EVTCHNSTAT_interdomain, EVTCHNSTAT_ipi, EVTCHNSTAT_unbound } from "@xen-node/xen-abi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PortStatus } from "../src/index.ts";
import { Machine } from "./machine.ts";

type ModelPort =
  | { kind: "unbound"; remote: number }
  | { kind: "interdomain"; remote: number; port: number }
  | { kind: "ipi" };

const DOMIDS = [0, 1, 2];
const MAX_PORT = 6;

/** Every domain's ports as plain maps; results are ports, 0, or "refused". */
class Model {
  readonly ports = new Map<number, Map<number, ModelPort>>(DOMIDS.map((domid) => [domid, new Map()]));
  readonly pending = new Set<string>();

  private take(domid: number, port: ModelPort): number {
    const table = this.ports.get(domid)!;
    for (let number = 1; number <= MAX_PORT; number++) {
      if (table.has(number)) continue;
      table.set(number, port);
      return number;
    }
    return -1;
  }

  alloc(domid: number, remote: number): number {
    return this.take(domid, { kind: "unbound", remote });
  }

  ipi(domid: number): number {
    return this.take(domid, { kind: "ipi" });
  }

  bind(domid: number, remote: number, port: number): number {
    const peer = this.ports.get(remote)!.get(port);
    if (peer?.kind !== "unbound" || peer.remote !== domid) return -1;
    const local = this.take(domid, { kind: "interdomain", remote, port });
    if (local < 0) return -1;
    this.ports.get(remote)!.set(port, { kind: "interdomain", remote: domid, port: local });
    this.pending.add(`${domid}:${local}`);
    return local;
  }

  close(domid: number, port: number): number {
    const closed = this.ports.get(domid)!.get(port);
    if (closed === undefined) return -1;
    this.ports.get(domid)!.delete(port);
    this.pending.delete(`${domid}:${port}`);
    if (closed.kind === "interdomain") {
      this.ports.get(closed.remote)!.set(closed.port, { kind: "unbound", remote: domid });
    }
    return 0;
  }

  send(domid: number, port: number): number {
    const from = this.ports.get(domid)!.get(port);
    if (from === undefined) return -1;
    if (from.kind === "interdomain") this.pending.add(`${from.remote}:${from.port}`);
    if (from.kind === "ipi") this.pending.add(`${domid}:${port}`);
    return 0;
  }
}

describe("random operations on three domains", () => {
  const domid = fc.constantFrom(...DOMIDS);
  const port = fc.integer({ min: 0, max: MAX_PORT + 1 });
  const step = fc.oneof(
    fc.record({ op: fc.constant("alloc" as const), domid, remote: domid }),
    { weight: 3, arbitrary: fc.record({ op: fc.constant("bind" as const), domid, remote: domid, port }) },
    fc.record({ op: fc.constant("ipi" as const), domid }),
    fc.record({ op: fc.constant("close" as const), domid, port }),
    { weight: 3, arbitrary: fc.record({ op: fc.constant("send" as const), domid, port }) },
    fc.record({ op: fc.constant("reset" as const), domid }),
  );

  it("agrees with the model in results, states and pending bits", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
        const machine = new Machine();
        const { events } = machine;
        for (const id of DOMIDS) machine.addGuest(id, { maxPort: MAX_PORT });
        const model = new Model();
        const agree = (result: number, expected: number): void => {
          if (expected < 0) expect(result).toBeLessThan(0);
          else expect(result).toBe(expected);
        };
        for (const s of steps) {
          switch (s.op) {
            case "alloc":
              agree(events.allocUnbound(s.domid, s.domid, s.remote), model.alloc(s.domid, s.remote));
              break;
            case "bind":
              agree(events.bindInterdomain(s.domid, s.remote, s.port), model.bind(s.domid, s.remote, s.port));
              break;
            case "ipi":
              agree(events.bindIpi(s.domid, 0), model.ipi(s.domid));
              break;
            case "close":
              agree(events.close(s.domid, s.port), model.close(s.domid, s.port));
              break;
            case "send":
              agree(events.send(s.domid, s.port), model.send(s.domid, s.port));
              break;
            case "reset":
              expect(events.reset(s.domid, s.domid)).toBe(0);
              for (let p = 1; p <= MAX_PORT; p++) model.close(s.domid, p);
              break;
          }
        }
        const out: PortStatus = { status: 0, vcpu: 0, dom: 0, port: 0, virq: 0 };
        for (const id of DOMIDS) {
          for (let p = 1; p <= MAX_PORT; p++) {
            expect(events.status(id, id, p, out)).toBe(0);
            const expected = model.ports.get(id)!.get(p);
            switch (expected?.kind) {
              case undefined:
                expect(out).toMatchObject({ status: EVTCHNSTAT_closed, dom: 0, port: 0 });
                continue;
              case "unbound":
                expect(out).toMatchObject({ status: EVTCHNSTAT_unbound, dom: expected.remote, port: 0 });
                break;
              case "interdomain":
                expect(out).toMatchObject({
                  status: EVTCHNSTAT_interdomain,
                  dom: expected.remote,
                  port: expected.port,
                });
                break;
              case "ipi":
                expect(out).toMatchObject({ status: EVTCHNSTAT_ipi });
                break;
            }
            expect(events.isPending(id, p)).toBe(model.pending.has(`${id}:${p}`) ? 1 : 0);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
