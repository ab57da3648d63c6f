// The rules of style of the pages for authors and for whoever looks after operators: here before these pages show.
import { sheet } from "./sheet.js";

await sheet("rules.css");
