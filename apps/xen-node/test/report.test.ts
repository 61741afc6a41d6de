import { ELFCLASS64, ImageError, type KernelImage, PT_LOAD } from "@xen-node/guest-images";
import { describe, expect, it } from "vitest";
import { filteredLog, parseLogFilter } from "../src/report/log-filter.ts";
import { MarkerWatch } from "../src/report/marker-watch.ts";
import { symbolizerOf } from "../src/report/symbolizer.ts";
import { UserError } from "../src/user-error.ts";

describe("--log", () => {
  it.each([
    [undefined, ["warning mm", "error mm", "warning time", "error time"]],
    ["silent", []],
    ["error", ["error mm", "error time"]],
    ["mm=debug,error", ["debug mm", "info mm", "warning mm", "error mm", "error time"]],
    ["debug,time=silent", ["debug mm", "info mm", "warning mm", "error mm"]],
  ])("%s", (text, expected) => {
    const lines: string[] = [];
    const log = filteredLog(parseLogFilter(text), (line) => lines.push(line));
    for (const subsystem of ["mm", "time"]) {
      for (const level of ["debug", "info", "warning", "error"] as const)
        log.log(level, subsystem, `${level} ${subsystem}`);
    }
    expect(lines.map((line) => line.replace(/^.*: /, ""))).toEqual(expected);
  });

  it("refuses an unknown level in one sentence", () => {
    expect(() => parseLogFilter("mm=loud")).toThrow(UserError);
    expect(() => parseLogFilter("mm=loud")).toThrow(/knows no level "loud": use debug, info/);
  });
});

describe("symbols for a crash", () => {
  it("are none where the kernel's file has been changed since, and the crash is still told of", () => {
    const changed = (): never => {
      throw new ImageError("corrupt", "the file was changed");
    };
    const segment = { type: PT_LOAD, offset: 0, fileSize: 64, memorySize: 64, flags: 7 };
    const segments = [{ ...segment, virtualAddress: 0, physicalAddress: 0 }];
    const source = { size: 64, bytes: changed, pieces: changed };
    const elf = { source, elfClass: ELFCLASS64, type: 2, machine: 62, entry: 0, segments, sections: [] } as const;
    const kernel = { elf } as unknown as KernelImage;
    expect(symbolizerOf({ kernel, ramdisk: undefined, disks: [] })(0x1000)).toBeUndefined();
  });
});

describe("the watch for a marker", () => {
  it.each([[["Userspace"]], [["xxUser", "space"]], [[..."abUserspaceab"]], [["UserUser", "spaceUserspace"]]])(
    "finds it in %j, once",
    (pieces) => {
      let found = 0;
      const watch = new MarkerWatch("Userspace", () => found++);
      for (const piece of pieces) watch.push(Buffer.from(piece));
      expect(found).toBe(1);
    },
  );

  it("finds nothing where nothing is", () => {
    const watch = new MarkerWatch("Userspace", () => expect.unreachable());
    for (const piece of ["User", "spac", "Usersp", "e"]) watch.push(Buffer.from(piece));
  });
});
