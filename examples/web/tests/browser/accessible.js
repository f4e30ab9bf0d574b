// What is wrong with this page for those who read it by other means, or on a small screen: a list of texts.
const problems = [];
const say = (what, element) => problems.push(what + (element ? ": " + element.outerHTML.slice(0, 140) : ""));
const all = (selector) => [...document.querySelectorAll(selector)];

if (document.documentElement.lang !== "en") say("the page has no language");
if (!document.title) say("the page has no title");
if (!document.querySelector('meta[name="viewport"]')) say("the page has no viewport");
for (const landmark of ["header", "main", "footer"]) {
  if (all("body > " + landmark).length !== 1) say("the page has not one " + landmark);
}

if (all("h1").length !== 1) say("the page has " + all("h1").length + " h1");
let level = 0;
for (const heading of all("h1, h2, h3, h4, h5, h6")) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) say("a level of headings is left out", heading);
  level = own;
}

for (const field of all("input:not([type=hidden]), select, textarea")) {
  if (![...field.labels].some((label) => label.textContent.trim())) say("a field has no label", field);
}
for (const element of all("a, button")) {
  if (!element.textContent.trim()) say("nothing says what this does", element);
}
for (const table of all("table")) {
  if (!table.caption || !table.caption.textContent.trim()) say("a table has no caption", table);
}
for (const heading of all("th:not([scope])")) say("a heading of a table has no scope", heading);
for (const drawing of all("svg:not([aria-hidden=true]), img:not([alt])")) say("a picture says nothing", drawing);
for (const message of all(".notice:not([role=status], [role=alert])")) say("a message is not announced", message);

const ids = all("[id]").map((element) => element.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) say("an id is there twice: " + id);
for (const element of all("[aria-labelledby]")) {
  if (!document.getElementById(element.getAttribute("aria-labelledby"))) say("a label is not there", element);
}

for (const element of all("button, input:not([type=hidden], [type=checkbox]), .button, nav a")) {
  const box = element.getBoundingClientRect();
  if (box.height < 24 || box.width < 24) say("too small to be hit", element);
}
const widest = document.documentElement.scrollWidth;
if (widest > innerWidth) say("the page scrolls sideways: " + widest + " of " + innerWidth);

const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
const luminance = (colour) => {
  const [red, green, blue] = numbers(colour).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const behind = (element) => {
  for (let node = element; node; node = node.parentElement) {
    const colour = getComputedStyle(node).backgroundColor;
    if ((numbers(colour)[3] ?? 1) === 1) return colour;
  }
  return "rgb(255, 255, 255)";
};
const contrast = (one, other) => {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
};
for (const element of all("body *")) {
  const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const box = element.getBoundingClientRect();
  if (!hasText || box.width <= 1 || box.height <= 1) continue;
  const ratio = contrast(getComputedStyle(element).color, behind(element));
  if (ratio < 4.5) say("a contrast of " + ratio.toFixed(2), element);
}
for (const field of all("input:not([type=hidden], [type=checkbox])")) {
  const ratio = contrast(getComputedStyle(field).borderTopColor, behind(field.parentElement));
  if (ratio < 3) say("a field whose edge has a contrast of " + ratio.toFixed(2), field);
}
return problems;
