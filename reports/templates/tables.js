"use strict";
(() => {
  const all = (query, within = document) => [...within.querySelectorAll(query)];
  const words = JSON.parse(document.getElementById("words").textContent);

  // Tables, by DataTables: sorted by the stored figure or the text; what has none stays last in both directions.
  const { DataTable } = window;
  const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });
  const compare = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));
  const missingLast = (sign) => (a, b) => (a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b));
  DataTable.type("cell", { order: { asc: missingLast(1), desc: missingLast(-1) } });
  const read = (value) => function values(_settings, index) {
    return this.api().column(index, { order: "index" }).nodes().map(value);
  };
  DataTable.ext.order.text = read((cell) => (cell.querySelector(".none") ? null : cell.textContent.trim() || null));
  DataTable.ext.order.number = read((cell) => (cell.dataset.v ? Number(cell.dataset.v) : null));
  DataTable.ext.errMode = "throw";
  const columnOf = (head) => ({
    type: "cell",
    orderable: "sort" in head.dataset,
    orderDataType: head.dataset.sort,
    orderSequence: head.dataset.sort === "number" ? ["desc", "asc"] : ["asc", "desc"],
    searchable: false,
    visible: !head.hidden,
    ariaTitle: head.textContent.trim(),
  });
  const enhance = (table) => {
    if (DataTable.isDataTable(table)) return new DataTable.Api(table);
    const heads = [...table.tHead.rows[0].cells];
    const columns = heads.map(columnOf);
    const sorted = heads.findIndex((head) => head.hasAttribute("aria-sort"));
    const order = sorted < 0 ? [] : [[sorted, heads[sorted].getAttribute("aria-sort").replace("ending", "")]];
    const hidden = all("[hidden]", table);
    const made = new DataTable(table, {
      columns,
      order,
      orderDescReverse: false, // rows that are level stay as the page has them
      orderClasses: false,
      language: words.tables,
      layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null }, // the page has fields of its own
      paging: false,
      info: false,
      autoWidth: false, // the browser's widths, also of tables that are not shown yet
    });
    // By now DataTables keeps these out of the page, so that showing them costs no second layout.
    hidden.forEach((cell) => { cell.hidden = false; });
    return made;
  };
  // A table is enhanced when it comes near the screen: those of closed models when they are opened, if ever.
  const near = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => { near.unobserve(target); enhance(target); });
  }, { rootMargin: "600px" });
  all("table.sortable").forEach((table) => near.observe(table));
  // DataTables lets Enter alone press what it calls a button; with the shift key a press adds a second column.
  addEventListener("keydown", (event) => {
    if (event.key !== " " || !event.target.matches(".dt-column-order")) return;
    event.preventDefault();
    event.target.dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: event.shiftKey }));
  });

  // The leaderboard's filters and columns.
  all(".controls[data-for]").forEach((controls) => {
    const table = document.getElementById(controls.dataset.for);
    const rows = [...table.tBodies[0].rows];
    const fields = all("[data-filter]", controls);
    const fits = (row, { value, dataset: { filter } }) => {
      if (!value || filter !== "text") return !value || row.dataset[filter] === value;
      return row.dataset.text.toLowerCase().includes(value.toLowerCase());
    };
    const apply = () => {
      const chosen = enhance(table).search.fixed("fields", (_text, _data, index) => fields.every((field) => fits(rows[index], field))).draw();
      const shown = chosen.rows({ search: "applied" }).count();
      controls.querySelector(".count").textContent = shown === rows.length ? "" : words.shown.replace("{n}", shown).replace("{all}", rows.length);
    };
    fields.forEach((field) => ["input", "change"].forEach((kind) => field.addEventListener(kind, apply)));
    all("input[data-column]", controls).forEach((box) => {
      box.addEventListener("change", () => enhance(table).column(`[data-column="${box.dataset.column}"]`).visible(box.checked));
    });
  });
})();
