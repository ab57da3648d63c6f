// The rules of style of the pages with which one steers: here before these pages show.
import { sheet } from "./sheet.js";

await sheet("steer.css");
