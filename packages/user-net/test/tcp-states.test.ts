import { TcpFlag } from "@xen-node/packets";
import { describe, expect, it } from "vitest";
import { GUEST_MAC, type TcpParts, tcpFrame } from "./frames.ts";
import { pattern } from "./simulation.ts";
import { FakeHost, GUEST, REMOTE, TcpBench } from "./tcp-bench.ts";

const { syn, ack, fin, rst, psh } = TcpFlag;

/** A segment of the guest on port 40000, as it stands in the test. */
const segment = (parts: Partial<TcpParts> & { flags: number }): Uint8Array =>
  tcpFrame({ source: GUEST, destination: REMOTE }, { sourcePort: 40000, destinationPort: 80, ...parts });

describe("opening", () => {
  it("answers a SYN only when the host is connected, with MSS and scale", () => {
    const bench = new TcpBench();
    bench.inject(segment({ flags: syn, sequence: 77, options: [2, 4, 5, 0xb4, 3, 3, 2, 0] }));
    expect(bench.sent).toHaveLength(0);
    bench.inject(segment({ flags: syn, sequence: 77 })); // repeated meanwhile
    bench.clock.run(1e6);
    expect(bench.sent).toHaveLength(1);
    expect(bench.sent[0]).toMatchObject({ flags: syn | ack, acknowledgment: 78, sourcePort: 80, window: 65535 });
    expect([...bench.sent[0].options]).toEqual([2, 4, 5, 180, 1, 3, 3, 5]);
    expect(bench.hosts).toHaveLength(1);
  });

  it("offers no window scale to a guest that offers none, and keeps to its windows", () => {
    const bench = new TcpBench();
    const { guest, host } = bench.open({ scale: -1 });
    expect(bench.sent[0].options).toHaveLength(4);
    guest.write(pattern(200_000));
    bench.clock.run(5e9);
    expect(host.receivedBytes).toBe(200_000);
  });

  it("repeats the SYN-ACK, then gives up", () => {
    const bench = new TcpBench();
    bench.inject(segment({ flags: syn, sequence: 77 }));
    bench.clock.run(120e9);
    expect(bench.sent.filter(({ flags }) => flags === (syn | ack))).toHaveLength(6);
    expect(bench.sent.at(-1)?.flags).toBe(rst | ack);
    expect(bench.hosts[0].aborted).toBe(true);
    expect(bench.stack.count).toBe(0);
  });

  it.each([
    ["ECONNREFUSED", "reset"],
    ["ENETUNREACH", "network"],
    ["EHOSTUNREACH", "host"],
    ["ETIMEDOUT", "host"],
  ])("tells the guest of %s by %s", (code, answer) => {
    const bench = new TcpBench({ refuse: code });
    bench.inject(segment({ flags: syn, sequence: 77 }));
    bench.clock.run(1e9);
    if (answer === "reset") expect(bench.sent).toMatchObject([{ flags: rst | ack, acknowledgment: 78, sequence: 0 }]);
    else expect(bench.unreachable).toEqual([answer]);
    expect(bench.stack.count).toBe(0);
  });

  it("refuses at once what has no route", () => {
    const bench = new TcpBench();
    bench.inject(segment({ flags: syn, sequence: 5, destinationPort: 9 }));
    expect(bench.sent).toMatchObject([{ flags: rst | ack, acknowledgment: 6 }]);
    expect(bench.hosts).toHaveLength(0);
  });

  it("gives a host that never answers up after a minute", () => {
    const bench = new TcpBench({ silent: true });
    bench.inject(segment({ flags: syn, sequence: 5 }));
    bench.clock.run(61e9);
    expect(bench.unreachable).toEqual(["host"]);
    expect(bench.hosts[0].aborted).toBe(true);
    expect(bench.stack.count).toBe(0);
  });

  it("lets go of the host when the guest gives up while it is being connected", () => {
    const bench = new TcpBench({ silent: true });
    bench.inject(segment({ flags: syn, sequence: 5 }));
    bench.inject(segment({ flags: rst, sequence: 6 }));
    expect(bench.hosts[0].aborted).toBe(true);
  });

  it("opens a connection to a guest, and repeats its SYN until it answers", () => {
    const bench = new TcpBench();
    const guest = bench.guest({ port: 22, remotePort: 0 });
    const { hosts } = bench;
    const open = bench.stack.connectGuest(GUEST_MAC, REMOTE, 5555, GUEST, 22, (events) => {
      hosts.push(new FakeHost(bench.clock, events));
      return hosts[0];
    });
    expect(open).toBe(true);
    expect(bench.stack.connectGuest(GUEST_MAC, REMOTE, 5555, GUEST, 22, () => hosts[0])).toBe(false);
    bench.clock.run(1.5e9);
    expect(bench.sent.filter(({ flags }) => flags === syn)).toHaveLength(2);
    guest.listen();
    bench.clock.run(5e9, () => guest.state === "open");
    hosts[0].send(pattern(50_000, 3));
    guest.write(pattern(50_000, 4));
    bench.clock.run(5e9);
    expect(Buffer.concat(guest.received).equals(pattern(50_000, 3))).toBe(true);
    expect(Buffer.concat(hosts[0].received).equals(pattern(50_000, 4))).toBe(true);
  });

  it("sends a SYN that found no room as soon as there is some", () => {
    let room = false;
    const bench = new TcpBench({ accept: () => room });
    bench.stack.connectGuest(GUEST_MAC, REMOTE, 5555, GUEST, 22, (events) => new FakeHost(bench.clock, events));
    bench.inject(segment({ flags: syn, sequence: 77 }));
    bench.clock.run(1e6);
    expect(bench.sent).toHaveLength(0);
    room = true;
    bench.link.ready();
    expect(bench.sent.map(({ flags }) => flags)).toEqual([syn, syn | ack]);
    bench.link.ready();
    expect(bench.sent).toHaveLength(2);
  });

  it("resets the host when the guest refuses a forward", () => {
    const bench = new TcpBench();
    bench.stack.connectGuest(GUEST_MAC, REMOTE, 5555, GUEST, 22, (events) => {
      const fake = new FakeHost(bench.clock, events);
      bench.hosts.push(fake);
      return fake;
    });
    const { sequence } = bench.sent[0];
    bench.inject(
      segment({ sourcePort: 22, destinationPort: 5555, flags: rst | ack, acknowledgment: (sequence + 1) >>> 0 }),
    );
    expect(bench.hosts[0].aborted).toBe(true);
  });
});

describe("opening to a guest that remembers the connection before", () => {
  const open = (bench: TcpBench, port: number) =>
    bench.stack.connectGuest(GUEST_MAC, REMOTE, port, GUEST, 22, (events) => {
      const host = new FakeHost(bench.clock, events);
      bench.hosts.push(host);
      return host;
    });
  const answer = (parts: Partial<TcpParts> & { flags: number }): Uint8Array =>
    segment({ sourcePort: 22, destinationPort: 5000, ...parts });

  it("begins behind it, on every port", () => {
    const bench = new TcpBench();
    for (let port = 5000; port < 5064; port++) {
      expect(open(bench, port)).toBe(true);
      const first = bench.sent.at(-1)!.sequence;
      bench.inject(answer({ destinationPort: port, flags: rst | ack, acknowledgment: (first + 1) >>> 0 }));
      bench.clock.run(1e6);
      open(bench, port);
      const second = bench.sent.at(-1)!.sequence;
      const ahead = (second - first) >>> 0;
      expect(ahead).toBeGreaterThan(100);
      expect(ahead).toBeLessThan(2 ** 31);
    }
  });

  it("ends it by a reset, and repeats the SYN at once, but once", () => {
    const bench = new TcpBench();
    open(bench, 5000);
    const { sequence } = bench.sent[0];
    // As Linux in TIME-WAIT: it says what it expects of the earlier connection.
    for (let i = 0; i < 3; i++) bench.inject(answer({ flags: ack, sequence: 99, acknowledgment: 4711 }));
    expect(bench.sent.map(({ flags }) => flags)).toEqual([syn, rst, syn, rst, rst]);
    expect(bench.sent[1]).toMatchObject({ sequence: 4711 });
    expect(bench.sent[2]).toMatchObject({ sequence, sourcePort: 5000 });
    const options = [2, 4, 5, 0xb4];
    bench.inject(answer({ flags: syn | ack, sequence: 7, acknowledgment: (sequence + 1) >>> 0, options }));
    expect(bench.sent.at(-1)).toMatchObject({ flags: ack, acknowledgment: 8 });
    // Nothing is owed to a reset for an earlier one.
    open(bench, 5001);
    const before = bench.sent.length;
    bench.inject(answer({ destinationPort: 5001, flags: rst | ack, acknowledgment: 4711 }));
    expect(bench.sent).toHaveLength(before);
  });
});

describe("closing", () => {
  it("keeps the other direction open after either side's FIN", () => {
    for (const guestFirst of [true, false]) {
      const bench = new TcpBench();
      const { guest, host } = bench.open();
      if (guestFirst) {
        guest.finish();
        bench.clock.run(1e9);
        expect(host.ended).toBe(true);
        host.send(pattern(100_000));
        bench.clock.run(3e9);
        expect(guest.receivedBytes).toBe(100_000);
        host.finish();
      } else {
        host.finish();
        bench.clock.run(1e9);
        expect(guest.remoteFinished).toBe(true);
        guest.write(pattern(100_000));
        bench.clock.run(3e9);
        expect(host.receivedBytes).toBe(100_000);
        guest.finish();
      }
      bench.clock.run(1e9);
      host.close();
      bench.clock.run(5e9);
      expect(bench.stack.count).toBe(0);
      expect(host.aborted).toBe(false);
    }
  });

  it("hands resets on in both directions", () => {
    const bench = new TcpBench();
    const one = bench.open();
    one.guest.reset();
    bench.clock.run(1e9);
    expect(one.host.aborted).toBe(true);
    const two = bench.open();
    two.host.close("ECONNRESET");
    bench.clock.run(1e9);
    expect(two.guest.state).toBe("reset");
    expect(bench.stack.count).toBe(0);
  });

  it("lets a new SYN take over a connection in TIME-WAIT", () => {
    const bench = new TcpBench();
    const { guest, host } = bench.open();
    host.finish();
    bench.clock.run(100e6);
    guest.finish();
    bench.clock.run(100e6);
    expect([...bench.stack.connections()].map(({ stateName }) => stateName)).toEqual(["TIME-WAIT"]);
    bench.guests.length = 0;
    bench.inject(segment({ flags: syn, sequence: 500_000 }));
    bench.clock.run(1e6);
    expect(bench.hosts).toHaveLength(2);
    expect(bench.sent.at(-1)).toMatchObject({ flags: syn | ack, acknowledgment: 500_001 });
  });

  it("frees everything at its own end", () => {
    const bench = new TcpBench();
    const { guest, host } = bench.open();
    guest.reading = false;
    host.send(pattern(3_000_000));
    bench.clock.run(1e9);
    expect(bench.stack.budget.used).toBeGreaterThan(0);
    bench.stack.close();
    bench.clock.run(1e9);
    expect(host.aborted).toBe(true);
    expect(bench.stack.count).toBe(0);
    expect(bench.stack.budget.used).toBe(0);
    expect(guest.state).toBe("reset");
  });
});

describe("flow control", () => {
  it("shuts the window for a host that takes nothing, and holds no more than it promised", () => {
    const bench = new TcpBench({ limits: { receiveBufferBytes: 100_000 } });
    const { guest, host } = bench.open();
    host.taking = false;
    guest.write(pattern(500_000));
    bench.clock.run(20e9);
    expect(host.pendingBytes).toBeGreaterThanOrEqual(100_000);
    expect(host.pendingBytes).toBeLessThanOrEqual(110_000);
    expect(bench.sent.at(-1)?.window).toBe(0);
    host.taking = true;
    host.take(host.pendingBytes);
    bench.clock.run(20e9);
    expect(Buffer.concat(host.received).equals(pattern(500_000))).toBe(true);
  });

  it("pauses the host for a guest that doesn't read, probes its window, and goes on", () => {
    const bench = new TcpBench({ limits: { sendBufferBytes: 200_000 } });
    const { guest, host } = bench.open({ buffer: 51_200 });
    guest.reading = false;
    host.send(pattern(1_000_000));
    bench.clock.run(100e9);
    expect(host.paused).toBe(true);
    // The guest's window scale of 7 leaves some bytes of the buffer without a name.
    expect(guest.receivedBytes).toBeGreaterThan(51_200 - 128);
    expect(bench.stack.budget.used).toBeLessThan(300_000);
    const before = bench.sent.length;
    bench.clock.run(200e9);
    const probes = bench.sent.slice(before);
    expect(probes.length).toBeGreaterThan(1);
    expect(probes.length).toBeLessThan(10);
    expect(probes.every(({ payload }) => payload.length === 1)).toBe(true);
    guest.read();
    bench.clock.run(100e9);
    expect(Buffer.concat(guest.received).equals(pattern(1_000_000))).toBe(true);
  });

  it("keeps to the bytes that all connections may hold", () => {
    const bench = new TcpBench({ limits: { totalBufferBytes: 300_000 } });
    const pairs = Array.from({ length: 10 }, () => bench.open({ buffer: 8192 }));
    for (const { guest, host } of pairs) {
      guest.reading = false;
      host.taking = false;
      host.send(pattern(150_000));
      guest.write(pattern(150_000));
    }
    bench.clock.run(10e9);
    // Each connection may go beyond by one chunk of the host and one least window of the guest.
    expect(bench.stack.budget.used).toBeLessThan(300_000 + 10 * (65536 + 16384));
    for (const { guest, host } of pairs) {
      host.taking = true;
      host.take(host.pendingBytes);
      guest.read();
    }
    bench.clock.run(300e9);
    for (const { guest, host } of pairs) {
      expect(guest.receivedBytes).toBe(150_000);
      expect(host.receivedBytes).toBe(150_000);
    }
    expect(bench.stack.budget.used).toBe(0);
  });

  it("acknowledges every second full segment at once, and short ones", () => {
    const bench = new TcpBench();
    bench.open();
    const at = 1001;
    const acknowledgment = (bench.sent[0].sequence + 1) >>> 0;
    const from = bench.sent.length;
    const full = (n: number, flags = ack as number): void =>
      bench.inject(segment({ flags, sequence: at + n * 1460, acknowledgment, payload: pattern(1460) }));
    full(0);
    expect(bench.sent.length - from).toBe(0);
    full(1);
    expect(bench.sent.length - from).toBe(1);
    expect(bench.sent.at(-1)?.acknowledgment).toBe(at + 2 * 1460);
    full(2);
    bench.clock.run(45e6);
    expect(bench.sent.length - from).toBe(2);
    bench.inject(segment({ flags: ack | psh, sequence: at + 3 * 1460, acknowledgment, payload: pattern(10) }));
    expect(bench.sent.length - from).toBe(3);
  });

  it("leaves the acknowledgment to the answer, in a dialogue", () => {
    const bench = new TcpBench();
    const { host } = bench.open();
    const first = (bench.sent[0].sequence + 1) >>> 0;
    let [sequence, answers] = [1001, 0];
    const ask = (): number => {
      const from = bench.sent.length;
      const acknowledgment = first + 5 * answers;
      bench.inject(segment({ flags: ack | psh, sequence, acknowledgment, payload: pattern(10) }));
      sequence += 10;
      return bench.sent.length - from;
    };
    const answer = (): void => {
      host.send(pattern(5));
      bench.clock.run(1e6);
      expect(bench.sent.at(-1)).toMatchObject({ acknowledgment: sequence });
      answers++;
    };
    const acknowledged: number[] = [];
    for (let n = 0; n < 6; n++) {
      acknowledged.push(ask());
      answer();
    }
    expect(acknowledged).toEqual([1, 1, 1, 1, 0, 0]);
    // The guest has not finished: more follows, and is acknowledged at once.
    expect([ask(), ask()]).toEqual([0, 1]);
    answer();
    expect(ask()).toBe(1);
    // An answer that does not come: the acknowledgment goes alone, and the next ones at once.
    for (let n = 0; n < 4; n++) {
      answer();
      acknowledged.push(ask());
    }
    expect(acknowledged.slice(6)).toEqual([1, 1, 1, 0]);
    const from = bench.sent.length;
    bench.clock.run(45e6);
    expect(bench.sent.length - from).toBe(1);
    expect(bench.sent.at(-1)).toMatchObject({ flags: ack, acknowledgment: sequence });
    answer();
    expect(ask()).toBe(1);
  });

  it("sends a lost segment again after three duplicate acknowledgments", () => {
    let drop = -1;
    const bench = new TcpBench();
    const { guest, host } = bench.open();
    const receive = guest.receive.bind(guest);
    guest.receive = (packet): void => {
      if (packet.bytes.length > 1000 && ++drop === 2) return;
      receive(packet);
    };
    host.send(pattern(30_000));
    expect(bench.clock.run(100e6, () => guest.receivedBytes === 30_000)).toBe(true);
  });

  it("gives a guest up that acknowledges nothing", () => {
    const bench = new TcpBench();
    const { host } = bench.open();
    bench.guests.length = 0;
    host.send(pattern(10_000));
    bench.clock.run(2000e9);
    expect(bench.stack.count).toBe(0);
    expect(host.aborted).toBe(true);
    expect(bench.stack.budget.used).toBe(0);
  });
});

describe("guests that lie", () => {
  it("answers a segment of no connection with a reset of its numbers, and a reset with nothing", () => {
    const bench = new TcpBench();
    bench.inject(segment({ flags: ack, sequence: 1, acknowledgment: 99 }));
    expect(bench.sent.at(-1)).toMatchObject({ flags: rst, sequence: 99 });
    bench.inject(segment({ flags: fin, sequence: 5, payload: pattern(10) }));
    expect(bench.sent.at(-1)).toMatchObject({ flags: rst | ack, acknowledgment: 16 });
    bench.inject(segment({ flags: rst, sequence: 1 }));
    expect(bench.sent).toHaveLength(2);
  });

  it("asks back for resets and SYNs inside the window, and for numbers far away", () => {
    const bench = new TcpBench();
    const { host } = bench.open();
    const acknowledgment = (bench.sent[0].sequence + 1) >>> 0;
    for (const parts of [
      { flags: rst, sequence: 1010 },
      { flags: syn, sequence: 1010 },
      { flags: ack, sequence: 1001 + 2 ** 31, acknowledgment, payload: pattern(10) },
      { flags: ack, sequence: 1001, acknowledgment: (acknowledgment + 5) >>> 0, payload: pattern(10) },
      { flags: ack, sequence: 1001, acknowledgment: (acknowledgment - 2 ** 30) >>> 0, payload: pattern(10) },
    ]) {
      const before = bench.sent.length;
      bench.inject(segment(parts));
      expect(bench.sent.length - before).toBe(1);
      expect(bench.sent.at(-1)).toMatchObject({ flags: ack, acknowledgment: 1001 });
    }
    expect(host.receivedBytes).toBe(0);
    expect(host.aborted).toBe(false);
    bench.inject(segment({ flags: rst, sequence: 1001 }));
    expect(host.aborted).toBe(true);
  });

  it("answers no segment of another MAC address", () => {
    const bench = new TcpBench();
    const { host } = bench.open();
    const thief = segment({ flags: rst, sequence: 1001 });
    thief[11] ^= 1;
    bench.inject(thief);
    expect(host.aborted).toBe(false);
  });

  it("bounds a flood of SYNs and evicts the idlest connection", () => {
    const bench = new TcpBench({ silent: true, limits: { connectionsPerGuest: 50, backlogPerGuest: 10 } });
    for (let port = 1000; port < 2000; port++) bench.inject(segment({ sourcePort: port, flags: syn, sequence: 1 }));
    expect(bench.stack.count).toBe(10);
    expect(bench.stack.counters.droppedSyns).toBe(990);

    const other = new TcpBench({ limits: { connectionsPerGuest: 5, backlogPerGuest: 10 } });
    const pairs = Array.from({ length: 8 }, () => other.open());
    other.clock.run(1e9);
    expect(other.stack.count).toBe(5);
    expect(pairs.map(({ guest }) => guest.state)).toEqual([...Array(3).fill("reset"), ...Array(5).fill("open")]);
  });

  it("never throws and stays bounded, whatever stands in a segment", () => {
    const bench = new TcpBench({ limits: { connectionsPerGuest: 8, backlogPerGuest: 4, connections: 8 } });
    const { random } = bench;
    for (let i = 0; i < 20_000; i++) {
      const known = [...bench.stack.connections()];
      const near = 1001 + (random.nextU32() % 200) - 100;
      const payload = pattern(random.nextU32() % 40);
      bench.inject(
        segment({
          sourcePort: 40000 + (random.nextU32() % 4),
          flags: random.nextU32() % 64,
          sequence: random.fraction() < 0.7 ? near : random.nextU32(),
          acknowledgment: random.fraction() < 0.7 ? (bench.sent.at(-1)?.sequence ?? 0) + 1 : random.nextU32(),
          window: random.nextU32() % 65536,
          options: Array.from({ length: 4 * (random.nextU32() % 4) }, () => random.nextU32() % 6),
          payload,
        }),
      );
      if (i % 10 === 0) bench.clock.run(random.nextU32() % 100e6);
      if (i % 50 === 0 && known.length > 0) bench.hosts.at(-1)?.send(pattern(100));
    }
    expect(bench.stack.count).toBeLessThanOrEqual(8);
    bench.stack.close();
    bench.clock.run(1e9);
    expect(bench.stack.count).toBe(0);
    expect(bench.stack.budget.used).toBe(0);
  });
});
