import { BvtScheduler, Credit2Scheduler } from "@xen-node/schedulers";
import { RUNSTATE_running } from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import type { Vcpu } from "../src/index.ts";
import { addGuest, makeGuest } from "./machine.ts";

const MS = 1_000_000;

describe("time that Dom0 spends on a guest's requests", () => {
  it.each([() => new Credit2Scheduler<Vcpu>(), () => new BvtScheduler<Vcpu>()])(
    "is taken from that guest's share, not from others'",
    (create) => {
      const g = makeGuest({ scheduler: create() });
      const other = addGuest(g.hv).domain;
      const dom0 = g.hv.createDomain({
        domid: 0,
        kind: "typescript",
        maxPages: 0,
        onEvent: () => g.clock.advance(2 * MS),
      });
      g.hv.unpauseDomain(dom0);
      const guestPort = g.hv.events.allocUnbound(g.domain.domid, g.domain.domid, 0);
      expect(dom0.hypercalls.eventChannel.bindInterdomain(g.domain.domid, guestPort)).toBeGreaterThan(0);
      const { script } = g.cpu;
      g.cpu.script = (budget) => {
        // The first guest asks whenever it runs.
        if (g.hv.current?.domain === g.domain) g.hv.events.send(g.domain.domid, guestPort);
        return script(budget);
      };
      const start = g.hv.now();
      while (g.hv.now() < start + 2000 * MS) g.hv.runSlice(MS);
      const total = g.hv.now() - start;
      const had = (vcpu: Vcpu): number => vcpu.runstate.timeNs[RUNSTATE_running];
      expect(g.domain.servedNs).toBeGreaterThan(0.2 * total);
      expect(other.servedNs).toBe(0);
      expect(Math.abs(had(other.vcpus[0]) / total - 0.5)).toBeLessThan(0.03);
    },
  );

  it("is counted once where work for one is inside of work for another", () => {
    const g = makeGuest();
    const other = addGuest(g.hv).domain;
    const { service } = g.hv;
    const answer = service.during(g.domain.domid, () => {
      g.clock.advance(3 * MS);
      service.during(other.domid, () => g.clock.advance(5 * MS));
      expect(service.beneficiary).toBe(g.domain.domid);
      g.clock.advance(1 * MS);
      expect(() =>
        service.during(other.domid, () => {
          throw new Error("a fault of the backend");
        }),
      ).toThrow("a fault");
      return 42;
    });
    g.clock.advance(7 * MS);
    expect(answer).toBe(42);
    expect(service.beneficiary).toBeUndefined();
    expect([g.domain.servedNs, other.servedNs]).toEqual([4 * MS, 5 * MS]);
  });
});
