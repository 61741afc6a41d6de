import { expect, it } from "vitest";
import { status, text } from "../examples/share-a-page.ts";

it("runs the README's example", () => {
  expect([text, status]).toEqual(["hello", 0]);
});
