"use strict";
(() => {
  const all = (query, within = document) => [...within.querySelectorAll(query)];
  const words = JSON.parse(document.getElementById("words").textContent);

  // Tools are hidden where nothing would answer them.
  all(".tools, .controls, .copy").forEach((element) => { element.hidden = false; });

  // Theme: the system's until the button is pressed.
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const theme = document.getElementById("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const remembered = (() => { try { return localStorage.getItem("patchbench-theme"); } catch { return null; } })();
  if (remembered === "dark" || remembered === "light") root.dataset.theme = remembered;
  const nameTheme = () => { theme.textContent = isDark() ? words.light : words.dark; };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("patchbench-theme", root.dataset.theme); } catch { /* a page from disk may have no store */ }
    nameTheme();
  });
  system.addEventListener("change", nameTheme);
  nameTheme();

  // Print with everything open.
  document.getElementById("print").addEventListener("click", () => window.print());
  let opened = [];
  addEventListener("beforeprint", () => { opened = all("details:not([open]):not(.chooser)"); opened.forEach((d) => { d.open = true; }); });
  addEventListener("afterprint", () => { opened.forEach((d) => { d.open = false; }); });

  document.getElementById("save").addEventListener("click", () => {
    const text = JSON.parse(document.getElementById("csv").textContent);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = words.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });

  // The chooser of columns closes at a click elsewhere and at Escape.
  const choosers = all("details.chooser");
  addEventListener("click", (event) => choosers.forEach((c) => { if (!c.contains(event.target)) c.open = false; }));
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    choosers.filter((c) => c.open).forEach((c) => { c.open = false; c.querySelector("summary").focus(); });
  });

  // Models: open and close together, counts or percent; a link to a closed one opens it.
  const models = all("details.model");
  all("[data-open]").forEach((button) => button.addEventListener("click", () => models.forEach((d) => { d.open = true; })));
  all("[data-close]").forEach((button) => button.addEventListener("click", () => models.forEach((d) => { d.open = false; })));
  const percent = document.getElementById("percent");
  percent?.addEventListener("click", () => percent.setAttribute("aria-pressed", String(document.body.classList.toggle("percent"))));
  const reveal = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Gallery: by kind, model and class; an image opens large, and the arrow keys go on to the next.
  const cards = all("#gallery .card");
  const fields = all("[data-gallery]");
  const fits = (card, field) => !field.value || !(field.dataset.gallery in card.dataset)
    || card.dataset[field.dataset.gallery] === field.value;
  const pick = () => {
    cards.forEach((card) => { card.hidden = !fields.every((field) => fits(card, field)); });
    const isChosen = fields.some((field) => field.value);
    all("#gallery .disagreements").forEach((group) => { group.hidden = !group.querySelector(".card:not([hidden])"); });
    all("#gallery details.images").forEach((group, index) => {
      group.hidden = !group.querySelector(".card:not([hidden])");
      group.open = isChosen ? !group.hidden : index === 0;
    });
  };
  fields.forEach((field) => field.addEventListener("change", pick));
  const hint = document.getElementById("gallery-hint");
  if (hint) {
    const dialog = document.createElement("dialog");
    dialog.className = "large";
    const bar = document.createElement("div");
    const body = document.createElement("div");
    bar.className = "controls";
    dialog.append(bar, body);
    document.body.append(dialog);
    let current = null;
    const show = (card) => {
      current = card;
      const copy = card.cloneNode(true);
      all("button", copy).forEach((button) => button.replaceWith(...button.childNodes));
      body.replaceChildren(copy);
      dialog.setAttribute("aria-label", card.querySelector("figcaption").textContent.replace(/\s+/g, " ").trim());
      if (!dialog.open) dialog.showModal();
    };
    const step = (by) => {
      const shown = cards.filter((card) => !card.hidden);
      show(shown[(shown.indexOf(current) + by + shown.length) % shown.length]);
    };
    [["previous", () => step(-1)], ["next", () => step(1)], ["close", () => dialog.close()]].forEach(([name, act]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = hint.dataset[name];
      button.addEventListener("click", act);
      bar.append(button);
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowRight") step(1);
      if (event.key === "ArrowLeft") step(-1);
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => current?.querySelector("button")?.focus());
    cards.forEach((card) => {
      const image = card.querySelector("img");
      if (!image) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "open";
      button.setAttribute("aria-label", `${hint.dataset.open}: ${image.alt}`);
      image.replaceWith(button);
      button.append(image);
      button.addEventListener("click", () => show(card));
    });
  }

  // What both charts share: the box at the pointer, the theme's colors, and the place that a chart is drawn in.
  const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  const pointer = (lines) => (_handler, event, item, value) => {
    tip.hidden = !value;
    if (!value) return;
    tip.textContent = lines(item.datum).join("\n");
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
  };
  const embed = async (id, spec, tooltip, label) => {
    const place = document.getElementById(id);
    const axis = { labelColor: color("muted"), titleColor: color("muted"), gridColor: color("soft"), domainColor: color("muted"), tickColor: color("muted"), titleFontWeight: "normal", labelFontSize: 12, titleFontSize: 12 };
    const config = { background: "transparent", font: "system-ui, sans-serif", axis, legend: { labelColor: color("ink"), titleColor: color("muted"), symbolBaseFillColor: color("muted"), symbolBaseStrokeColor: color("muted"), labelFontSize: 12 }, view: { stroke: null } };
    place.hidden = false;
    await window.vegaEmbed(place, spec, { mode: "vega-lite", actions: false, ast: true, defaultStyle: false, renderer: "svg", tooltip, config });
    // One image with one name: the cells are read in the tables, not mark by mark.
    all("[role], [aria-roledescription], [aria-label]", place).forEach((mark) => {
      ["role", "aria-roledescription", "aria-label"].forEach((name) => mark.removeAttribute(name));
    });
    place.removeAttribute("aria-roledescription");
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", label);
    document.getElementById(`${id}-static`).hidden = true;
  };
  const whenever = (controls, redraw) => {
    controls.forEach((control) => control.addEventListener("change", redraw));
    theme.addEventListener("click", redraw);
    system.addEventListener("change", redraw);
    redraw();
  };

  // Accuracy against cost: the static figure gives way to the explorer.
  const store = document.getElementById("explorer-data");
  if (store && window.vegaEmbed) {
    const explorer = JSON.parse(store.textContent);
    const control = (name) => document.getElementById(`explorer-${name}`);
    const describe = pointer((cell) => [cell.title, ...Object.entries(cell.texts).map(([key, text]) => `${explorer.labels[key]}: ${text}`)]);
    let drawing = Promise.resolve();
    const draw = async () => {
      const cost = explorer.costs.find((c) => c.key === control("cost").value);
      const device = control("device").value;
      const priced = explorer.cells.map((cell) => ({ ...cell, cost: cell[cost.key] }));
      const cells = priced.filter((cell) => cell.cost > 0 && (!device || cell.device === device));
      const front = explorer.fronts[cost.key][device].map((index) => priced[index]);
      const spec = structuredClone(explorer.spec);
      spec.datasets = { cells, front };
      spec.layer.forEach((layer) => {
        layer.encoding.x.scale.type = control("log").checked ? "log" : "linear";
        layer.encoding.x.axis.title = cost.unit ? `${cost.title} (${cost.unit})` : cost.title;
      });
      spec.layer[1].encoding.color.scale = { domain: explorer.families, range: explorer.families.map(color) };
      spec.layer[0].encoding.color.value = color("muted");
      await embed("explorer", spec, describe, `${explorer.title}: ${cost.title}`);
    };
    whenever(["cost", "device", "log"].map(control), () => { drawing = drawing.then(draw); });
  }

  // Learning curves: the small panels give way to one chart of the chosen score.
  const kept = document.getElementById("curves-data");
  if (kept && window.vegaEmbed) {
    const curves = JSON.parse(kept.textContent);
    const control = (name) => document.getElementById(`curves-${name}`);
    const isShare = () => control("score").value.includes("accuracy");
    const shown = (value) => (isShare() ? `${(value * 100).toFixed(1)} %` : Number(value.toPrecision(4)));
    const describe = pointer((row) => [row.title, `${curves.labels.epoch} ${row.epoch}`, row.seeds > 1 ? `${shown(row.mean)} (${shown(row.low)}–${shown(row.high)}, ${row.seeds} ${curves.labels.seeds})` : `${shown(row.mean)}`]);
    let drawing = Promise.resolve();
    const draw = async () => {
      const score = curves.scores.find((s) => s.key === control("score").value);
      const split = curves.splits.find((s) => s.key === control("split").value);
      const key = `${split.key}_${score.key}`;
      const spec = structuredClone(curves.spec);
      const rows = curves.rows.filter((row) => row[key] && (!control("model").value || row.title === control("model").value));
      spec.datasets = { rows: rows.map(({ title, epoch, seeds, [key]: [mean, low, high] }) => ({ title, epoch, seeds, mean, low, high })) };
      spec.layer[1].encoding.y.axis.title = `${score.title} (${split.title})`;
      spec.layer[1].encoding.y.axis.format = isShare() ? "~%" : "~g";
      const across = Math.max(1, Math.min(4, Math.floor(document.getElementById("curves-chart").parentElement.clientWidth / 170)));
      spec.layer.forEach(({ encoding: { color } }) => {
        color.scale.domain = curves.models;
        if (color.legend) color.legend.columns = across;
      });
      await embed("curves-chart", spec, describe, `${curves.title}: ${score.title}, ${split.title}`);
    };
    whenever(["score", "split", "model"].map(control), () => { drawing = drawing.then(draw); });
  }

  all(".copy").forEach((button) => button.addEventListener("click", async () => {
    const text = button.parentElement.querySelector("code").textContent;
    try { await navigator.clipboard.writeText(text); button.textContent = words.copied; } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    }
  }));

  // Where the reader is, in the contents.
  const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
  const seen = new Set();
  const watcher = new IntersectionObserver((entries) => {
    entries.forEach((entry) => { if (entry.isIntersecting) seen.add(entry.target.id); else seen.delete(entry.target.id); });
    const current = [...links.keys()].find((id) => seen.has(id));
    links.forEach((link, id) => { if (id === current) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current"); });
  }, { rootMargin: "-80px 0px -50% 0px" });
  all("main section[id]").forEach((section) => watcher.observe(section));
})();
