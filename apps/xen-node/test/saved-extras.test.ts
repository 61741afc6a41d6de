import { describe, expect, it } from "vitest";
import { configFromJson } from "../src/saved/config-from-json.ts";
import { savedExtras } from "../src/saved/saved-extras.ts";

/** The configuration in a file of the first version that saved guests. */
const FIRST_VERSION =
  '{"c_info":{"type":"pv","name":"deb","uuid":"01234567-89ab-4cde-8f01-23456789abcd"},"b_info":{"max_vcpus":2,"avail_vcpus":[0,1],"max_memkb":147456,"target_memkb":147456,"kernel":"/k","type.pv":{}},"nics":[{"devid":0,"mac":"00:16:3e:00:00:01","mtu":1500,"bridge":"xenbr0"}],"on_poweroff":"destroy","on_reboot":"restart","on_crash":"destroy"}';

describe("what a saved guest's configuration has beside xl's", () => {
  it("is nothing in files of earlier versions and of xl, which are read", () => {
    expect(savedExtras(FIRST_VERSION, "f")).toEqual({});
    expect(configFromJson(FIRST_VERSION, "f")).toMatchObject({ name: "deb", vcpus: 2, memory: 144 });
  });

  it("comes back, and may have more in it than is known here", () => {
    const running = {
      targetKib: 100_000,
      maxKib: 147_456,
      scheduling: { scheduler: "credit2", weight: 512, cap: 50 },
      affinities: [1, -1],
    };
    const text = JSON.stringify({ ...JSON.parse(FIRST_VERSION), xen_node: { running, later: 1 } });
    expect(savedExtras(text, "f")).toEqual({ running });
    expect(configFromJson(text, "f")).toMatchObject({ name: "deb" });
  });

  it("is refused with a sentence if it is something else", () => {
    expect(() => savedExtras('{"xen_node": {"running": {"targetKib": "x"}}}', "f")).toThrow(
      "f: xen_node in its configuration cannot be read: running.targetKib is wrong.",
    );
    expect(() => savedExtras("{", "f")).toThrow("f: the configuration in it is no JSON.");
  });
});
