import { parseXlConfig } from "@xen-node/toolstack";
import { describe, expect, it } from "vitest";
import { configJson } from "../src/daemon/config-json.ts";
import { configFromJson } from "../src/saved/config-from-json.ts";

const UUID = "01234567-89ab-4cde-8f01-23456789abcd";

describe("the configuration in a save file", () => {
  it.each([
    ['kernel = "/k"'],
    ['kernel = "/k"\nramdisk = "/r"\nextra = "quiet"\nmemory = 100\nmaxmem = 200\nvcpus = 2\nmaxvcpus = 4'],
    [
      'kernel = "/k"\ndisk = ["format=qcow2,vdev=xvda,access=w,target=/a,b.img", "/c.iso,raw,hdc:cdrom,r", "/shared,raw,d3p2,w!", "http://x/y,raw,xvdz,r,removable,no-discard"]',
    ],
    [
      'kernel = "/k"\nvif = ["mac=00:16:3e:00:00:01,bridge=lan,ip=10.0.0.1 fe80::1,rate=1MB/s@20ms,mtu=9000,vifname=web", ""]\non_crash = "preserve"\non_watchdog = "coredump-restart"\npool = "batch"\non_poweroff = "restart"',
    ],
  ])("means what the xl.cfg said: %s", (text) => {
    const config = { maxMemory: 128, maxVcpus: 1, ...parseXlConfig(`name = "web"\n${text}`), uuid: UUID };
    expect(configFromJson(JSON.stringify(configJson(config, UUID)), "f")).toEqual(config);
  });

  it("is refused with a sentence if it is something else", () => {
    for (const [text, sentence] of [
      ["{", "f: the configuration in it is no JSON."],
      ["[]", "f: the configuration in it is not one of a PV guest: c_info is wrong."],
      [
        '{"c_info": {"type": "hvm", "name": "w"}, "b_info": {"max_memkb": 1024}}',
        "f: the configuration in it is not one of a PV guest: c_info.type is wrong.",
      ],
    ])
      expect(() => configFromJson(text, "f")).toThrow(sentence);
  });
});
