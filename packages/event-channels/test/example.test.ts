import { expect, it } from "vitest";
import { heard } from "../examples/interdomain.ts";

it("runs the README's example", () => {
  expect(heard).toEqual(["domain 1: upcall on vcpu 0", "domain 0: event on port 1"]);
});
