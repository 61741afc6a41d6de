import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { checkLinuxInitrd } from "../src/images/initrd-check.ts";
import { ConfigError } from "../src/index.ts";

/** A newc archive with one file. */
function cpio(data = "hello"): Buffer {
  const member = (name: string, content: string, mode: number) => {
    const fields = [1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
    const head = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
    const padded = (text: string) => text + "\0".repeat(-text.length & 3);
    return padded(head) + padded(content);
  };
  return Buffer.from(member("file", data, 0o100644) + member("TRAILER!!!", "", 0), "latin1");
}

describe("the check of an initial ram disk", () => {
  const zeros = Buffer.alloc(512);
  it.each([
    ["plain", cpio()],
    ["gzip", gzipSync(cpio())],
    ["padded", Buffer.concat([cpio(), zeros])],
    ["microcode, then gzip", Buffer.concat([cpio(), zeros, gzipSync(cpio())])],
    ["two plain ones", Buffer.concat([cpio(), zeros, cpio("more")])],
  ])("accepts: %s", async (_name, bytes) => {
    await checkLinuxInitrd(bytes, "initrd");
  });

  const gzip = gzipSync(cpio("x".repeat(5000)));
  const broken = Buffer.from(gzip);
  broken[20] ^= 0xff;
  it.each([
    ["empty", Buffer.alloc(0), "initrd is empty: give an initial ram disk or leave it out."],
    ["text", Buffer.from("hello, world"), /^initrd is no initial ram disk \(neither/],
    ["cut cpio", cpio("x".repeat(5000)).subarray(0, 4000), /^initrd is cut short/],
    ["cut gzip", gzip.subarray(0, gzip.length - 10), /^initrd is damaged: .*gzip/],
    ["damaged gzip", broken, /^initrd is damaged: .*gzip/],
    ["gzip of something else", gzipSync(Buffer.from("hello")), /no cpio archive\.$/],
    [
      "rubbish behind the archive",
      Buffer.concat([cpio(), Buffer.from("rubbish")]),
      /^initrd is damaged: byte \d+ begins/,
    ],
    ["a broken header", Buffer.from(cpio().toString("latin1").replace("00000005", "0000000z"), "latin1"), /^initrd/],
  ])("refuses in one sentence: %s", async (_name, bytes, message) => {
    const refused = checkLinuxInitrd(bytes, "initrd");
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.not.toThrow(/\n/);
  });
});
