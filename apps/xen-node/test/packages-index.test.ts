import { describe, expect, it } from "vitest";
import { kernelPackageOf, parsePackagesIndex } from "../src/fetch/packages-index.ts";

const index = `Package: linux-image-amd64
Version: 6.1.192-2
Depends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)
Description: Linux for 64-bit PCs (meta-package)
 This package depends on the latest Linux kernel.
 .
 More.

Package: busybox-static
Filename: pool/main/b/busybox/busybox-static_1.35.0-4_amd64.deb
`;

describe("a Packages index", () => {
  it("parses into paragraphs", () => {
    const paragraphs = [...parsePackagesIndex(index)];
    expect(paragraphs.map((paragraph) => paragraph.get("package"))).toEqual(["linux-image-amd64", "busybox-static"]);
    expect(paragraphs[0].get("description")).toContain("More.");
  });

  it("names the kernel behind the meta package", () => {
    const [meta, busybox] = parsePackagesIndex(index);
    expect(kernelPackageOf(meta)).toBe("linux-image-6.1.0-56-amd64");
    expect(kernelPackageOf(busybox)).toBeUndefined();
    expect(kernelPackageOf(new Map([["depends", "kmod, linux-image-6.12.1-amd64 | x"]]))).toBe(
      "linux-image-6.12.1-amd64",
    );
  });
});
