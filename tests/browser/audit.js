// What everybody needs of a page: a list of faults, in words. Contrast as WCAG 2.2, 1.4.3 and 1.4.11, counts it.
() => {
  const faults = [];
  const say = (what, element) => faults.push(`${what}: ${element.outerHTML.slice(0, 120)}`);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const text = (element) => (element.getAttribute("aria-label") || element.textContent || "").trim();

  if (!document.documentElement.lang) faults.push("no lang");
  if (!document.title.trim()) faults.push("no title");
  for (const landmark of ["header", "main"]) if (all(landmark).length !== 1) faults.push(`not one ${landmark}`);
  if (all("h1").length !== 1) faults.push("not one h1");
  let level = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) say("a level is left out", heading);
    level = next;
  }
  const ids = all("[id]").map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`id ${id} twice`);
  for (const name of ["aria-labelledby", "aria-describedby"])
    for (const element of all(`[${name}]`))
      for (const id of element.getAttribute(name).split(/\s+/)) if (!ids.includes(id)) say(`${name} of nothing`, element);
  for (const element of all('a[href^="#"]')) if (!ids.includes(element.hash.slice(1))) say("a link to nothing", element);
  for (const element of all("input:not([type=hidden]), textarea, select")) if (!element.labels.length) say("no label", element);
  for (const element of all("a[href], button, label, legend")) if (!text(element)) say("no text", element);
  for (const element of all("fieldset")) if (!element.querySelector("legend")) say("no legend", element);
  for (const element of all("section")) if (!element.hasAttribute("aria-labelledby")) say("a section without a name", element);
  for (const element of all("[tabindex]")) if (element.tabIndex > 0) say("an order of its own", element);
  for (const element of all("script:not([src]), [style], [onclick]")) say("inline", element);
  if (document.documentElement.scrollWidth > window.innerWidth) faults.push("wider than the window");

  const parse = (color) => {
    const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
    return [red, green, blue, alpha];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255, 1]);
  };
  const light = (color) => {
    const [r, g, b] = color.map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const shown = (element) => element.checkVisibility() && !element.closest(".hidden") && !element.matches(".skip");
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !shown(element)) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const under = ground(element);
    const ratio = contrast(over(parse(style.color), under), under);
    if (ratio < (large ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}`, element);
  }
  for (const element of all("input:not([type=hidden]):not([type=radio]):not([type=checkbox]), textarea, button.second")) {
    const under = ground(element.parentElement);
    const ratio = contrast(over(parse(getComputedStyle(element).borderTopColor), under), under);
    if (ratio < 3) say(`edge ${ratio.toFixed(2)}`, element);
  }
  for (const element of all("button, .button, input:not([type=hidden]), textarea")) {
    if (!element.checkVisibility()) continue;
    const box = (element.closest(".choice") || element).getBoundingClientRect();
    if (box.height < 24 || box.width < 24) say("too small to hit", element);
  }
  return faults;
}
