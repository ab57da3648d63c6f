// Rules of style that only some pages need.

/** Have a file of `pages/` in force before who waits for this shows anything; once, however often it is asked for. */
export async function sheet(name) {
  const href = new URL(`../pages/${name}`, import.meta.url).href;
  if ([...document.styleSheets].some((one) => one.href === href)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  const there = new Promise((done) => {
    link.addEventListener("load", done);
    link.addEventListener("error", done);
  });
  document.head.append(link);
  await there;
}
