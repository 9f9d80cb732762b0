// Drives VS Code in a browser: what is asserted here is what a person would see.
"use strict";

const fs = require("fs");
const path = require("path");
const { chromium } = require("playwright-core");

const { PORT, PROJECT, OUT } = process.env;
const lines = [];
const say = (text) => lines.push(text);
const check = (what, holds) => {
  if (!holds) throw new Error(`not seen: ${what}`);
};

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
  const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
  page.setDefaultTimeout(60000);
  const address = `http://127.0.0.1:${PORT}/?folder=${PROJECT}`;
  for (let tries = 0; ; tries++) {
    try {
      await page.goto(address);
      break;
    } catch (error) {
      if (tries > 100) throw error;
      await page.waitForTimeout(200);
    }
  }
  const open = async (name) => {
    await page.waitForSelector(".monaco-workbench");
    await page.keyboard.press("Control+P");
    await page.waitForSelector(".quick-input-widget input");
    await page.keyboard.type(name);
    await page.waitForSelector(`.quick-input-list .monaco-list-row[aria-label*="${name}"]`);
    await page.keyboard.press("Enter");
    await page.waitForSelector(`.tab.active[data-resource-name="${name}"]`);
  };
  const mode = () => page.textContent("#status\\.editor\\.mode");

  await open("main.dts");
  await page.waitForFunction(() => document.querySelector("#status\\.editor\\.mode")?.textContent === "dtm");
  say(`main.dts is of the language: ${await mode()}`);

  await page.waitForSelector(".squiggly-error");
  const squiggles = await page.locator(".squiggly-error").count();
  say(`squiggles: ${squiggles}`);
  check("one squiggle", squiggles === 1);

  // Hover over the misspelt input: the message with its code and its help.
  await page.locator(".view-line span", { hasText: "contnet" }).last().hover();
  await page.waitForSelector(".monaco-hover:not(.hidden) .marker");
  const marker = (await page.textContent(".monaco-hover:not(.hidden) .marker")).replace(/\s+/g, " ").trim();
  check("the message", marker.includes("unknown input `contnet`") && marker.includes("E0303"));
  say(`hover over the squiggle: ${marker}`);
  await page.screenshot({ path: path.join(OUT, "squiggle.png") });

  // Hover over a name.
  await page.keyboard.press("Escape");
  await page.mouse.move(600, 700);
  await page.locator(".view-line span", { hasText: /^env$/ }).first().hover();
  const hover = page.locator(".monaco-hover:not(.hidden) .hover-contents", { hasText: "param env" });
  await hover.first().waitFor();
  say(`hover over env: ${(await hover.first().textContent()).replace(/\s+/g, " ").trim()}`);

  // Completion at the end of the file.
  await page.keyboard.press("Escape");
  await page.locator(".view-line").last().click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("output size = notes.");
  await page.waitForSelector(".suggest-widget.visible .monaco-list-row");
  const labels = await page.locator(".suggest-widget.visible .monaco-list-row .label-name").allTextContents();
  check("the outputs", labels[0] === "absolute" && labels.includes("sha256") && labels.includes("size"));
  say(`completion after \`notes.\`: ${labels.join(", ")}`);
  await page.screenshot({ path: path.join(OUT, "completion.png") });
  await page.keyboard.type("size");
  await page.keyboard.press("Escape");

  await open("tree.dts");
  await page.waitForTimeout(1000);
  check("a device tree is left alone", (await mode()) !== "dtm");
  say(`tree.dts is of the language: ${await mode()}`);
  await browser.close();
}

main().then(
  () => fs.writeFileSync(path.join(OUT, "transcript.txt"), lines.join("\n") + "\n"),
  (error) => {
    console.error(lines.join("\n"));
    console.error(error);
    process.exit(1);
  },
);
