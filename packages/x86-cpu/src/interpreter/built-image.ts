import type { InterpreterImage } from "./image.ts";
import { generateInterpreter } from "./module.ts";

/**
 * The interpreter's image. The build of this package puts a file in the place of this one that holds it already: to generate
 * it takes as long as a twentieth of a boot of Linux.
 */
export const builtImage = (): InterpreterImage => generateInterpreter();
