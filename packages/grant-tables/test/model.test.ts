import {
  DOMID_SELF,
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_okay,
  GTF_reading,
  GTF_readonly,
  GTF_writing,
} from "@xen-node/xen-abi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeMapper, Machine } from "./machine.ts";

const DOMIDS = [0, 1, 2];
const REFS = 4;
const FRAMES = 3;

interface Mapping {
  mapper: number;
  granter: number;
  ref: number;
  flags: number;
  mfn: number;
  handle: number;
  address: number;
}

/** What a domain has written into an entry, without the flags that the hypervisor sets. */
interface Entry {
  grantee: number;
  mfn: number;
  readonly: boolean;
}

describe("random operations on three domains", () => {
  const domid = fc.constantFrom(...DOMIDS);
  const ref = fc.nat({ max: REFS - 1 });
  const kinds = fc.constantFrom(GNTMAP_host_map, GNTMAP_device_map, GNTMAP_host_map | GNTMAP_device_map);
  const frame = fc.nat({ max: FRAMES - 1 });
  const step = fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({ op: fc.constant("grant" as const), domid, ref, to: domid, frame, readonly: fc.boolean() }),
    },
    fc.record({ op: fc.constant("revoke" as const), domid, ref }),
    {
      weight: 4,
      arbitrary: fc.record({ op: fc.constant("map" as const), domid, of: domid, ref, kinds, readonly: fc.boolean() }),
    },
    { weight: 3, arbitrary: fc.record({ op: fc.constant("unmap" as const), which: fc.nat() }) },
    fc.record({ op: fc.constant("copy" as const), domid, of: domid, ref, frame, out: fc.boolean() }),
    fc.record({ op: fc.constant("remove" as const), domid }),
  );

  it("agrees with the model, and all references come back", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const machine = new Machine();
        const { grants, mmu } = machine;
        const mappers = new Map<number, FakeMapper>();
        const frames = new Map<number, number[]>();
        const entries = new Map<string, Entry>();
        let mappings: Mapping[] = [];
        const alive = new Set(DOMIDS);
        let nextAddress = 0x1000;
        for (const id of DOMIDS) {
          const mapper = new FakeMapper();
          mappers.set(id, mapper);
          machine.addDomain(id, id === 0 ? { privileged: true } : { hostMapper: mapper });
          frames.set(
            id,
            Array.from({ length: FRAMES }, () => mmu.frames.alloc(id)),
          );
        }
        const pinsOf = (granter: number, entry: number): Mapping[] =>
          mappings.filter((m) => m.granter === granter && m.ref === entry);
        const writes = (m: Mapping): boolean => (m.flags & GNTMAP_readonly) === 0;
        /** Why the model would let `who` have access, or not. */
        const allowed = (who: number, granter: number, entry: number, readonly: boolean): boolean => {
          const written = entries.get(`${granter}:${entry}`);
          const pins = pinsOf(granter, entry);
          if (pins.length === 0)
            return written !== undefined && written.grantee === who && (readonly || !written.readonly);
          if (pins[0].mapper !== who) return false;
          return readonly || pins.some(writes) || !(written?.readonly ?? false);
        };

        const checkAll = (): void => {
          expect(grants.audit()).toEqual([]);
          for (const id of DOMIDS) {
            for (const mfn of frames.get(id)!) {
              const on = mappings.filter((m) => m.mfn === mfn);
              const kindCount = (m: Mapping): number =>
                (m.flags & GNTMAP_host_map ? 1 : 0) + (m.flags & GNTMAP_device_map ? 1 : 0);
              const general = on.reduce((sum, m) => sum + kindCount(m), 1);
              const typed = on.filter(writes).reduce((sum, m) => sum + kindCount(m), 0);
              expect(mmu.counts(mfn)).toEqual([general, typed]);
            }
            if (!alive.has(id)) continue;
            for (let r = 0; r < REFS; r++) {
              const pins = pinsOf(id, r);
              const inUse = (pins.length > 0 ? GTF_reading : 0) | (pins.some(writes) ? GTF_writing : 0);
              expect(machine.flags(id, r) & (GTF_reading | GTF_writing)).toBe(inUse);
            }
          }
        };

        const unmap = (m: Mapping): void => {
          const viaTables = m.mapper !== 0;
          const op = {
            handle: m.handle,
            hostAddrLo: viaTables && m.flags & GNTMAP_host_map ? m.address : 0,
            devBusAddrLo: viaTables && m.flags & GNTMAP_device_map ? m.mfn * 4096 : 0,
            status: 1,
          };
          grants.unmapGrantRef(m.mapper, op);
          expect(op.status).toBe(GNTST_okay);
          mappings = mappings.filter((other) => other !== m);
        };

        for (const s of steps) {
          switch (s.op) {
            case "grant": {
              if (!alive.has(s.domid)) break;
              // A guest must not touch an entry in use but for its flags; a lying one keeps the hypervisor's flags here.
              const inUse = machine.flags(s.domid, s.ref) & (GTF_reading | GTF_writing);
              const mfn = frames.get(s.domid)![s.frame];
              machine.grant(s.domid, s.ref, s.to, mfn, inUse | (s.readonly ? GTF_readonly : 0));
              entries.set(`${s.domid}:${s.ref}`, { grantee: s.to, mfn, readonly: s.readonly });
              break;
            }
            case "revoke": {
              if (!alive.has(s.domid)) break;
              const done = machine.revoke(s.domid, s.ref);
              expect(done).toBe(pinsOf(s.domid, s.ref).length === 0);
              if (done) entries.delete(`${s.domid}:${s.ref}`);
              break;
            }
            case "map": {
              if (!alive.has(s.domid)) break;
              const flags = s.kinds | (s.readonly ? GNTMAP_readonly : 0);
              const address = (nextAddress += 0x1000);
              const pinned = pinsOf(s.of, s.ref)[0];
              const op = machine.map(s.domid, s.of, s.ref, flags, address);
              const expected = alive.has(s.of) && allowed(s.domid, s.of, s.ref, s.readonly);
              expect(op.status === GNTST_okay).toBe(expected);
              if (op.status !== GNTST_okay) break;
              const mfn = pinned?.mfn ?? entries.get(`${s.of}:${s.ref}`)!.mfn;
              expect(op.mfn).toBe(mfn);
              mappings.push({ mapper: s.domid, granter: s.of, ref: s.ref, flags, mfn, handle: op.handle!, address });
              break;
            }
            case "unmap":
              if (mappings.length > 0) unmap(mappings[s.which % mappings.length]);
              break;
            case "copy": {
              if (!alive.has(s.domid)) break;
              const own = { ref: frames.get(s.domid)![s.frame], domid: DOMID_SELF, offset: 0 };
              const other = { ref: s.ref, domid: s.of, offset: 8 };
              const op = {
                source: s.out ? own : other,
                dest: s.out ? other : own,
                len: 16,
                flags: s.out ? GNTCOPY_dest_gref : GNTCOPY_source_gref,
                status: 1,
              };
              grants.copy(s.domid, op);
              const pins = pinsOf(s.of, s.ref);
              // A copy that needs more than the pins have looks at the entry again and wants the same frame in it.
              const looksAgain = pins.length > 0 && s.out && !pins.some(writes);
              const sameFrame = !looksAgain || entries.get(`${s.of}:${s.ref}`)?.mfn === pins[0].mfn;
              expect(op.status === GNTST_okay).toBe(
                alive.has(s.of) && allowed(s.domid, s.of, s.ref, !s.out) && sameFrame,
              );
              break;
            }
            case "remove":
              if (!alive.delete(s.domid)) break;
              grants.removeDomain(s.domid);
              mappings = mappings.filter((m) => m.mapper !== s.domid);
              break;
          }
          checkAll();
        }
        while (mappings.length > 0) unmap(mappings[0]);
        checkAll();
        for (const id of alive) {
          grants.removeDomain(id);
          expect(grants.pinnedEntries(id)).toBe(0);
        }
        expect(mmu.shared.size).toBe(0);
        const left = [...mmu.general.keys()].filter((mfn) => mmu.general.get(mfn) !== 0);
        expect(left).toEqual([...frames.values()].flat());
        for (const mfn of left) expect(mmu.counts(mfn)).toEqual([1, 0]);
      }),
      { numRuns: 150 },
    );
  });
});
