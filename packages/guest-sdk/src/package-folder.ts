import { fileURLToPath } from "node:url";

/**
 * This package's folder, with `include`, `runtime` and `templates`; the same from `src` and from `dist`. A program that
 * this package was bundled into names it in $XEN_GUEST_SDK.
 */
export const packageFolder = process.env.XEN_GUEST_SDK || fileURLToPath(new URL("..", import.meta.url));
