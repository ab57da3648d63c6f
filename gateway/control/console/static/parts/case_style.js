// The rules of style of cases: here before their pages show.
import { sheet } from "./sheet.js";

await sheet("steer.css");
await sheet("cases.css");
