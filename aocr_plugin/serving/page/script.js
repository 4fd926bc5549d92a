"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  let asked = 0, shown = null;

  function say(message, error) {
    $("state").textContent = message;
    $("state").classList.toggle("error", Boolean(error));
  }

  // 0..1 for each of width places: the weight there against the row's greatest
  function brightness(row, column, width) {
    const most = Math.max(1e-6, ...row), light = new Float32Array(width);
    for (let x = 0; x < width; x++) {
      const at = (x + 0.5) / width / column - 0.5, left = Math.floor(at);
      light[x] = ((row[left] || 0) * (1 - at + left) + (row[left + 1] || 0) * (at - left)) / most;
    }
    return light;
  }

  function highlight(step) {
    const canvas = $("light"), width = canvas.width = canvas.clientWidth || 1;
    canvas.height = 1;
    const ink = canvas.getContext("2d");
    if (step === null || !shown.attention[step]) return;
    brightness(shown.attention[step], shown.column, width).forEach((light, x) => {
      ink.fillStyle = `rgba(8,10,14,${0.72 * (1 - light)})`;
      ink.fillRect(x, 0, 1, 1);
      ink.fillStyle = `rgba(255,170,20,${0.38 * light})`;
      ink.fillRect(x, 0, 1, 1);
    });
  }

  function bar(row, column) {
    const canvas = document.createElement("canvas"), width = canvas.width = 400;
    canvas.height = 1;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "attention over the image's width");
    const ink = canvas.getContext("2d");
    ink.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--bar").trim();
    brightness(row, column, width).forEach((light, x) => {
      ink.globalAlpha = light;
      ink.fillRect(x, 0, 1, 1);
    });
    return canvas;
  }

  function show(found) {
    shown = found;
    $("text").textContent = found.text;
    $("score").textContent = found.text ? `score ${found.score.toFixed(4)}` :
      `no text (score ${found.score.toFixed(4)})`;
    $("steps").replaceChildren(...Array.from(found.text).map((character, step) => {
      const line = document.createElement("li"), name = document.createElement("b");
      const score = document.createElement("span");
      line.tabIndex = 0;
      name.textContent = character === " " ? "␣" : character;
      const value = found.char_scores[step];
      score.textContent = value === undefined ? "" : value.toFixed(3);
      line.append(name, score);
      if (found.attention[step]) line.append(bar(found.attention[step], found.column));
      for (const event of ["mouseenter", "focus"]) line.addEventListener(event, () => highlight(step));
      for (const event of ["mouseleave", "blur"]) line.addEventListener(event, () => highlight(null));
      return line;
    }));
    $("found").hidden = false;
    highlight(null);
  }

  async function read(file) {
    const number = ++asked;
    $("found").hidden = true;
    say(`Reading ${file.name || "the image"} …`);
    try {
      const answer = await fetch("/read", { method: "POST", body: file });
      const found = await answer.json();
      if (number !== asked) return;
      if (!answer.ok) return say(found.error, true);
      URL.revokeObjectURL($("image").src);
      $("image").src = URL.createObjectURL(file);
      $("image").onerror = () => say("The browser cannot show this kind of image.");
      say("");
      show(found);
    } catch (error) {
      if (number === asked) say(`The server does not answer (${error.message}).`, true);
    }
  }

  const take = (files) => { if (files && files[0]) read(files[0]); };
  $("file").addEventListener("change", () => { take($("file").files); $("file").value = ""; });
  $("drop").addEventListener("keydown", (event) => { if (event.key === "Enter") $("file").click(); });
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
  document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    take(event.dataTransfer.files);
  });
})();
