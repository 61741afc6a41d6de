import { describe, expect, it } from "vitest";
import { ERROR, OKAY, RawDevice } from "./support/raw-frontend.ts";
import { TestDisk } from "./support/test-disk.ts";

const requests = (ref: number) => [
  { operation: 0, segments: [{ ref }] },
  { operation: 1, segments: [{ ref }] },
  { operation: 2, segments: [{ ref }] },
  { operation: 3 },
  { operation: 3, segments: [{ ref }] },
  { operation: 5, discardSectors: 8 },
];

describe("a disk that fails", () => {
  it.each(["rejects", "throws"])(
    "and %s gives the guest an error for every kind of request, and goes on",
    async (how) => {
      const disk = new TestDisk();
      const device = await RawDevice.connected({ disk });
      const { ref } = device.page();
      if (how === "throws") disk.throws = true;
      else disk.broken = "Input/output error";
      for (const request of requests(ref))
        expect(await device.ask(request)).toMatchObject({ operation: request.operation, status: ERROR });
      expect(device.backend.statistics()).toMatchObject({ errors: 6, inFlight: 0 });
      expect(device.bench.machine.mapped).toBe(1);
      disk.throws = false;
      disk.broken = undefined;
      for (const request of requests(ref)) expect(await device.status(request)).toBe(OKAY);
    },
  );

  it("is logged with its file and reason, once in five seconds and at the end", async () => {
    const disk = new TestDisk();
    const device = await RawDevice.connected({ disk });
    const { ref } = device.page();
    disk.broken = "No space left on device";
    for (let i = 0; i < 5; i++) await device.ask({ operation: 1, segments: [{ ref }] });
    const line = `${device.back}: test.img: No space left on device`;
    expect(device.bench.log).toEqual([line]);
    device.bench.time.nowMs += 5000;
    await device.ask({ operation: 1, segments: [{ ref }] });
    expect(device.bench.log.at(-1)).toBe(`${line} (and 4 more since the last such line)`);
    await device.ask({ operation: 1, segments: [{ ref }] });
    device.backend.close({ force: true });
    expect(device.bench.log.at(-1)).toBe(`${line} (last of 1 more)`);
    expect(device.bench.log).toHaveLength(3);
  });

  it("and rejects without an error still gives one", async () => {
    const disk = new TestDisk();
    const device = await RawDevice.connected({ disk });
    disk.flush = () => Promise.reject(undefined);
    expect(await device.status({ operation: 3 })).toBe(ERROR);
    expect(device.bench.log[0]).toContain("gave no reason");
    disk.flush = () => Promise.reject("only text");
    expect(await device.status({ operation: 3 })).toBe(ERROR);
    expect(device.backend.statistics().errors).toBe(2);
  });
});

it("a guest's grants that can't be mapped any more cost only the requests", async () => {
  const device = await RawDevice.connected();
  const { ref } = device.page();
  device.bench.machine.refuseMaps = true;
  expect(await device.status({ operation: 0, segments: [{ ref }] })).toBe(ERROR);
  device.bench.machine.refuseMaps = false;
  expect(await device.status({ operation: 0, segments: [{ ref }] })).toBe(OKAY);
});
