import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "./support/cli.ts";
import { debianGuest, noRealGuests } from "./support/real-guests.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "xen-node-test-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

const file = async (name: string, content: string | Uint8Array): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
};

/** The smallest file that is an ELF executable of a machine. */
function elf(machine: number): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(58, 64, true);
  return bytes;
}

/** Runs the runner and checks that it refuses in one sentence. */
async function refusal(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await runCli(args);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(stderr).toMatch(/^xen-node: .*[.?]\n$/);
  expect(stderr).not.toMatch(/\bat .*:\d+:\d+/);
  expect(stdout).toBe("");
  expect(status).toBe(1);
  return stderr;
}

describe("bad input is answered with one sentence and exit status 1", () => {
  it("a kernel that is not there", async () => {
    expect(await refusal("run", "--kernel", join(folder, "none"))).toMatch(
      /none cannot be read: there is no such file/,
    );
  });

  it("a folder as kernel", async () => {
    expect(await refusal("run", "--kernel", folder)).toMatch(/it is a folder/);
  });

  it("an empty kernel", async () => {
    expect(await refusal("run", "--kernel", await file("empty", ""))).toMatch(/empty/);
  });

  it("a kernel that is none", async () => {
    expect(await refusal("run", "--kernel", await file("text", "hello, world\n".repeat(100)))).toMatch(
      /neither an ELF/,
    );
  });

  it("a kernel without Xen PV support", async () => {
    expect(await refusal("run", "--kernel", await file("plain", elf(62)))).toMatch(/no Xen notes|PV/);
  });

  it("a kernel for another architecture", async () => {
    expect(await refusal("run", "--kernel", await file("arm", elf(183)))).toMatch(/AArch64.*x86-64/);
  });

  it("a configuration that is not there", async () => {
    expect(await refusal("run", join(folder, "none.cfg"))).toMatch(/there is no such file/);
  });

  it("a wrong value in a configuration, after a warning of an unknown key", async () => {
    const config = await file("web.cfg", 'name = "web"\nkernel = "/boot/vmlinuz"\nmemroy = 128\ntype = "hvm"\n');
    const { status, stderr } = await runCli(["run", config]);
    expect(status).toBe(1);
    expect(stderr).toContain(`WARNING: ${config}, line 3: unknown key "memroy": did you mean "memory"?\n`);
    expect(stderr).toContain(`xen-node: ${config}, line 4: only PV and PVH guests can be run`);
  });

  it("a syntax error in a configuration", async () => {
    expect(await refusal("run", await file("bad.cfg", "name = web\n"))).toMatch(/line 1: .*put text in quotes/);
  });

  it("a kernel in the place of a configuration", async () => {
    expect(await refusal("run", await file("vmlinuz", elf(62)))).toMatch(/use --kernel/);
  });

  it("two guests of one name", async () => {
    const config = await file("twin.cfg", 'name = "web"\nkernel = "/boot/vmlinuz"\n');
    expect(await refusal("run", config, config)).toMatch(/two guests are named web/);
  });

  it("options beside a configuration", async () => {
    expect(await refusal("run", await file("a.cfg", 'name = "a"\nkernel = "k"\n'), "--memory", "9")).toMatch(
      /--memory/,
    );
  });

  it("a trace that cannot be written", async () => {
    expect(await refusal("run", "--trace", join(folder, "none", "trace.json"))).toMatch(/cannot be written/);
  });

  it("a wrong filter or address", async () => {
    expect(await refusal("run", "--log", "loud")).toMatch(/knows no level "loud"/);
    expect(await refusal("run", "--gdb", "here")).toMatch(/wants :PORT/);
  });

  it("a wrong setting of the translator, a listing of nothing and one that cannot be written", async () => {
    for (const command of ["run", "lockstep"])
      expect(await refusal(command, "--translator", "fast")).toMatch(/knows no setting "fast": use default, off/);
    const regions = join(folder, "regions.txt");
    expect(await refusal("run", "--translator", "off", "--dump-regions", regions)).toMatch(/--dump-regions/);
    expect(await refusal("run", "--dump-regions", join(folder, "none", "r"))).toMatch(/listing .* cannot be written/);
  });

  it("two guests to compare, and none for no instructions", async () => {
    const config = await file("one.cfg", 'name = "a"\nkernel = "k"\n');
    expect(await refusal("lockstep", config, config)).toMatch(/one configuration file/);
    expect(await refusal("lockstep", "--instructions", "0")).toMatch(/--instructions must be at least 1/);
  });

  it("a guest that cannot be fetched", async () => {
    expect(await refusal("fetch", "windows")).toMatch(/no guest "windows"/);
    const { status, stderr } = await runCli(["fetch", "debian", "--mirror", "http://127.0.0.1:9/", "--cache", folder]);
    expect(stderr.trimEnd().split("\n").at(-1)).toMatch(
      /^xen-node: http:.*does not answer \(.*\): check --mirror.*\.$/,
    );
    expect(status).toBe(1);
  });
});

describe.skipIf(noRealGuests)("bad input made from Debian's kernel", () => {
  let kernel: Uint8Array;
  beforeAll(async () => {
    kernel = await readFile((await debianGuest()).kernel);
  }, 300_000);

  it.each([300, 40_000, 4_000_000])("cut off after %d bytes", async (length) => {
    const path = await file("truncated", kernel.subarray(0, length));
    expect(await refusal("run", "--kernel", path)).toContain(path);
  });

  it("damaged in the middle", async () => {
    const damaged = Buffer.from(kernel);
    damaged.fill(0x55, 3_000_000, 3_000_100);
    expect(await refusal("run", "--kernel", await file("damaged", damaged))).toMatch(/damaged|corrupt|unpack|check/);
  });

  it("too little memory", async () => {
    expect(await refusal("run", "--memory", "8")).toMatch(/memory/);
    expect(await refusal("run", "--memory", "0")).toMatch(/memory must be a whole number/);
  });

  it("more vcpus than Xen's interface has", async () => {
    expect(await refusal("run", "--vcpus", "33")).toMatch(/vcpus must be a whole number from 1 to 32/);
  });

  it("a damaged initial ram disk", async () => {
    expect(await refusal("run", "--initrd", await file("rubbish", "rubbish"))).toMatch(/no initial ram disk/);
    const initrd = await readFile((await debianGuest()).initrd);
    const path = await file("cut", initrd.subarray(0, 1_000_000));
    expect(await refusal("run", "--initrd", path)).toMatch(/cut short/);
  });
});
