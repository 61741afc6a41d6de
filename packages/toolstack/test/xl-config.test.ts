import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDisk } from "../src/config/disk-config.ts";
import { parseVif } from "../src/config/vif-config.ts";
import { ConfigError, parseXlConfig, parseXlSyntax, type XlValue } from "../src/index.ts";

const values = (text: string) => Object.fromEntries(parseXlSyntax(text).map(({ key, value }) => [key, value]));

describe("the syntax of xl.cfg", () => {
  it.each([
    [`a = "x"`, { a: "x" }],
    [`a='x'; b = 2`, { a: "x", b: 2 }],
    ["a = 0x1F\nb = -3\n", { a: 31, b: -3 }],
    [`a = "it's" # comment\n#a = 2\n`, { a: "it's" }],
    [`a = 'say "hi"\\n\\x41\\101'`, { a: 'say "hi"\nAA' }],
    [`a = [ 'x', "y", 3 ]`, { a: ["x", "y", 3] }],
    ["a = [\n  [ 1, 2 ], # one\n  [],\n]\n", { a: [[1, 2], []] }],
    [`a = ["x"]\na += ["y"]`, { a: ["x", "y"] }],
    ["a = 1\na = 2", { a: 2 }],
    ["a = 1\r\nb = 2\r\n", { a: 1, b: 2 }],
    ["", {}],
    ["\n\n;;# nothing", {}],
  ])("%j", (text, expected) => {
    expect(values(text)).toEqual(expected);
  });

  it.each([
    ["a = x", /line 1: expected a string, a number or a list, found the bare word x; put text in quotes/],
    ["\na = 'x", /line 2: a string is not closed; end it with '/],
    ["a = [1, 2", /line 1: a list is not closed/],
    ["a = [1 2]", /expected "," or "]" in a list, found 2/],
    ["a 1", /expected "=" after a, found 1/],
    ["a = 1 2", /expected the end of the line after a, found 2/],
    ["= 1", /expected a key such as "kernel", found "="/],
    ["a = 1.5", /line 1/],
    ["a += 1", /adds a list to a list/],
    ["a = 128MB", /line 1/],
  ])("refuses %j", (text, message) => {
    expect(() => parseXlSyntax(text, "f.cfg")).toThrow(message);
    expect(() => parseXlSyntax(text, "f.cfg")).toThrow(ConfigError);
  });

  it("reads back every value it can write", () => {
    const write = (value: XlValue): string => {
      if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
      if (typeof value === "number") return String(value);
      const escaped = value.replace(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`));
      return `"${escaped}"`;
    };
    const { value } = fc.letrec<{ value: XlValue }>((tie) => ({
      value: fc.oneof(fc.string(), fc.integer(), fc.array(tie("value"), { maxLength: 3 })),
    }));
    fc.assert(
      fc.property(value, (written) => {
        expect(values(`key = ${write(written)}`)).toEqual({ key: written });
      }),
    );
  });
});

describe("a domain's configuration from xl.cfg", () => {
  it("takes the keys of a PV guest", () => {
    const text = `
      name = "web"            # as Ganeti and people write it
      type = 'pv'
      kernel = "/boot/vmlinuz"
      ramdisk = "/boot/initrd"
      root = "/dev/xvda1"
      extra = "ro console=hvc0"
      memory = 256
      maxmem = 512
      vcpus = 2
      maxvcpus = 4
      cpu_weight = 512
      cap = 50
      cpus = [ "0", "0-3,^2" ]
      disk = [ 'web.qcow2,qcow2,xvda,w',
               'phy:/dev/vg/data,xvdb,r' ]
      vif = [ '', 'bridge=lan,mac=00:16:3E:00:00:01,ip=192.168.7.1' ]
      on_reboot = "destroy"
    `;
    expect(parseXlConfig(text, "web.cfg")).toEqual({
      name: "web",
      type: "pv",
      kernel: "/boot/vmlinuz",
      ramdisk: "/boot/initrd",
      cmdline: "root=/dev/xvda1 ro console=hvc0",
      memory: 256,
      maxMemory: 512,
      maxVcpus: 4,
      cpuWeight: 512,
      cap: 50,
      cpus: ["0", "0-3,^2"],
      disks: [parseDisk("web.qcow2,qcow2,xvda,w"), parseDisk("phy:/dev/vg/data,xvdb,r")],
      vifs: [parseVif(""), parseVif("bridge=lan,mac=00:16:3e:00:00:01,ip=192.168.7.1")],
      vcpus: 2,
      onPoweroff: "destroy",
      onReboot: "destroy",
      onWatchdog: "destroy",
      onCrash: "destroy",
    });
  });

  const minimal = 'name = "a"\nkernel = "k"\n';
  it.each([
    [`${minimal}memroy = 4`, 'web.cfg, line 3: unknown key "memroy": did you mean "memory"?'],
    [`${minimal}zzzzzzzzzz = 4`, 'web.cfg, line 3: unknown key "zzzzzzzzzz": remove the line.'],
    [`${minimal}cpus_soft = "0"`, 'web.cfg, line 3: xl\'s key "cpus_soft" is not implemented yet: remove the line.'],
    [`${minimal}cpu_weight = 0`, "web.cfg: cpu_weight must be a whole number from 1 to 65535, not 0."],
    [`${minimal}cpus = "0-x"`, 'web.cfg: "0-x" is no list of processors: write one as "all", "0" or "0-3,^1".'],
    [`${minimal}cpus = [["0"]]`, /web\.cfg: cpus must be processors such as/],
    [
      `${minimal}type = "hvm"`,
      'web.cfg, line 3: only PV and PVH guests can be run, not "hvm": use type = "pv" or type = "pvh".',
    ],
    [`${minimal}type = "pvh"\nvcpus = 2`, "web.cfg: a PVH guest has one vcpu, not 2: set vcpus to 1."],
    [
      `${minimal}type = "pvh"\nmemory = 64\nmaxmem = 128`,
      "web.cfg: maxmem must be memory in a PVH guest, 64: remove it.",
    ],
    [`${minimal}vcpus = 33`, "web.cfg: vcpus must be a whole number from 1 to 32, not 33."],
    [`${minimal}memory = "many"`, 'web.cfg: memory must be a whole number from 1 to 4000, not "many".'],
    [`${minimal}maxmem = 8\nmemory = 9`, "web.cfg: memory is 9, more than maxmem, which is 8."],
    [`${minimal}maxvcpus = 1\nvcpus = 2`, "web.cfg: vcpus is 2, more than maxvcpus, which is 1."],
    [`${minimal}disk = ["a,raw,xvda,x"]`, /^web\.cfg, line 3: disk "a,raw,xvda,x": access must be/],
    [`${minimal}disk = ["a,raw,xvda,r", "b,raw,51712,w"]`, /two disks are xvda \(51712\)/],
    [`${minimal}disk = "a,raw,xvda,r"`, /disk must be a list such as/],
    [`${minimal}vif = ["mac=1"]`, /^web\.cfg, line 3: vif "mac=1": "1" is no MAC address/],
    [`${minimal}vif = [5]`, /vif must be a list such as/],
    [
      `${minimal}on_crash = "maybe"`,
      'web.cfg: on_crash must be one of destroy, restart, preserve, coredump-destroy, coredump-restart, not "maybe".',
    ],
    [`${minimal}cmdline = "a"\nextra = "b"`, /cmdline replaces root and extra: remove extra/],
    [`${minimal}extra = 3`, /extra must be text in quotes/],
    ['kernel = "k"', "web.cfg: name is missing; add it."],
    ['name = "a"', "web.cfg: kernel is missing; add it."],
    ['name = "a/b"\nkernel="k"', /name must be a name without spaces or slashes/],
  ])("refuses %j in one sentence", (text, message) => {
    expect(() => parseXlConfig(text, "web.cfg")).toThrow(message);
    try {
      parseXlConfig(text, "web.cfg");
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as Error).message).not.toContain("\n");
    }
  });

  it("takes a PVH guest", () => {
    expect(parseXlConfig(`${minimal}type = "pvh"`, "web.cfg").type).toBe("pvh");
    expect(parseXlConfig(`${minimal}builder = "linux"`, "web.cfg").type).toBe("pv");
  });

  it("warns of keys without effect, if somebody listens", () => {
    const warnings: string[] = [];
    const text = `${minimal}memroy = 4\ncpus_soft = 4\nmemory = 64\n`;
    expect(parseXlConfig(text, "web.cfg", (sentence) => warnings.push(sentence)).memory).toBe(64);
    expect(warnings).toEqual([
      'web.cfg, line 3: unknown key "memroy": did you mean "memory"?',
      'web.cfg, line 4: xl\'s key "cpus_soft" is not implemented yet: remove the line.',
    ]);
  });

  it("gives a guest all at the start that it may have, if only the most is said", () => {
    expect(parseXlConfig(`${minimal}maxmem = 64\nmaxvcpus = 2`)).toMatchObject({ memory: 64, vcpus: 2 });
  });
});
