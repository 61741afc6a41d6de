import { fileURLToPath } from "node:url";

/** This package's folder, with `include`, `runtime` and `templates`; the same from `src` and from `dist`. */
export const packageFolder = fileURLToPath(new URL("..", import.meta.url));
