import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keysOf } from "../src/top-view.ts";
import { domain, type FakeDaemon, type FakeTerminal, fakeDaemon, fakeTerminal, machine } from "./support.ts";

const vcpu = (id: number, timeNs: number, online = true) => ({
  id,
  online,
  running: false,
  blocked: true,
  timeNs,
  processor: 0,
  affinity: null,
});
const domains = [
  domain(0, "Domain-0", { memoryKib: 0, running: true, blocked: false, timeNs: 1_234_500_000_000 }),
  domain(1, "web", {
    memoryKib: 131072,
    vcpus: [0, 1, 2, 3, 4, 5].map((id) => vcpu(id, id * 2_500_000_000, id !== 2)),
  }),
  domain(12, "a-long-name-of-a-guest", { blocked: false, paused: true, timeNs: 0 }),
];

let daemon: FakeDaemon;
let samples = 0;
beforeEach(async () => {
  samples = 0;
  daemon = await fakeDaemon({
    list: () => domains,
    info: () => machine,
    statistics: () => {
      samples++;
      const network = { sentPackets: 5, receivedPackets: 6, sentFlows: 1, sentDrops: 7, receivedDrops: 0 };
      return [
        {
          domid: 1,
          networks: [
            { handle: 0, sentBytes: 2048, receivedBytes: 4096, ...network },
            { handle: 1, sentBytes: 123_456_789_012, receivedBytes: 0, ...network },
          ],
          disks: [{ vdev: 51712, reads: 99_999_999, writes: 2, readSectors: 8, writtenSectors: 16, waits: 3 }],
        },
      ];
    },
  });
});
afterEach(() => daemon.close());

// The widths are those of the format strings in xentop.c of Xen 4.17.
const HEADER =
  "      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%) VCPUS NETS  NETTX(k) NETRX(k) VBDS   VBD_OO    VBD_RD   VBD_WR  VBD_RSECT  VBD_WSECT SSID";
const LONG =
  "a-long-nam ----p-          0    0.0     262144   25.0     262144      25.0     1    0         0        0    0        0         0        0          0          0    0";
const DOM0 =
  "  Domain-0 -----r       1234    0.0          0    0.0   no limit       n/a     1    0         0        0    0        0         0        0          0          0    0";
const WEB =
  "       web --b---         12    0.0     131072   12.5     262144      25.0     6    2 120563272        4    1        3  99999999        2          8         16    0";

describe("xl top -b", () => {
  const batch = async (...options: string[]) =>
    (await daemon.xl("top", "-b", "-i", "1", ...options)).stdout.trimEnd().split("\n");

  it("sorts by name, and widens columns for large numbers", async () => {
    expect(await batch()).toEqual([HEADER, LONG, DOM0, WEB]);
  });

  it("shows vcpus, networks and disks below their domain", async () => {
    expect((await batch("-v", "-n", "-x")).slice(-5)).toEqual([
      "VCPUs(sec):   0:          0s  1:          2s  3:          7s  4:         10s",
      "          5:         12s",
      "Net0 RX:     4096bytes        6pkts        0err        0drop  TX:     2048bytes        5pkts        0err        7drop",
      "Net1 RX:        0bytes        6pkts        0err        0drop  TX: 123456789012bytes        5pkts        0err        7drop",
      "VBD BlkBack 51712 [ca: 0]  OO:        3   RD: 99999999   WR:        2   RSECT:          8   WSECT:         16",
    ]);
  });

  it("repeats the header, with full names, Domain-0 first", async () => {
    const lines = await batch("-r", "-f", "-z");
    const header = `${" ".repeat(12)}${HEADER}`;
    expect(lines.map((line) => line.trimStart().split(" ")[0])).toEqual([
      "NAME",
      "Domain-0",
      "NAME",
      "a-long-name-of-a-guest",
      "NAME",
      "web",
    ]);
    expect(lines[0]).toBe(header);
    expect(lines[2]).toBe(header);
  });

  it("takes as many samples as it is told", async () => {
    const { status, stdout } = await daemon.xl("top", "-b", "-i", "3", "-d", "0");
    expect(status).toBe(0);
    expect(stdout.split("\n").filter((line) => line.startsWith("      NAME"))).toHaveLength(3);
  });
});

const ESCAPE = "\x1b";
const STYLE_OR_CLEAR = new RegExp(`${ESCAPE}\\[\\d*[mK]`, "g");

describe("xl top at a terminal", () => {
  let terminal: FakeTerminal;
  beforeEach(() => {
    terminal = fakeTerminal();
  });
  const start = (...options: string[]) => daemon.xlAt(terminal, "top", ...options);
  /** What the screen shows now. */
  const screen = (): string[] => {
    const text = terminal.text();
    const last = text.slice(text.lastIndexOf("\x1b[H") + 3, text.lastIndexOf("\x1b[J"));
    return last.split("\r\n").map((line) => line.replaceAll(STYLE_OR_CLEAR, ""));
  };
  const bottom = (): string => screen().at(-1) ?? "";
  const press = async (keys: string) => {
    const before = terminal.text().length;
    terminal.stdin.write(keys);
    await expect.poll(() => terminal.text().length).toBeGreaterThan(before);
  };
  const shown = () => expect.poll(() => screen().length).toBe(24);
  const expectRestored = () => {
    expect(terminal.raw()).toBe(false);
    expect(terminal.text().startsWith("\x1b[?1049h")).toBe(true);
    expect(terminal.text().endsWith("\x1b[?1049l")).toBe(true);
  };

  it("shows a summary, the table and the keys, until q", async () => {
    const ended = start();
    await shown();
    expect(terminal.raw()).toBe(true);
    expect(screen().slice(0, 7)).toEqual([
      "xentop - 12:34:56   Xen 4.17.0-node",
      "3 domains: 1 running, 1 blocked, 1 paused, 0 crashed, 0 dying, 0 shutdown ",
      "Mem: 1048576k total, 262144k used, 786432k free    CPUs: 1 @ 1000MHz",
      HEADER,
      LONG,
      DOM0,
      WEB,
    ]);
    expect(bottom()).toBe("  Delay  Networks  vBds  VCPUs  Repeat header  Sort order  Quit");
    terminal.stdin.write("q");
    expect(await ended).toEqual({ status: 0, stdout: "", stderr: "" });
    expectRestored();
    expect(samples).toBe(1);
  });

  it("N, B, V and R switch what is shown", async () => {
    const ended = start();
    await shown();
    for (const [key, line] of [
      ["n", /^Net0 RX: /],
      ["B", /^VBD BlkBack 51712 /],
      ["v", /^VCPUs\(sec\): /],
    ] as const) {
      await press(key);
      expect(screen().some((each) => line.test(each))).toBe(true);
      await press(key);
      expect(screen().some((each) => line.test(each))).toBe(false);
    }
    await press("R");
    expect(screen().filter((line) => line === HEADER)).toHaveLength(3);
    terminal.stdin.write("\x1b");
    expect((await ended).status).toBe(0);
    expectRestored();
  });

  it("S sorts by the next column, the arrows scroll", async () => {
    const ended = start();
    await shown();
    const names = () =>
      screen()
        .slice(4, 7)
        .map((line) => line.trim().split(" ")[0])
        .filter((name) => name !== "");
    expect(names()).toEqual(["a-long-nam", "Domain-0", "web"]);
    await press("s");
    // By state: blocked comes before paused, that before running.
    expect(names()).toEqual(["web", "a-long-nam", "Domain-0"]);
    await press("s");
    expect(names()).toEqual(["Domain-0", "web", "a-long-nam"]);
    await press("ss");
    expect(names()).toEqual(["a-long-nam", "web", "Domain-0"]);
    expect(terminal.text()).toContain("\x1b[1m    MEM(k)\x1b[22m");
    await press("\x1b[B");
    expect(names()).toEqual(["web", "Domain-0"]);
    await press("\x1bOA");
    expect(names()).toEqual(["a-long-nam", "web", "Domain-0"]);
    terminal.stdin.write("Q");
    await ended;
  });

  it("D asks for the delay, which counts from then on", async () => {
    const ended = start("-d", "100", "-i", "2");
    await shown();
    await press("d");
    expect(bottom()).toBe("  Delay(sec): ");
    await press("q92");
    await press("\x7f");
    expect(bottom()).toBe("  Delay(sec): q9");
    await press("\x1b");
    expect(bottom()).toMatch(/Quit$/);
    expect(samples).toBe(1);
    await press("d");
    terminal.stdin.write("1\r");
    expect((await ended).status).toBe(0);
    expect(samples).toBe(2);
    expectRestored();
  });

  it("a line that is longer than the screen goes on in the next, and none goes beyond the last", async () => {
    terminal = fakeTerminal({ rows: 8, columns: 100 });
    const ended = start();
    await expect.poll(() => screen().length).toBe(8);
    expect(screen().slice(3, 5)).toEqual([HEADER.slice(0, 100), HEADER.slice(100)]);
    terminal.stdout.rows = 6;
    terminal.stdout.emit("resize");
    await expect.poll(() => screen().length).toBe(6);
    terminal.stdin.write("q");
    await ended;
  });

  it.each([
    ["Ctrl-C", () => terminal.stdin.write("\x03"), 130],
    ["the terminal's end", () => terminal.stdin.end(), 129],
    ["output that nobody takes", () => terminal.stdout.emit("error", new Error("EIO")), 129],
    ["SIGTERM", () => process.emit("SIGTERM", "SIGTERM"), 143],
  ])("%s gives the terminal back", async (_, end, status) => {
    const ended = start();
    await shown();
    end();
    expect((await ended).status).toBe(status);
    expectRestored();
  });

  it("the daemon's end gives the terminal back, and is told after that", async () => {
    const ended = start("-d", "1");
    await shown();
    await daemon.close();
    expect(await ended).toEqual({ status: 1, stdout: "", stderr: "xl: nobody there.\n" });
    expectRestored();
  });

  it("without a terminal it says what to do", async () => {
    const { stdout } = terminal;
    expect(await daemon.xlAt({ ...terminal, stdout: Object.assign(stdout, { isTTY: false }) }, "top")).toEqual({
      status: 1,
      stdout: "",
      stderr: "xl top needs a terminal: use xl top -b where there is none.\n",
    });
  });
});

it("takes apart what a terminal sent at once", () => {
  expect(keysOf("q\x1b[A\x1bOBü\x1b")).toEqual(["q", "\x1b[A", "\x1bOB", "ü", "\x1b"]);
});
