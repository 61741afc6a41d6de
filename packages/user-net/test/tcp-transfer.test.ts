import fc from "fast-check";
import { expect, it } from "vitest";
import { pattern } from "./simulation.ts";
import { TcpBench } from "./tcp-bench.ts";

const trouble = fc.record({
  loss: fc.constantFrom(0, 0.01, 0.1),
  duplication: fc.constantFrom(0, 0.05),
  reorder: fc.constantFrom(0, 0.2),
});

it("carries both directions whole over wires that lose, repeat and reorder, and ends cleanly", () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.nat(),
        trouble,
        gso: fc.boolean(),
        mss: fc.constantFrom(536, 1460, 8960),
        scale: fc.constantFrom(-1, 0, 7),
        initial: fc.constantFrom(1000, 0xfffffff0, 0x7fffff00),
        up: fc.integer({ min: 0, max: 150_000 }),
        down: fc.integer({ min: 0, max: 150_000 }),
        chunk: fc.constantFrom(1, 700, 3000, 65536),
        guestFirst: fc.boolean(),
      }),
      (run) => {
        const bench = new TcpBench({ seed: run.seed, trouble: run.trouble, gso: run.gso });
        const { guest, host } = bench.open({
          mss: run.mss,
          scale: run.scale,
          initial: run.initial,
          gso: run.gso ? 60000 : 0,
        });
        const up = pattern(run.up, 1);
        const down = pattern(run.chunk === 1 ? Math.min(run.down, 5000) : run.down, 2);
        guest.write(up);
        host.send(down, run.chunk);
        if (run.guestFirst) guest.finish();
        else host.finish();
        const done = (): boolean => host.receivedBytes === up.length && guest.receivedBytes === down.length;
        expect(bench.clock.run(4000e9, done), "all bytes arrive").toBe(true);
        expect(Buffer.concat(host.received).equals(up)).toBe(true);
        expect(Buffer.concat(guest.received).equals(down)).toBe(true);
        guest.finish();
        host.finish();
        const ended = (): boolean => guest.finished && guest.remoteFinished && host.ended;
        expect(bench.clock.run(4000e9, ended), "both ends finish").toBe(true);
        host.close();
        expect(
          bench.clock.run(4000e9, () => bench.stack.count === 0),
          "the connection goes away",
        ).toBe(true);
        expect(guest.badChecksums).toBe(0);
        expect(bench.stack.budget.used).toBe(0);
        expect(guest.largest).toBeLessThanOrEqual(run.gso ? 65535 - 54 : Math.min(run.mss, 1460));
      },
    ),
    { numRuns: Number(process.env.TCP_RUNS ?? 25) },
  );
});

it("loses nothing when the guests' side refuses packets, with and without being told of room", () => {
  fc.assert(
    fc.property(fc.nat(), fc.boolean(), fc.boolean(), (seed, told, gso) => {
      let room = 3;
      const bench = new TcpBench({ seed, gso, accept: () => room-- > 0 });
      const refill = (): void => {
        room = 1 + (bench.random.nextU32() % 4);
        if (told) bench.link.ready();
        bench.clock.setTimer(refill, 300e3);
      };
      refill();
      const guest = bench.guest();
      guest.connect();
      expect(bench.clock.run(60e9, () => bench.hosts.length > 0)).toBe(true);
      const [host] = bench.hosts;
      const down = pattern(200_000, seed);
      const up = pattern(100_000, seed + 1);
      bench.clock.run(60e9, () => guest.state === "open");
      host.send(down);
      host.finish();
      guest.write(up);
      guest.finish();
      const done = (): boolean => guest.remoteFinished && guest.finished && host.receivedBytes === up.length;
      expect(bench.clock.run(600e9, done)).toBe(true);
      expect(Buffer.concat(guest.received).equals(down)).toBe(true);
      expect(Buffer.concat(host.received).equals(up)).toBe(true);
    }),
    { numRuns: 15 },
  );
});

it("sends large packets when they are welcome", () => {
  const bench = new TcpBench({ gso: true });
  const { guest, host } = bench.open();
  host.send(pattern(400_000));
  bench.clock.run(10e9, () => guest.receivedBytes === 400_000);
  expect(guest.receivedBytes).toBe(400_000);
  expect(guest.largest).toBeGreaterThan(60_000);
  expect(guest.largest % 1460).toBe(0);
});
