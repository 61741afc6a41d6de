import fc from "fast-check";
import { expect, it } from "vitest";
import { FlowTable, flowKey } from "../src/flow-table.ts";
import { ReceiveQueue } from "../src/tcp/receive-queue.ts";
import { SendQueue } from "../src/tcp/send-queue.ts";
import { sequenceAdd } from "../src/tcp/sequence.ts";
import { TimerQueue } from "../src/timers.ts";
import { pattern, SimulatedClock } from "./simulation.ts";

it("a send queue is a byte string that grows behind and shrinks in front", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("append" as const), count: fc.constantFrom(1, 10, 500, 2047, 2048, 20_000) }),
    fc.record({ kind: fc.constant("drop" as const), count: fc.nat(6000) }),
    fc.record({ kind: fc.constant("copy" as const), count: fc.nat(5000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.nat(), (steps, seed) => {
      const queue = new SendQueue();
      let model = Buffer.alloc(0);
      for (const [index, { kind, count }] of steps.entries()) {
        if (kind === "append") {
          const bytes = pattern(count, index);
          queue.append(bytes);
          model = Buffer.concat([model, bytes]);
        } else if (kind === "drop") {
          queue.drop(count);
          model = model.subarray(Math.min(count, model.length));
        } else if (model.length > 0) {
          const from = (seed + index * 7919) % model.length;
          const length = Math.min(count, model.length - from);
          const target = new Uint8Array(length + 2);
          queue.copyTo(target, 1, from, length);
          expect(Buffer.from(target.subarray(1, 1 + length)).equals(model.subarray(from, from + length))).toBe(true);
        }
        expect(queue.length).toBe(model.length);
      }
    }),
    { numRuns: 200 },
  );
});

it("a receive queue gives every byte once and in order, wherever sequence numbers wrap", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 0xffffff00, 0x7fffffc0),
      fc.array(fc.record({ from: fc.nat(400), length: fc.integer({ min: 1, max: 80 }) }), { maxLength: 100 }),
      (start, pieces) => {
        const stream = pattern(480);
        const queue = new ReceiveQueue();
        const got: number[] = [];
        for (const { from, length } of pieces) {
          queue.add(sequenceAdd(start, from), stream.subarray(from, from + length));
          for (;;) {
            const next = queue.take(sequenceAdd(start, got.length));
            if (next === undefined) break;
            got.push(...next);
          }
        }
        expect(got).toEqual([...stream.subarray(0, got.length)]);
        expect(queue.bytes).toBeLessThanOrEqual(128 * 80);
      },
    ),
  );
});

it("timers act once, in order, no earlier than they should", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ timer: fc.nat(5), ns: fc.nat(1000), run: fc.nat(300) })), (steps) => {
      const clock = new SimulatedClock();
      const queue = new TimerQueue(clock);
      const fired: number[] = [];
      const due = new Map<number, number>();
      const timers = Array.from({ length: 6 }, (_, i) =>
        queue.timer(() => {
          fired.push(i);
          expect(due.get(i), "armed and due").toBeLessThanOrEqual(clock.nowNs());
          due.delete(i);
        }),
      );
      for (const { timer, ns, run } of steps) {
        if (ns === 0) {
          timers[timer].dispose();
          due.delete(timer);
        } else {
          timers[timer].arm(ns);
          due.set(timer, clock.nowNs() + ns);
        }
        clock.run(run);
        for (const at of due.values()) expect(at).toBeGreaterThan(clock.nowNs());
      }
      queue.close();
      expect(clock.pending).toBe(0);
    }),
  );
});

it("a flow table finds what it holds, and nothing else, by bytes in a packet", () => {
  const table = new FlowTable<{ key: Uint8Array; nextFlow: undefined; id: number }>(7);
  const entries = Array.from({ length: 500 }, (_, id) => ({
    key: flowKey(Uint8Array.of(10, 0, 2, id & 255), id, Uint8Array.of(192, 0, 2, 1), 80),
    nextFlow: undefined,
    id,
  }));
  for (const entry of entries) table.add(entry);
  for (const entry of entries.filter(({ id }) => id % 2 === 0)) table.delete(entry);
  for (const entry of entries) expect(table.findKey(entry.key)).toBe(entry.id % 2 === 0 ? undefined : entry);
  expect(table.size).toBe(250);
});
