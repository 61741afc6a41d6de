import { describe, expect, it } from "vitest";
import { type DiskConfig, parseDisk } from "../src/config/disk-config.ts";
import { parseVirtualDevice } from "../src/config/virtual-device.ts";

const xvda: DiskConfig = {
  target: "/images/root.img",
  format: "raw",
  vdev: { name: "xvda", number: 51712 },
  readOnly: false,
  cdrom: false,
  removable: false,
  discard: true,
  shared: false,
};

describe("a disk in xl's syntax", () => {
  it.each<[string, Partial<DiskConfig>]>([
    ["/images/root.img,raw,xvda,w", {}],
    ["/images/root.img, raw, xvda, rw", {}],
    ["/images/root.img,,xvda", {}],
    ["format=raw, vdev=xvda, access=rw, target=/images/root.img", {}],
    ["vdev=xvda,target=/images/with,comma = 1.img", { target: "/images/with,comma = 1.img" }],
    ["/images/root.img,qcow2,xvda,ro", { format: "qcow2", readOnly: true }],
    ["/images/root.img,raw,xvda,r,no-discard", { readOnly: true, discard: false }],
    ["/images/root.img,raw,xvda,direct-io-safe,backendtype=qdisk,discard", {}],
    ["/images/root.img,raw,xvda,w!", { shared: true }],
    ["phy:/dev/vg/guest,xvda,w", { target: "/dev/vg/guest" }],
    ["file:/images/root.img,xvda1,r", { vdev: { name: "xvda1", number: 51713 }, readOnly: true }],
    ["tap:qcow2:/images/root.img,xvda,w", { format: "qcow2" }],
    ["tap:aio:/images/root.img,xvda,w", {}],
    [
      "/images/cd.iso,raw,hdc:cdrom,r",
      { target: "/images/cd.iso", vdev: { name: "hdc", number: 5632 }, readOnly: true, cdrom: true, removable: true },
    ],
    [
      "vdev=xvdc,devtype=cdrom",
      { target: "", vdev: { name: "xvdc", number: 51744 }, readOnly: true, cdrom: true, removable: true },
    ],
    ["https://images.example/root.img,raw,xvda,r", { target: "https://images.example/root.img", readOnly: true }],
  ])("%s", (text, differences) => {
    expect(parseDisk(text)).toEqual({ ...xvda, ...differences });
  });

  it.each([
    ["", /it has no vdev/],
    ["/a,raw", /it has no vdev/],
    ["/a,raw,root", /"root" is no virtual device/],
    [",raw,xvda,w", /it has no target/],
    ["/a,vhd,xvda", /format vhd is not implemented: convert/],
    [",empty,xvda,r", /drives without a medium are not implemented: name an image/],
    ["/a,tar,xvda", /there is no format "tar"/],
    ["/a,raw,xvda,x", /access must be r, ro, w or rw, not "x"/],
    ["/a,raw,xvda,w,5", /"5" is one value too many/],
    ["/a,raw,xvda,w,format=qcow2", /format is given twice/],
    ["/a,raw,xvda,w,backend=3", /driver domains are not implemented/],
    ["/a,raw,xvda,w,script=block-iscsi", /block scripts are not run/],
    ["/a,raw,xvda,w,specification=virtio", /only Xen's own block protocol/],
    ["/a,raw,xvda,w,colour=red", /"colour" is no key of a disk/],
    ["/a,raw,xvda,w,devtype=floppy", /devtype must be disk or cdrom/],
  ])("%s is refused", (text, message) => {
    expect(() => parseDisk(text)).toThrow(message);
    expect(() => parseDisk(text)).toThrow(/^disk ".*": [^.].*\.$/);
  });
});

describe("a virtual device's number (xen-vbd-interface(7))", () => {
  it.each([
    ["xvda", 51712],
    ["xvda1", 51713],
    ["xvdp15", 51967],
    ["xvdq", (1 << 28) | (16 << 8)],
    ["xvda16", (1 << 28) | 16],
    ["xvdaa", (1 << 28) | (26 << 8)],
    ["hda", 768],
    ["hdb1", 833],
    ["hdc", 5632],
    ["sda", 2048],
    ["sdb2", 2066],
    ["d0", 51712],
    ["d1p2", 51730],
    ["51728", 51728],
    ["0xca10", 51728],
  ])("%s is %d", (name, number) => {
    expect(parseVirtualDevice(name)?.number).toBe(number);
  });

  it("is named as Linux names it", () => {
    expect(parseVirtualDevice("51728")?.name).toBe("xvdb");
    expect(parseVirtualDevice("d30p200")?.name).toBe("xvdae200");
    expect(parseVirtualDevice(String((1 << 28) | (26 << 8)))?.name).toBe("xvdaa");
  });

  it.each(["", "xvd", "xvda01", "hde", "sdq", "xvda256", "d1p256", "0", "-1", "1e3", "xvdzzzzz"])(
    "%s is none",
    (name) => {
      expect(parseVirtualDevice(name)).toBeUndefined();
    },
  );
});
