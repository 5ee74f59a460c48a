"""What axe says of a page. Contrast is two thirds of its work, and is a matter of ink on ground: each pair is looked at once."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")
TAGS = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
ALL_BUT_CONTRAST = {"runOnly": TAGS, "rules": {"color-contrast": {"enabled": False}}, "resultTypes": ["violations"]}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
LOOK = """async ([allButContrast, contrast, known]) => {
  const seen = new Set(known), fresh = new Set(), grounds = new Map(), clear = "rgba(0, 0, 0, 0)";
  const ground = (element) => {  // every layer that is painted behind the words, and how much shines through
    if (!element) return "";
    if (!grounds.has(element)) {
      const css = getComputedStyle(element), plain = css.backgroundColor === clear && css.backgroundImage === "none";
      const own = plain && css.opacity === "1" ? "" : `|${css.backgroundColor} ${css.backgroundImage} ${css.opacity}`;
      grounds.set(element, ground(element.parentElement) + own);
    }
    return grounds.get(element);
  };
  const speaks = (element) => element.matches("input, select, textarea, button")
    || [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const marked = [...document.body.querySelectorAll("*")].filter((element) => {
    if (!speaks(element) || !element.checkVisibility({visibilityProperty: true})) return false;
    const css = getComputedStyle(element);
    const ink = `${css.color} ${css.fontSize} ${css.fontWeight} ${css.textShadow} ${element.matches(":disabled")}`;
    const look = ink + ground(element);
    if (seen.has(look)) return false;
    fresh.add(look);
    return true;
  });
  const violations = (await axe.run(document, allButContrast)).violations;
  if (marked.length) {
    marked.forEach((element) => element.setAttribute("data-look", ""));
    violations.push(...(await axe.run({include: [["[data-look]"]]}, contrast)).violations);
    marked.forEach((element) => element.removeAttribute("data-look"));
  }
  return {violations, looks: [...fresh]};
}"""
_known: set[str] = set()


def troubles(page: Page) -> list[str]:
    """Where the page breaks WCAG A or AA gravely, a sentence each; ink and ground that this process knows are left out."""
    page.evaluate(Axe().axe_script)
    found: dict[str, Any] = page.evaluate(LOOK, [ALL_BUT_CONTRAST, CONTRAST, sorted(_known)])
    _known.update(found["looks"])
    return [
        f"{page.url}: {one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:3]}"
        for one in found["violations"] if one["impact"] in GRAVE
    ]
