// Uses plans as pages in a browser: what is asserted here is what a person would see.
"use strict";

const fs = require("fs");
const path = require("path");
const { chromium } = require("playwright-core");

const { PAGES, OUT } = process.env;
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
  const open = async (name, scheme) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: scheme });
    const page = await context.newPage();
    const problems = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("dialog", (dialog) => problems.push(`a dialog: ${dialog.message()}`) && dialog.dismiss());
    page.on("request", (request) => request.url().startsWith("file:") || problems.push(request.url()));
    const began = Date.now();
    await page.goto(`file://${path.join(PAGES, name)}.html`);
    await page.waitForFunction(() => document.getElementById("summary").textContent !== "");
    const took = Date.now() - began;
    const visible = () => page.locator("details:not(.off)").count();
    const boxes = () => page.locator("#drawing g[data-node]").count();
    const done = async () => {
      check(`no problem in ${name}: ${problems.join("; ")}`, problems.length === 0);
      await context.close();
    };
    return { page, visible, boxes, done, took };
  };

  // Ten tools: each of what is done, a secret, text that looks like a script.
  {
    const { page, visible, boxes, done } = await open("10", "light");
    const summary = await page.textContent("#summary");
    say(`10: ${summary}`);
    const grouped = page.locator("p.same").first();
    say(`10: ${(await grouped.textContent()).replace(/\s+/g, " ").trim()}`);
    const folded = await visible();
    check("one box is drawn for all that are the same", (await boxes()) === folded);
    await grouped.locator("button").click();
    check("as many boxes as tools", (await boxes()) === (await visible()) && (await visible()) === folded + 9);
    await grouped.locator("button").click();
    check("folded again", (await boxes()) === folded && (await visible()) === folded);
    await page.keyboard.press("j");
    const first = await page.locator("details.chosen b").textContent();
    await page.keyboard.press("j");
    check("the next tool", (await page.locator("details.chosen b").textContent()) !== first);
    await page.keyboard.press("k");
    check("the one before", (await page.locator("details.chosen b").textContent()) === first);
    check("its box is marked", (await page.locator("#drawing g.chosen").count()) === 1);
    check("what changes is unfolded", (await page.locator("details.chosen[open] .inside").count()) === 1);
    say(`10: ${first}: ${(await page.locator("details.chosen td").allTextContents()).join(" ")}`);
    await page.keyboard.press("/");
    await page.keyboard.type("alert");
    await page.waitForFunction(() => document.querySelectorAll("details:not(.off)").length === 1);
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    await page.locator("details:not(.off) .inside").waitFor();
    say(`10: found: ${(await page.locator("details:not(.off) td").allTextContents()).join(" ")}`);
    check("text stays text", (await page.locator("details:not(.off) .inside script").count()) === 0);
    await page.fill("#search", "");
    await page.waitForFunction(() => document.querySelectorAll("details:not(.off)").length > 1);
    await page.locator('input[data-action="delete"]').uncheck();
    check("no deletes", (await page.locator("details:not(.off) .sign.delete").count()) === 0);
    await done();
  }

  // The changes that are hardest to show: a text line by line and side by side, data, a command, drift, a secret, bytes.
  {
    const { page, done } = await open("hard", "light");
    say(`hard: ${await page.textContent("#summary")}`);
    const facts = await page.textContent("#facts");
    check("who made it, when, and of which params", ["Made by", "Time", "param channel"].every((fact) => facts.includes(fact)));
    check("no raw backticks", !(await page.locator("body").innerText()).includes("`"));
    check("drift", await page.locator("#drift").isVisible());
    say(`hard: ${(await page.locator("#drift").innerText()).replace(/\s+/g, " ").trim()}`);
    const told = async (name) => {
      const found = page.locator(`details:has(summary b:text-is("${name}")) .inside`);
      say(`hard: ${name}: ${(await found.innerText()).replace(/\s+/g, " ").trim()}`);
    };
    for (const name of ["build", "config", "credentials", "notes", "values"]) await told(name);
    check("no secret", !(await page.content()).includes("staple"));
    check("inline", await page.locator("table.inline").first().isVisible());
    const fold = page.locator("table.inline .fold button").first();
    await fold.click();
    await page.screenshot({ path: path.join(OUT, "plan-inline.png") });
    await page.click("#sides");
    check("side by side", await page.locator("table.sides").first().isVisible());
    check("not both", !(await page.locator("table.inline").first().isVisible()));
    await page.screenshot({ path: path.join(OUT, "plan-sides.png"), fullPage: true });
    await done();
  }

  // A page in the dark, a click on a box, what is not known and why.
  {
    const { page, visible, boxes, done } = await open("300", "dark");
    say(`300: ${await page.textContent("#summary")}`);
    check("a box and a tool for each layer", (await boxes()) === 30 && (await visible()) === 30);
    check("dark", (await page.evaluate(() => document.documentElement.dataset.theme)) === "dark");
    await page.click("#theme");
    check("light", (await page.evaluate(() => document.documentElement.dataset.theme)) === "light");
    const box = page.locator('#drawing g[aria-label="create layer3[\\"0\\"]"]');
    await box.scrollIntoViewIfNeeded();
    await box.click();
    await page.locator("details.chosen .inside").waitFor();
    const told = (await page.locator("details.chosen .inside").textContent()).replace(/\s+/g, " ").trim();
    check("why it is not known", told.includes('known after layer2["0"], layer2["1"]'));
    say(`300: ${told}`);
    await page.fill("#search", 'layer3["5"]');
    await page.waitForFunction(() => document.querySelectorAll("details:not(.off)").length === 1);
    await done();
  }

  // Three thousand.
  {
    const { page, visible, boxes, done, took } = await open("3000", "light");
    say(`3000: ${await page.textContent("#summary")}`);
    check("a box and a tool for each layer", (await boxes()) === 300 && (await visible()) === 300);
    const began = Date.now();
    await page.fill("#search", "layer299");
    await page.waitForFunction(() => document.querySelectorAll("details:not(.off)").length === 10);
    console.error(`3,000 tools: opened in ${took} ms, searched in ${Date.now() - began} ms`);
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.locator("details.chosen .inside").waitFor();
    await done();
  }

  // The example, as a picture in light and in dark.
  for (const scheme of ["light", "dark"]) {
    const { page, visible, done } = await open("services", scheme);
    if (scheme === "light") say(`services: ${await page.textContent("#summary")}`);
    check("the tools of the example", (await visible()) > 3);
    for (let i = 0; i < 3; i++) await page.keyboard.press("j");
    await page.locator("details.chosen .inside").waitFor();
    await page.evaluate(() => window.scrollTo(0, 0));
    await page.screenshot({ path: path.join(OUT, `plan-${scheme}.png`) });
    await done();
  }
  await browser.close();
  fs.writeFileSync(path.join(OUT, "transcript.txt"), `${lines.join("\n")}\n`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
