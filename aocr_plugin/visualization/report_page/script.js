"use strict";
(() => {
  const PAGE = 60;
  const $ = (id) => document.getElementById(id);
  const entries = JSON.parse($("data").textContent);
  let found = [], drawn = 0, pair = null;

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  const visible = (c) => c === "" ? "∅" : c === " " ? "␣" : c;
  const number = (v, digits) => v === null || v === undefined ? "–" : v.toFixed(digits);

  // ---- text against label, one cell a character; [index in text, index in label, edit]
  function aligned(entry) {
    const cells = [];
    let i = 0, j = 0;
    const same = (untilLabel, untilText) => {
      while (i < untilLabel && j < untilText) cells.push([j++, i++, ""]);
    };
    for (const [kind, atLabel, atText] of entry.edits) {
      same(atLabel, atText);
      if (kind === "replace") cells.push([j++, i++, kind]);
      else if (kind === "insert") cells.push([j++, null, kind]);
      else cells.push([null, i++, kind]);
    }
    same(entry.labels.length, entry.texts.length);
    return cells;
  }

  for (const entry of entries) {  // by code point, as Python counts
    entry.labels = Array.from(entry.label);
    entry.texts = Array.from(entry.text);
    entry.pairs = new Set(entry.edits.map(([kind, i, j]) =>
      (kind === "insert" ? "" : entry.labels[i]) + "\u0000" + (kind === "delete" ? "" : entry.texts[j])));
  }

  // ---- attention
  function weights(entry, step) {
    if (!entry.decoded) {
      entry.decoded = entry.looks.map(([first, text]) =>
        ({ first, values: Uint8Array.from(atob(text), (c) => c.charCodeAt(0)) }));
    }
    return entry.decoded[step];
  }

  function brightness(entry, step, width) {  // 0..1 a pixel, as in the strips
    const { first, values } = weights(entry, step);
    const most = Math.max(1, ...values), light = new Float32Array(width);
    for (let x = 0; x < width; x++) {
      const at = (x + 0.5) / width / entry.column - 0.5 - first, left = Math.floor(at);
      light[x] = ((values[left] || 0) * (1 - at + left) + (values[left + 1] || 0) * (at - left)) / most;
    }
    return light;
  }

  function highlight(entry, canvas, step) {
    const width = canvas.width = canvas.clientWidth || 1, height = canvas.height = 1;
    const ink = canvas.getContext("2d");
    ink.clearRect(0, 0, width, height);
    if (step === null || !entry.looks) return;
    brightness(entry, step, width).forEach((light, x) => {
      ink.fillStyle = `rgba(8,10,14,${0.72 * (1 - light)})`;
      ink.fillRect(x, 0, 1, height);
      ink.fillStyle = `rgba(255,170,20,${0.38 * light})`;
      ink.fillRect(x, 0, 1, height);
    });
  }

  const first = (light) => light.findIndex((value) => value > 0.08);

  function drawMap(entry, picture) {  // a line a character, aligned with the picture above
    const canvas = make("canvas", "map"), line = 16, ratio = window.devicePixelRatio || 1;
    const width = Math.max(60, picture.clientWidth), height = line * entry.texts.length;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "attention of each character over the picture's width");
    const ink = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    ink.scale(ratio, ratio);
    ink.fillStyle = colour("--bg");
    ink.fillRect(0, 0, width, height);
    ink.font = '12px ui-monospace, "DejaVu Sans Mono", monospace';
    ink.textBaseline = "middle";
    ink.direction = "ltr";
    entry.texts.forEach((character, step) => {
      const light = brightness(entry, step, width), top = step * line;
      let peak = 0;
      light.forEach((value, x) => {
        if (value > light[peak]) peak = x;
        if (value < 0.01) return;
        ink.fillStyle = `rgba(240,132,28,${value})`;
        ink.fillRect(x, top + 1, 1, line - 2);
      });
      let right = peak;
      while (right < width && light[right] > 0.08) right++;
      ink.fillStyle = colour("--ink");
      const score = entry.chars.length === entry.texts.length ? number(entry.chars[step], 2) : "";
      const note = `\u2066${visible(character)}\u2069 ${score}`, room = ink.measureText(note).width + 6;
      ink.textAlign = right + room > width ? "right" : "left";
      ink.fillText(note, right + room > width ? Math.max(room, first(light)) - 3 : right + 3, top + line / 2);
    });
    return canvas;
  }

  // ---- a row
  function buildRow(entry) {
    const row = make("li", entry.ok ? "row" : "row error"), seen = make("div", "seen");
    const picture = make("div", "picture"), image = make("img"), canvas = make("canvas");
    image.src = entry.picture;
    image.alt = entry.label;
    const scale = Math.min(2, 64 / Math.min(64, entry.size[1]), 960 / Math.min(960, entry.size[0]));
    const shrink = Math.min(1, 64 / entry.size[1], 960 / entry.size[0]);
    image.width = Math.round(entry.size[0] * shrink * scale);
    image.height = Math.round(entry.size[1] * shrink * scale);
    picture.append(image, canvas);
    seen.append(picture);

    const said = make("div", "said"), cells = make("div", "cells"), steps = [];
    cells.dir = "auto";
    const heads = make("div", "heads");
    heads.dir = "ltr";  // or "auto" would go by these words
    heads.append(make("div", "", "read"));
    if (!entry.ok) heads.append(make("div", "", "label"));
    cells.append(heads);
    const show = (step) => {
      steps.forEach((cell, index) => cell.classList.toggle("on", index === step));
      highlight(entry, canvas, step);
    };
    for (const [j, i, edit] of aligned(entry)) {
      const cell = make("div", edit ? "cell bad" : "cell");
      cell.append(make("div", "read", j === null ? "∅" : visible(entry.texts[j])));
      if (!entry.ok) cell.append(make("div", "wanted", i === null ? "∅" : visible(entry.labels[i])));
      if (j !== null) {
        const score = entry.chars.length === entry.texts.length ? entry.chars[j] : undefined;
        if (score !== undefined) {
          const bar = make("div", "bar"), filled = make("i", score < 0.5 ? "low" : "");
          filled.style.width = 100 * score + "%";
          bar.append(filled);
          cell.append(bar);
        }
        cell.title = `${visible(entry.texts[j])}: ${number(score, 3)}`;
        cell.addEventListener("mouseenter", () => show(j));
        steps[j] = cell;
      }
      cells.append(cell);
    }
    if (!entry.texts.length) cells.append(make("div", "map-note", "(nothing was read)"));
    cells.addEventListener("mouseleave", () => show(null));
    said.append(cells);

    const about = make("div", "about"), score = make("span", "", "score ");
    score.append(make("b", "", number(entry.score, 3)));
    about.append(score);
    if (entry.distance) about.append(make("span", "", `distance ${entry.distance}`));
    about.append(make("span", "file", entry.file));
    if (entry.looks && entry.texts.length) {
      picture.tabIndex = 0;
      picture.setAttribute("role", "group");
      picture.setAttribute("aria-label", `read ${entry.text}, label ${entry.label}; arrow keys show attention`);
      let at = -1;
      picture.addEventListener("keydown", (event) => {
        if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
        event.preventDefault();
        const count = entry.texts.length;
        at = ((event.key === "ArrowRight" ? at + 1 : Math.max(at, 0) - 1) + count) % count;
        show(at);
      });
      picture.addEventListener("blur", () => { at = -1; show(null); });
      const button = make("button", "", "attention");
      button.type = "button";
      button.setAttribute("aria-expanded", "false");
      button.addEventListener("click", () => {
        const map = seen.querySelector(".map");
        button.setAttribute("aria-expanded", String(!map));
        if (map) map.remove();
        else seen.append(drawMap(entry, picture));
      });
      about.append(button);
    }
    said.append(about);
    row.append(seen, said);
    return row;
  }

  // ---- the list
  const ORDERS = {
    worst: (a, b) => a.ok - b.ok || (a.ok ? (a.score ?? 0) - (b.score ?? 0) : (b.score ?? 0) - (a.score ?? 0)),
    distance: (a, b) => b.distance - a.distance || (b.score ?? 0) - (a.score ?? 0),
    score: (a, b) => (a.score ?? 0) - (b.score ?? 0),
    label: (a, b) => a.label < b.label ? -1 : a.label > b.label ? 1 : 0,
    file: (a, b) => a.file < b.file ? -1 : a.file > b.file ? 1 : 0,
  };

  function matcher() {
    const text = $("filter").value;
    $("filter").removeAttribute("aria-invalid");
    if (!text) return () => true;
    if ($("regex").checked) {
      try {
        const pattern = new RegExp(text, "u");
        return (entry) => pattern.test(entry.label) || pattern.test(entry.text);
      } catch {
        $("filter").setAttribute("aria-invalid", "true");
        return () => false;
      }
    }
    const wanted = text.toLowerCase();
    return (entry) => entry.label.toLowerCase().includes(wanted) || entry.text.toLowerCase().includes(wanted);
  }

  function more() {
    const part = document.createDocumentFragment();
    for (const entry of found.slice(drawn, drawn + PAGE)) part.append(buildRow(entry));
    drawn = Math.min(found.length, drawn + PAGE);
    $("rows").append(part);
    $("more").hidden = drawn >= found.length;
    const wrong = found.reduce((sum, entry) => sum + !entry.ok, 0);
    $("count").textContent = $("filter").getAttribute("aria-invalid")
      ? "This is no regular expression."
      : `${found.length} of ${entries.length} images, ${wrong} of them errors`
        + (drawn < found.length ? `; the first ${drawn} are drawn` : "");
  }

  function update() {
    const matches = matcher(), errorsOnly = $("errors-only").checked;
    found = entries.filter((entry) => (!errorsOnly || !entry.ok)
      && (pair === null || entry.pairs.has(pair)) && matches(entry));
    found.sort(ORDERS[$("sort").value]);
    drawn = 0;
    $("rows").replaceChildren();
    more();
  }

  $("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["filter", "regex", "errors-only", "sort"]) $(id).addEventListener("input", update);
  $("more").addEventListener("click", more);
  $("pair-clear").addEventListener("click", () => { pair = null; $("pair-clear").hidden = true; update(); });
  for (const button of document.querySelectorAll(".pair")) {
    button.addEventListener("click", () => {
      const { label, text } = button.dataset;
      pair = label + "\u0000" + text;
      $("pair-clear").textContent = `${visible(label)} → ${visible(text)} ✕`;
      $("pair-clear").hidden = false;
      update();
      $("controls").scrollIntoView();
    });
  }
  update();
})();
