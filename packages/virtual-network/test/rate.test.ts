import { describe, expect, it } from "vitest";
import { parseRate } from "../src/index.ts";
import { ethernet, mac } from "./frames.ts";
import { Lab } from "./lab.ts";

const frame = (bytes: number) => ethernet(mac(2), mac(1), 0x88b5, new Uint8Array(bytes - 14));

describe("parseRate", () => {
  it("reads what xl reads", () => {
    const rates: [string, number, number][] = [
      ["10Mb/s", 62500, 50e6],
      ["10Mb/s@50ms", 62500, 50e6],
      ["1MB/s@20ms", 20000, 20e6],
      ["250Kb/s", 1562, 50e6],
      ["250KB/s@1s", 250000, 1e9],
      ["1Gb/s@100us", 12500, 100e3],
      ["8000b/s@1", 1000, 1e9],
      ["1000B/s@20m", 20, 20e6],
    ];
    for (const [text, bytesPerInterval, intervalNs] of rates)
      expect([text, parseRate(text)]).toEqual([text, { bytesPerInterval, intervalNs }]);
  });

  it("says in one sentence what is no rate", () => {
    const wrong: [string, string][] = [
      ["10", '"10" is no rate; write for example 10Mb/s, 1MB/s or 250Kb/s@20ms.'],
      ["10mb/s", "is no rate"],
      ["10Mb/s@", "is no interval"],
      ["10Mb/s@5h", '"5h" is no interval; write for example 50ms, 500us or 1s.'],
      ["10Mb/s@5ms@5ms", "is no rate"],
      ["10Mb/s@0ms", "is not between 1 us"],
      ["1b/s", "comes to 0 bytes an interval"],
      ["900GB/s@60s", "not between 1 and 4294967295"],
    ];
    for (const [text, message] of wrong) expect(() => parseRate(text)).toThrow(message);
  });
});

describe("a port's rate", () => {
  it("lets its bytes through in each interval, and no more", () => {
    const lab = new Lab();
    const a = lab.host("a", { mac: mac(1), rateLimit: "800Kb/s@10ms" }); // 1000 bytes in 10 ms
    const b = lab.host("b", { mac: mac(2) });
    a.enqueue(...Array.from({ length: 100 }, () => frame(500)));
    lab.run();
    expect(b.received).toHaveLength(2);
    for (let interval = 1; interval <= 20; interval++) {
      lab.advance(10e6);
      expect(b.received).toHaveLength(2 + 2 * interval);
    }
    expect(a.port.counters().rateLimited).toBe(21);
    expect([a.readies, a.drops.out]).toEqual([20, {}]);
  });

  it("saves unused credit up to a burst of 128 KiB", () => {
    const lab = new Lab();
    const a = lab.host("a", { mac: mac(1), rateLimit: "800Kb/s@10ms" });
    const b = lab.host("b", { mac: mac(2) });
    b.port.onReceive = () => true;
    // A packet of 64 KiB waits until there is credit for it.
    a.enqueue(frame(65000));
    lab.advance(630e6);
    expect(b.port.counters().in.packets).toBe(0);
    lab.advance(30e6);
    expect(b.port.counters().in.packets).toBe(1);
  });

  it("is set and lifted at run time", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    a.port.setRateLimit({ bytesPerInterval: 600, intervalNs: 1e9 });
    a.enqueue(...Array.from({ length: 10 }, () => frame(500)));
    lab.run();
    expect(b.received).toHaveLength(1);
    expect(() => a.port.setRateLimit("fast")).toThrow("no rate");
    a.port.setRateLimit(undefined);
    lab.run();
    expect([b.received.length, lab.waitingTimers]).toEqual([10, 0]);
  });

  it("does not slow others, and counts refused packets once", () => {
    const lab = new Lab();
    const a = lab.host("a", { mac: mac(1), rateLimit: "800Kb/s@10ms" });
    const [b, c] = ["b", "c"].map((name, i) => lab.host(name, { mac: mac(i + 2) }));
    b.room = 0;
    a.enqueue(frame(500));
    c.enqueue(...Array.from({ length: 50 }, () => ethernet(mac(1), mac(3), 0x88b5, new Uint8Array(1000))));
    lab.run();
    expect(a.received).toHaveLength(50);
    b.makeRoom(5);
    lab.run();
    a.enqueue(frame(500));
    lab.run();
    // Both fit into one interval: the refusal took no credit.
    expect(b.received).toHaveLength(2);
  });
});
