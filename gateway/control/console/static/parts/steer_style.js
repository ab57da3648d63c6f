// The rules of style of the pages with which one steers: here before these pages show.
const link = document.createElement("link");
link.rel = "stylesheet";
link.href = new URL("../pages/steer.css", import.meta.url).href;
const there = new Promise((done) => {
  link.addEventListener("load", done);
  link.addEventListener("error", done);
});
document.head.append(link);
await there;
