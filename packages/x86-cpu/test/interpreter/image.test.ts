import { expect, it } from "vitest";
import { packImage, unpackImage } from "../../src/interpreter/image.ts";
import { generateInterpreter } from "../../src/interpreter/module.ts";

it("an image is the same when it was packed into the build and unpacked", () => {
  const image = generateInterpreter();
  expect(unpackImage(JSON.parse(packImage(image)))).toEqual(image);
});
