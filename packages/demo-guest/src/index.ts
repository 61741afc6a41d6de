export { demoGuest } from "./demo-guest.ts";
