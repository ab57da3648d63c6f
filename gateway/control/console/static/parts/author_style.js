// The rules of style of the pages for authors and for whoever looks after operators: here before these pages show.
const link = document.createElement("link");
link.rel = "stylesheet";
link.href = new URL("../pages/rules.css", import.meta.url).href;
const there = new Promise((done) => {
  link.addEventListener("load", done);
  link.addEventListener("error", done);
});
document.head.append(link);
await there;
